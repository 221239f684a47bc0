"""The plan on screen: its steps, and the disk now and after them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.cells import set_cell_size

from collectors.model.plan import Harm, PlanTarget, Step
from collectors.model.reading import Exact, Unavailable, floor
from collectors.report.formatting import bytes_, count, safe, whole_percent
from tui.drawing import SOLID, THIN, Span, fit, shorten, two_part_bar
from tui.view_models import height_of, space_of
from tui.view_models.categories import cell, number
from tui.view_models.plan_run import AfterPlan, HarmRow, StepRun, StepState
from tui.view_models.state import DashboardState
from tui.widgets import LineWidget, marked_spans
from tui.widgets.listing import Listing

_AGE = 6
_UNDO = 30
_TITLE = 78  # most titles are whole in so many cells
_BAR, _LEAST_BAR = 24, 8
_HARMS = {
    Harm.NONE: ("·", "good"),
    Harm.TIME: ("▲", "warn"),
    Harm.HISTORY: ("▲", "warn"),
    Harm.STATE: ("✖", "bad"),
    Harm.DATA: ("✖", "bad"),
}
_MEANS = {
    Harm.NONE: "comes back by itself",
    Harm.TIME: "built, pulled or downloaded again",
    Harm.HISTORY: "what happened can no longer be looked into",
    Harm.STATE: "may be the only one of its kind",
    Harm.DATA: "somebody's data or work: for a person alone",
}


class StepTable(Listing[HarmRow | Step]):
    """The steps under the heads of their harms; Space on a head takes all of them."""

    mark_cells = 5

    def key_of(self, row: HarmRow | Step) -> str:
        return row.id

    def copy_text(self, row: HarmRow | Step) -> str:
        return row.command if isinstance(row, Step) else ""

    def same(self, before: DashboardState, after: DashboardState) -> bool:
        return (
            super().same(before, after)
            and before.chosen == after.chosen
            and before.plan_run is after.plan_run
            and before.steps is after.steps
        )

    def columns(self, width: int, number_cells: int) -> tuple[int, int, int]:
        """Cells of (title, bar, undo); where room is short undo goes first, then the bar."""
        available = width - 5 - number_cells - (_AGE + 2) - 1
        undo = _UNDO + 2 if available >= _TITLE + _BAR + _UNDO + 2 else 0
        bar = min(_BAR, available - undo - _TITLE)
        bar = bar if bar >= _LEAST_BAR else 0
        return max(1, available - undo - bar), bar, max(0, undo - 2)

    def _reveal(self) -> None:
        """The head of a harm is seen with its first step."""
        super()._reveal()
        above = self.cursor - 1
        if above >= 0 and isinstance(self.rows[above], HarmRow) and self.scroll_offset.y > above:
            self.scroll_to(y=above, animate=False)

    def head(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        title, bar, undo = self.columns(width, self.number(state))
        running = f"{'Freed' if state.plan_run is not None else 'Frees'} {state.scale.label}"
        text = f"     {'Step':<{title}}{running:>{self.number(state)}}{'':<{bar}}  {'':<{_AGE}}"
        return (Span(text + (f"  {'Undo':<{undo}}" if undo else ""), "head"),)

    def empty(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        if state.frame is not None and not state.frame.done:
            return (Span(" Still being read: no plan yet.", "muted"),)
        if state.of_marked:
            return (Span(" No step removes what is marked.", "muted"),)
        return (Span(" Nothing that was measured can be freed safely.", "muted"),)

    def draw(self, row: HarmRow | Step, state: DashboardState, width: int) -> list[tuple[Span, ...]]:
        title, bar, undo = self.columns(width, self.number(state))
        if isinstance(row, HarmRow):
            return [self._head_of(row, state, title, bar)]
        run = state.plan_run.steps.get(row.id) if state.plan_run is not None else None
        on = row.id in state.chosen
        mark, role = _mark(on, run, on_way=state.way is not None and row.id in state.way[1])
        name = shorten(safe(row.title), title - 1)
        if run is not None and run.total:
            name = shorten(safe(row.title), title - 10) + f" {run.done}/{run.total}"
        spans = [
            Span(f" {mark} ", role),
            Span(set_cell_size(name, title), "strong" if on else "text"),
            self._freed(row, state, run, on),
            *self._bar(row, bar),
            Span(f"  {self._aside(row, state):<{_AGE}}", "warn" if row.young_s else "muted"),
        ]
        if undo:
            spans.append(Span(f"  {set_cell_size(shorten(safe(row.undo), undo), undo)}", "muted"))
        return [tuple(spans)]

    def _bar(self, row: Step, width: int) -> Sequence[Span]:
        """How much it frees beside the largest of all steps."""
        steps = [step for step in self.rows if isinstance(step, Step)]
        mine, largest = floor(row.frees), max((floor(step.frees) for step in steps), default=0)
        drawn = two_part_bar(mine, mine, largest, width - 2, _HARMS[row.harm][1])
        return (Span("  "), *drawn, Span(" " * (width - 2 - sum(len(piece.text) for piece in drawn)))) if width else ()

    def _head_of(self, row: HarmRow, state: DashboardState, title: int, bar: int) -> tuple[Span, ...]:
        """`▲ time · built or pulled again ─────── 296.8  → 75%`: what the harm is, its subtotal, the fill after it."""
        glyph, ink = _HARMS[row.harm]
        space = space_of(state.report) if state.report is not None else None
        name, about = f" {glyph} {row.harm.word} ", f"· {_MEANS[row.harm]} "
        line = "─" * (title + 5 - len(name))
        about_bytes, about_so_far = ("~" if likely else "" for likely in (row.likely_bytes, row.likely_so_far_bytes))
        figure = about_bytes + number(row.frees_bytes + row.likely_bytes, state.scale.divisor)
        freed = row.so_far_bytes + row.likely_so_far_bytes
        after = about_so_far + whole_percent(space.used_percent_after(freed)) if space is not None else "?"
        told = about if len(about) + 4 <= len(line) else ""
        return (
            Span(name, ink),
            Span(told, "muted"),
            Span(f"{line[len(told) : -1]} ", "track"),
            Span(f"{figure:>{self.number(state)}}", ink),
            Span(f"{'':<{bar}}  → {after}" if state.plan_run is None else "", "text"),
        )

    @staticmethod
    def number(state: DashboardState) -> int:
        """Cells of the column of bytes: its header names the unit."""
        return max(state.scale.width, len(f"Frees {state.scale.label}")) + 1

    @staticmethod
    def _only_later(row: Step, state: DashboardState) -> int:
        """Bytes that come free once a later step has run too, of a step that frees none by itself; else 0."""
        return state.later.get(row.id, 0) if isinstance(row.frees, Exact) and not row.frees.value else 0

    def _aside(self, row: Step, state: DashboardState) -> str:
        return "young" if row.young_s else "later" if self._only_later(row, state) else ""

    @classmethod
    def _freed(cls, row: Step, state: DashboardState, run: StepRun | None, on: bool) -> Span:
        """Measured where it ran, else promised; where that is nothing, what it frees together with a later step."""
        width = cls.number(state)
        if run is not None and run.measured_bytes is not None:
            return Span(f"{number(run.measured_bytes, state.scale.divisor):>{width}}", "goodstrong")
        if later := cls._only_later(row, state):
            return Span(f"{number(later, state.scale.divisor):>{width}}", "muted")
        text = cell(row.frees, state.scale)
        role = "warn" if isinstance(row.frees, Unavailable) else "good" if on else "text"
        return Span(f"{text:>{width}}", role)


def _mark(on: bool, run: StepRun | None, *, on_way: bool) -> tuple[str, str]:
    """`[·]`: not chosen, and on the way to the target."""
    if run is None:
        return ("[x]", "good") if on else ("[·]", "accent") if on_way else ("[ ]", "muted")
    if run.state is StepState.RUNNING:
        return " ▶ ", "accent"
    return (" ✔ ", "good") if run.state is StepState.DONE else (" ○ ", "warn")


class WayLines(LineWidget):
    """Above the steps: the least harm to the target; of a marked set what it comes to. A click chooses these steps."""

    async def on_click(self) -> None:
        await self.app.run_action("way")

    def lines(self, state: DashboardState, width: int, height: int) -> Iterable[tuple[Span, ...]]:
        if state.steps is not None and state.report is not None and space_of(state.report) is not None:
            yield fit((Span(" "), *marked_spans(state)) if state.of_marked else _way(state), width)


def _way(state: DashboardState) -> list[Span]:
    """`to reach 80%: these 3 steps, harm: time → 77%`."""
    plan, way = state.steps, state.way
    if plan is None or way is None:
        return [Span(" Nothing presses.", "muted")]
    target, ids = way
    wanted = Span(f" to reach {target.percent:g}%: ", "muted")
    if not (target.to_free_bytes or target.to_free_inodes):
        return [wanted, Span("nothing has to go", "good")]
    steps = [step for step in plan.steps if step.id in ids]
    reached = not (target.short_bytes or target.short_inodes)
    what = Span(_these(steps), "strong" if reached else "warn")
    return [wanted, what, *(_leads(target, steps) if reached else [_short(target, bool(steps), state.scale.si)])]


def _these(steps: Sequence[Step]) -> str:
    if not steps:
        return "no step helps"
    these = "this step" if len(steps) == 1 else f"these {count(len(steps), 'step')}"
    return f"{these}, harm: {max(step.harm for step in steps).word}"


def _short(target: PlanTarget, leads_anywhere: bool, si: bool) -> Span:
    """Not reached for certain: by how much, or where it leads if estimates hold."""
    leads = whole_percent(target.leads_to_percent)
    if target.likely_percent is not None and target.likely_percent != target.leads_to_percent:
        likely = f" → ~{whole_percent(target.likely_percent)} if estimates hold, {leads} for certain"
        return Span(likely, "warn" if target.likely_reached else "bad", 1, shrinks=True)
    missing = f"{target.short_inodes:,} inodes" if target.inodes else bytes_(target.short_bytes, si=si)
    reaches = f" to {leads}" if leads_anywhere else ""
    return Span(f"{reaches}, {missing} short", "bad", 1, shrinks=True)


def _leads(target: PlanTarget, steps: Sequence[Step]) -> list[Span]:
    young = " · m lets young things go" if any(step.young_s for step in steps) else ""
    return [
        Span(f" → {whole_percent(target.leads_to_percent)}", "good"),
        Span(f"{young} · w chooses", "muted", 2),
    ]


class Gauge(LineWidget):
    """One bar: what stays used, what the chosen steps free; and that in words."""

    def lines(self, state: DashboardState, width: int, height: int) -> Iterable[tuple[Span, ...]]:
        report, after = state.report, state.after_plan
        space = space_of(report) if report is not None else None
        if space is None or after is None:
            yield (Span(" How full the disk is could not be read.", "muted"),)
            return
        bad = "bad" if any(space.used_percent >= mark for mark in state.marks) else "text"
        available = max(4, width - 18)
        stays = round(available * after.height / 100)
        used = max(stays, round(available * height_of(space.used_bytes, space.usable_bytes) / 100))
        yield (
            Span(f" {whole_percent(space.used_percent):>5} ", bad),
            Span(SOLID * stays, bad),
            Span((THIN if state.appearance.mono else SOLID) * (used - stays), "good"),
            Span((" " if state.appearance.mono else THIN) * (available - used), "track"),
            Span(f" → {whole_percent(after.used_percent):<6}", "goodstrong" if used > stays else "strong"),
        )
        yield fit(_sentence(state, after), width)


def _sentence(state: DashboardState, after: AfterPlan) -> list[Span]:
    """What is promised, what is measured, what is waited for: three figures that are never mixed."""
    si, ahead_bytes = state.scale.si, after.freed_bytes
    run = state.plan_run
    if run is None:
        sure = (Span(f" {bytes_(ahead_bytes, si=si)} ", "goodstrong"), Span("to be freed", "text"))
        return [*sure, *_by_estimate(after, si)]
    spans: list[Span] = []
    if not run.ended:
        spans += [Span(f" {bytes_(ahead_bytes, si=si)} ", "goodstrong"), Span("still promised ·", "text")]
    freed = _measured(state)
    if freed is not None:
        spans.append(Span(f" {bytes_(freed, si=si)} measured", "goodstrong"))
    if run.ended:
        spans.append(Span(" · r scans again and makes a new plan", "muted", 2))
    elif run.waiting:
        spans.append(Span(f" · {run.waiting}", "warn", 1, shrinks=True))
    return spans


def _by_estimate(after: AfterPlan, si: bool) -> Iterator[Span]:
    if after.likely_percent is not None:
        more = f", ~{bytes_(after.likely_bytes, si=si)} more by estimate: ~{whole_percent(after.likely_percent)}"
        yield Span(more, "warn", 2)


def _measured(state: DashboardState) -> int | None:
    if state.plan_run is None:
        return None
    known = [step.measured_bytes for step in state.plan_run.steps.values() if step.measured_bytes is not None]
    return sum(known) if known else None
