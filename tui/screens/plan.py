"""What helps? Findings on the left; steps, what they leave, what one step does, and the log on the right."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical

from collectors.model.plan import Harm, Plan, Step
from collectors.report.formatting import age, bytes_, count, safe
from collectors.report.plan_text import leads_to
from tui.drawing import Line, Span
from tui.screens import DashboardView
from tui.view_models.plan_run import HarmRow, plan_rows
from tui.view_models.state import DashboardState
from tui.view_models.verdict import ordered
from tui.widgets import Panel, TextLines
from tui.widgets.item_table import FindingsList
from tui.widgets.listing import Listing
from tui.widgets.plan import Gauge, StepTable, WayLines


class PlanView(DashboardView):
    def __init__(self) -> None:
        super().__init__(id="plan")
        self._state: DashboardState | None = None

    def compose(self) -> ComposeResult:
        with Horizontal():
            with Panel(id="plan-findings"):
                yield FindingsList(id="plan-findings-list")
            with Vertical():
                with Panel(id="plan-steps"):
                    yield WayLines(id="way")
                    yield StepTable(id="steps")
                    yield Gauge(id="gauge")
                with Container(id="plan-below"):
                    with Panel(id="plan-step"):
                        yield TextLines(id="step", wrap=True)
                    with Panel(id="plan-log"):
                        yield TextLines(id="log", wrap=True)

    def focus_first(self) -> None:
        self.query_one(StepTable).focus()

    def show(self, state: DashboardState) -> None:
        self._state = state
        plan = state.steps
        if plan is None or state.frame is None:
            return
        findings = self.query_one(FindingsList)
        findings.fill(ordered(state.frame), state)
        self.query_one("#plan-findings", Panel).set_title("Findings")
        table = self.query_one(StepTable)
        first = not table.rows
        table.fill(plan_rows(plan, state.filter_text), state)
        self.set_heights()
        if first and len(table.rows) > 1:
            table.point_at(table.key_of(table.rows[1]))  # a step, not the head of the first harm
        panel = self.query_one("#plan-steps", Panel)
        ended = state.plan_run is not None and state.plan_run.ended
        name = "Plan of what is marked" if state.of_marked else "Plan"
        name += f" for {safe(state.mounted_at, 60)}" if len(state.mounts) > 1 else ""
        panel.set_title(f"{name}, running" if state.applying else f"{name}, done" if ended else name)
        panel.set_note(_note(state))
        self.query_one(WayLines).show(state)
        self.query_one(Gauge).show(state)
        # A log has the whole width; where room is low, there is room for one of the two anyway.
        self.query_one("#plan-step", Panel).display = not self._logged
        self.query_one("#plan-log", Panel).display = self._logged or not self.screen.has_class("-low")
        self._step(table, state)
        self._log(plan, state)

    def set_heights(self) -> None:
        """Give the steps the lines they need, and leave some to what is below."""
        low, beside = self.screen.has_class("-low"), not self.screen.has_class("-narrow")
        around = 1 + 1 + 2 + 2  # the way, header, gauge, frame
        wanted = len(self.query_one(StepTable).rows) + around
        below = 5 if low else 9 if beside else 14  # a log ends in four lines
        self.query_one("#plan-steps").styles.height = max(around + 1, min(wanted, self.size.height - below))

    @property
    def _logged(self) -> bool:
        """Whether there is a log to read: of a run, or of a dry one."""
        return self._state is not None and bool(self._state.plan_run is not None or self._state.dry_run_lines)

    def on_resize(self) -> None:
        self.set_heights()

    def on_listing_moved(self, message: Listing.Moved) -> None:
        if message.listing.id == "steps" and self._state is not None:
            message.stop()
            self._step(self.query_one(StepTable), self._state)

    def _step(self, table: StepTable, state: DashboardState) -> None:
        row, panel, prose = table.row, self.query_one("#plan-step", Panel), self.query_one("#step", TextLines)
        if isinstance(row, HarmRow):
            panel.set_title(f"Harm: {row.harm.word}")
            prose.set_lines(_about_harm(row, state), state.appearance)
        else:
            panel.set_title(safe(row.title, 80) if row is not None else "Step")
            prose.set_lines(_about(row, state) if row is not None else (), state.appearance)

    def _log(self, plan: Plan, state: DashboardState) -> None:
        panel, prose = self.query_one("#plan-log", Panel), self.query_one("#log", TextLines)
        if state.plan_run is not None:
            panel.set_title("Log")
            prose.set_lines(list(state.plan_run.lines(si=state.scale.si)), state.appearance)
            prose.scroll_end(animate=False)
        elif state.dry_run_lines:
            panel.set_title("Dry run: nothing has run")
            prose.set_lines(state.dry_run_lines, state.appearance)
        else:
            panel.set_title("Without a step, and why" if state.of_marked else "Left out, and why")
            left = _left_out(plan, state)
            lines = [(Span(" · ", "muted"), Span(safe(text), "muted", 1, shrinks=True)) for text in left]
            prose.set_lines(lines or [(Span(" Nothing was left out.", "muted"),)], state.appearance)


def _left_out(plan: Plan, state: DashboardState) -> Sequence[str]:
    """Of the whole plan its own sentences; of what is marked, each thing without a step."""
    if not state.of_marked or state.marked_set is None:
        return plan.left_out
    return [f"{state.name_of(owner)}: {why}" for owner, why in state.marked_set.without.items()]


def _note(state: DashboardState) -> str:
    if state.applying:
        return "x stops after the current item"
    if state.read_only:
        return "Space include · d dry run · read-only: nothing is applied"
    return "Space include · d dry run · a apply"


def _about_harm(row: HarmRow, state: DashboardState) -> list[Line]:
    """What a subtotal is of."""
    si = state.scale.si
    return [
        (Span(" frees     ", "muted"), Span(bytes_(row.frees_bytes, si=si), "goodstrong"),
         Span(f", ~{bytes_(row.likely_bytes, si=si)} more by estimate," if row.likely_bytes else "", "warn"),
         Span(f" by {count(len(row.steps), 'step')}, all milder ones done before", "text", 1, shrinks=True)),
        (Span(" so far    ", "muted"), Span(bytes_(row.so_far_bytes, si=si), "strong"), Span(" with those", "text", 1)),
        (Span(" Space includes all of them, or leaves all out.", "muted", 1, shrinks=True),),
    ]  # fmt: skip


def _about(step: Step, state: DashboardState) -> list[Line]:
    later = leads_to(step, state.later.get(step.id, 0), state.scale.si)
    young = f"young: {age(step.young_s)} still, until it goes unasked" if step.young_s else ""
    person = "for a person: never on the way to a target" if step.harm is Harm.DATA else ""
    rows = [("command", f"$ {step.command}", "strong"), ("leads to", later, "text"), ("age", young, "warn"),
            ("who", person, "warn"), ("needs", step.needs, "text"),
            ("costs", step.costs, "text"), ("undo", step.undo, "text"),
            ("because", step.rule.replace("-", " "), "muted")]  # fmt: skip
    if step.targets:
        rows.append(("removes", f"{len(step.targets):,} items, each checked again just before it is removed", "muted"))
    return [
        (Span(f" {label:<10}", "muted"), Span(safe(text), role, 1, shrinks=True)) for label, text, role in rows if text
    ]
