"""What helps? Findings on the left; steps, what they leave, what one step does, and the log on the right."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from collectors.model.plan import Plan, Step
from collectors.report.plan_text import leads_to
from collectors.report.words import safe
from tui.drawing.spans import Bit, Line
from tui.screens.view import View
from tui.view_models.findings import ordered
from tui.view_models.state import Scene
from tui.widgets.findings import FindingsList
from tui.widgets.lines import Panel, Prose
from tui.widgets.listing import Listing
from tui.widgets.plan import Gauge, StepTable


class PlanView(View):
    def __init__(self) -> None:
        super().__init__(id="plan")
        self._scene: Scene | None = None

    def compose(self) -> ComposeResult:
        with Horizontal():
            with Panel(id="plan-findings", classes="wide-only"):
                yield FindingsList(id="plan-findings-list")
            with Vertical():
                with Panel(id="plan-steps"):
                    yield StepTable(id="steps")
                    yield Gauge(id="gauge")
                with Panel(id="plan-step"):
                    yield Prose(id="step", wrap=True)
                with Panel(id="plan-log"):
                    yield Prose(id="log")

    def focus_first(self) -> None:
        self.query_one(StepTable).focus()

    def show(self, scene: Scene) -> None:
        self._scene = scene
        plan = scene.steps
        if plan is None or scene.frame is None:
            return
        findings = self.query_one(FindingsList)
        findings.fill(ordered(scene.frame), scene)
        self.query_one("#plan-findings", Panel).name_it("Findings")
        table = self.query_one(StepTable)
        wanted = scene.needle.casefold()
        table.fill([step for step in plan.steps if wanted in f"{step.title} {step.command}".casefold()], scene)
        panel = self.query_one("#plan-steps", Panel)
        ended = scene.run is not None and scene.run.ended
        panel.name_it("Plan, running" if scene.applying else "Plan, done" if ended else "Plan")
        panel.note_it(_note(scene))
        self.query_one(Gauge).show(scene)
        self.set_heights()
        if self.screen.has_class("-low"):
            # Room for one of the two: what one step does, until there is a log.
            self.query_one("#plan-step", Panel).display = not self._logged
            self.query_one("#plan-log", Panel).display = self._logged
        else:
            self.query_one("#plan-step", Panel).display = self.query_one("#plan-log", Panel).display = True
        self._step(table, scene)
        self._log(plan, scene)

    def set_heights(self) -> None:
        """Give the steps the lines they need, and leave some to what is below."""
        low = self.screen.has_class("-low")
        around = 1 + 3 + 2  # header, gauge, frame
        wanted = len(self.query_one(StepTable).rows) + around
        below = 6 if low else 14 if self._logged else 13  # a log ends in four lines
        self.query_one("#plan-steps").styles.height = max(around + 1, min(wanted, self.size.height - below))

    @property
    def _logged(self) -> bool:
        """Whether there is a log to read: of a run, or of a dry one."""
        return self._scene is not None and bool(self._scene.run is not None or self._scene.dry)

    def on_resize(self) -> None:
        self.set_heights()

    def on_listing_moved(self, message: Listing.Moved) -> None:
        if message.listing.id == "steps" and self._scene is not None:
            message.stop()
            self._step(self.query_one(StepTable), self._scene)

    def step(self) -> Step | None:
        """The step under the cursor."""
        return self.query_one(StepTable).row

    def _step(self, table: StepTable, scene: Scene) -> None:
        step = self.step()
        self.query_one("#plan-step", Panel).name_it(safe(step.title, 80) if step is not None else "Step")
        self.query_one("#step", Prose).set_lines(_about(step, scene) if step is not None else (), scene.look)

    def _log(self, plan: Plan, scene: Scene) -> None:
        panel, prose = self.query_one("#plan-log", Panel), self.query_one("#log", Prose)
        if scene.run is not None:
            panel.name_it("Log")
            prose.set_lines(scene.run.lines, scene.look)
            prose.scroll_end(animate=False)
        elif scene.dry:
            panel.name_it("Dry run: nothing has run")
            prose.set_lines(scene.dry, scene.look)
        else:
            panel.name_it("Left out, and why")
            lines = [(Bit(" · ", "muted"), Bit(safe(text), "muted", 1, cut=True)) for text in plan.left_out]
            prose.set_lines(lines or [(Bit(" Nothing was left out.", "muted"),)], scene.look)


def _note(scene: Scene) -> str:
    if scene.applying:
        return "x stops after the current item"
    if scene.read_only:
        return "Space include · d dry run · read-only: nothing is applied"
    return "Space include · d dry run · a apply"


def _about(step: Step, scene: Scene) -> list[Line]:
    later = leads_to(step, scene.later.get(step.id, 0), scene.scale.si)
    rows = [("command", f"$ {step.command}", "strong"), ("leads to", later, "text"), ("needs", step.needs, "text"),
            ("costs", step.costs, "text"), ("way back", step.undo, "text"),
            ("because", step.rule.replace("-", " "), "muted")]  # fmt: skip
    if step.targets:
        rows.append(("removes", f"{len(step.targets):,} items, each verified again just before it goes", "muted"))
    return [(Bit(f" {label:<10}", "muted"), Bit(safe(text), role, 1, cut=True)) for label, text, role in rows if text]
