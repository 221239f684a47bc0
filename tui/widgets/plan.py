"""The plan on screen: its steps, and the disk now and after them."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import set_cell_size

from collectors.model.plan import Harm, Step
from collectors.model.reading import Exact, Unavailable
from collectors.report.formatting import bytes_, count, safe, whole_percent
from tui.drawing.bars import SOLID, THIN, Span, fit, shorten
from tui.view_models.categories import cell, number
from tui.view_models.frame import height_of, space_of
from tui.view_models.plan_run import StepRun, StepState
from tui.view_models.state import DashboardState
from tui.widgets import LineWidget
from tui.widgets.listing import Listing

_HARM = 14
_UNDO = 22
_HARMS = {
    Harm.NONE: ("· none", "good"),
    Harm.TIME: ("▲ time", "warn"),
    Harm.HISTORY: ("▲ history", "warn"),
    Harm.STATE: ("✖ state", "bad"),
    Harm.DATA: ("✖ data", "bad"),
}


class StepTable(Listing[Step]):
    mark_cells = 4

    def key_of(self, row: Step) -> str:
        return row.id

    def copy_text(self, row: Step) -> str:
        return row.command

    def same(self, before: DashboardState, after: DashboardState) -> bool:
        return super().same(before, after) and before.chosen == after.chosen and before.plan_run is after.plan_run

    def columns(self, width: int, number_cells: int) -> tuple[int, int]:
        """Cells of (title, undo); undo goes where room is short."""
        available = width - 5 - number_cells - (_HARM + 2) - 1
        undo = _UNDO if available >= 34 + _UNDO else 0
        return available - undo - (2 if undo else 0), undo

    def head(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        title, undo = self.columns(width, self.number(state))
        running = f"{'Freed' if state.plan_run is not None else 'Frees'} {state.scale.label}"
        text = f"     {'Step':<{title}}{running:>{self.number(state)}}  {'Harm':<{_HARM}}"
        return (Span(text + (f"  {'Undo':<{undo}}" if undo else ""), "head"),)

    def empty(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        if state.frame is not None and not state.frame.done:
            return (Span(" Still being read: no plan yet.", "muted"),)
        return (Span(" Nothing that was measured can be freed safely.", "muted"),)

    def draw(self, row: Step, state: DashboardState, width: int) -> list[tuple[Span, ...]]:
        title, undo = self.columns(width, self.number(state))
        run = state.plan_run.steps.get(row.id) if state.plan_run is not None else None
        on = row.id in state.chosen
        mark, role = _mark(on, run)
        harm, ink = _HARMS[row.harm]
        harm += ", young" if row.young_s else ""
        name = shorten(safe(row.title), title - 1)
        if run is not None and run.total:
            name = shorten(safe(row.title), title - 10) + f" {run.done}/{run.total}"
        spans = [
            Span(f" {mark} ", role),
            Span(set_cell_size(name, title), "strong" if on else "muted"),
            self._freed(row, state, run, on),
            Span(f"  {harm:<{_HARM}}", ink),
        ]
        if undo:
            spans.append(Span(f"  {set_cell_size(shorten(safe(row.undo), undo), undo)}", "muted"))
        return [tuple(spans)]

    @staticmethod
    def number(state: DashboardState) -> int:
        """Cells of the column of bytes: its header names the unit."""
        return max(state.scale.width, len(f"Frees {state.scale.label}")) + 1

    @classmethod
    def _freed(cls, row: Step, state: DashboardState, run: StepRun | None, on: bool) -> Span:
        """Measured where it ran, else promised; behind an arrow what only a step after it will free."""
        width = cls.number(state)
        if run is not None and run.measured_bytes is not None:
            return Span(f"{number(run.measured_bytes, state.scale.divisor):>{width}}", "goodstrong")
        later = state.later.get(row.id, 0)
        if later and isinstance(row.frees, Exact) and not row.frees.value:
            return Span(f"{'→' + number(later, state.scale.divisor):>{width}}", "good" if on else "muted")
        text = cell(row.frees, state.scale)
        role = "warn" if isinstance(row.frees, Unavailable) else "good" if on else "muted"
        return Span(f"{text:>{width}}", role)


def _mark(on: bool, run: StepRun | None) -> tuple[str, str]:
    if run is None:
        return ("[x]", "good") if on else ("[ ]", "muted")
    if run.state is StepState.RUNNING:
        return " ▶ ", "accent"
    return (" ✔ ", "good") if run.state is StepState.DONE else (" ○ ", "warn")


class WayLines(LineWidget):
    """Above the steps: the least harm to the target, and what each harm comes to, milder ones done before."""

    def lines(self, state: DashboardState, width: int, height: int) -> Iterable[tuple[Span, ...]]:
        plan, space = state.steps, space_of(state.report) if state.report is not None else None
        if plan is None or space is None:
            return
        yield fit(_way(state), width)
        spans = [Span(f" {state.scale.label}: ", "muted")]
        for total in plan.harms():
            after = whole_percent(space.used_percent_after(total.so_far_bytes))
            spans.append(Span(f"{total.harm.word} ", _HARMS[total.harm][1], 1))
            spans.append(Span(f"{number(total.frees_bytes, state.scale.divisor)}→{after} ", "text", 1))
        if plan.for_person:
            spans.append(Span(f"for a person: {len(plan.for_person)}", "muted", 2, shrinks=True))
        yield fit(spans, width)


def _way(state: DashboardState) -> list[Span]:
    plan, way = state.steps, state.way
    if plan is None or way is None:
        return [Span(" Nothing presses.", "muted")]
    target, ids = way
    wanted, leads = f" to reach {target.percent:g}%: ", whole_percent(target.leads_to_percent)
    if not (target.to_free_bytes or target.to_free_inodes):
        return [Span(f"{wanted}nothing has to go", "good")]
    steps = [step for step in plan.steps if step.id in ids]
    harm = max((step.harm for step in steps), default=None)
    these = "this step" if len(steps) == 1 else f"these {count(len(steps), 'step')}"
    what = f"{these}, harm: {harm.word}" if harm is not None else "no step helps"
    if target.short_bytes or target.short_inodes:
        missing = f"{target.short_inodes:,} inodes" if target.inodes else bytes_(target.short_bytes, si=state.scale.si)
        short = f" to {leads}, {missing} short"
        return [Span(wanted, "muted"), Span(what, "warn"), Span(short, "bad", 1, shrinks=True)]
    young = " · m lets young things go" if any(step.young_s for step in steps) else ""
    return [
        Span(wanted, "muted"),
        Span(what, "strong"),
        Span(f" → {leads}", "good"),
        Span(f"{young} · w chooses", "muted", 2),
    ]


class Gauge(LineWidget):
    def lines(self, state: DashboardState, width: int, height: int) -> Iterable[tuple[Span, ...]]:
        report, after = state.report, state.after_plan
        space = space_of(report) if report is not None else None
        if space is None or after is None:
            yield (Span(" How full the disk is could not be read.", "muted"),)
            return
        now, bar = space.used_percent, height_of(space.used_bytes, space.usable_bytes)
        bad = "bad" if any(now >= mark for mark in state.marks) else "text"
        available = max(4, width - 16)
        yield _bar(" now  ", bar, whole_percent(now), bad, available, mono=state.appearance.mono)
        yield _bar(
            " after", after.height, whole_percent(after.used_percent), "good", available, mono=state.appearance.mono
        )
        yield fit(_sentence(state, after.freed_bytes), width)


def _sentence(state: DashboardState, ahead_bytes: int) -> list[Span]:
    """What is promised, what is measured, what is waited for: three figures that are never mixed."""
    si = state.scale.si
    run = state.plan_run
    if run is None:
        return [Span(f" {bytes_(ahead_bytes, si=si)} ", "goodstrong"), Span("to be freed", "text")]
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


def _measured(state: DashboardState) -> int | None:
    if state.plan_run is None:
        return None
    known = [step.measured_bytes for step in state.plan_run.steps.values() if step.measured_bytes is not None]
    return sum(known) if known else None


def _bar(label: str, share: float, text: str, role: str, available: int, *, mono: bool) -> tuple[Span, ...]:
    """What is used and, lower where no colour tells them apart, what is not."""
    cells = min(available, max(1 if share > 0 else 0, round(available * share / 100)))
    return (
        Span(f"{label} ", "muted"),
        Span(SOLID * cells, role),
        Span((THIN if mono else SOLID) * (available - cells), "track"),
        Span(f" {text:>6}", "strong"),
    )
