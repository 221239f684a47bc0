"""The application's core, and what a live machine adds: scans that stream in, the journal, the one way to run a plan.

The core keeps the one state of the dashboard and gives it to every visible widget. Refuses to read anything: what is
new comes as a message, and becomes a new state.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual.app import App
from textual.binding import BindingType
from textual.css.query import NoMatches
from textual.filter import LineFilter
from textual.message import Message

from collectors.model.plan import Finding, Severity
from collectors.model.report import Report
from collectors.report.formatting import safe
from tui.drawing import appearance_of
from tui.drawing.palette import ANSI, PALETTES
from tui.drawing.terminal import Charset, CharsetFilter, textual_theme
from tui.feed.live import JournalRead, LiveFeed, PlanEnded, PlanEvent, ScanFailed, Scanned
from tui.pages import bindings
from tui.screens import DashboardView
from tui.screens.modals import Confirm
from tui.view_models import Frame, RunHistory, last_good, seen_at
from tui.view_models.history import RunSummary, forecast_came_true, histories_of, run_of_report, worst_by_rule
from tui.view_models.plan_run import PlanRun
from tui.view_models.state import DashboardState, Mode, preselected
from tui.widgets import LineWidget


class StateApp(App[int]):
    """`change` is the only way to a new state."""

    CSS_PATH = Path(__file__).parents[1] / "app.tcss"
    TITLE = "ullage"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings())

    def __init__(self, state: DashboardState, *, charset: Charset, theme: str) -> None:
        wish = os.environ.get("NO_COLOR")
        if wish == "":
            del os.environ["NO_COLOR"]  # set but empty asks for nothing; Textual would take it for a wish
        # Told that colours are the terminal's own, Textual drops them; else it would turn them into greys, and the
        # terminal's default ink into black.
        super().__init__(ansi_color=True if wish else None)
        self._told: set[str] = set()  # notes that were shown once
        self._charset_filter = CharsetFilter(charset)
        for palette in PALETTES.values():
            self.register_theme(textual_theme(palette))
        self.theme = theme
        # Without colour the terminal's own ink is the only one that is sure to be seen.
        self.state = state.with_changes(appearance=appearance_of(theme, self.no_color))

    def get_line_filters(self) -> list[LineFilter]:
        """Textual's filters and, last, the one that leaves no character the terminal cannot show."""
        filters = list(super().get_line_filters())
        return [*filters, self._charset_filter] if self._charset_filter.enabled else filters

    def change(self, **changes: object) -> None:
        """Draw a state that differs in these fields."""
        self.state = self.state.with_changes(**changes)
        self.redraw()

    def redraw(self) -> None:
        """Give the state to everything that is visible."""
        if not self.is_running:
            return
        screen = self.screen_stack[0] if self.screen_stack else None
        if screen is None:
            return
        for widget in screen.query(".surround").results(LineWidget):
            widget.show(self.state)
        view = self.view
        if view is not None:
            view.show(self.state)

    @property
    def view(self) -> DashboardView | None:
        """The view that is on screen."""
        try:
            return self.screen_stack[0].query_one(f"#{self.state.view}", DashboardView)
        except (NoMatches, IndexError):
            return None

    def action_theme(self) -> None:
        names = list(PALETTES)
        after = names[(names.index(self.state.appearance.palette.name) + 1) % len(names)]
        if self.no_color:
            after = ANSI.name
        self.theme = after
        self.change(appearance=appearance_of(after, self.no_color))


class LiveActions(StateApp):
    live: LiveFeed | None = None
    _run_number = 0
    _latest: Frame | None = None
    _past_runs: tuple[RunSummary, ...] = ()
    _hint = ""  # still to be given

    def start_live(self) -> None:
        """Start the first scan once the first screen is drawn: imports and reading must not delay it."""
        if self.live is not None:
            self.live.read_journal(self.deliver)
            self.action_rescan()

    @property
    def deliver(self) -> Callable[[Message], object]:
        """Where a feed puts what it has to say."""
        return self.post_message

    # Scanning.

    def action_rescan(self) -> None:
        """Scan again because somebody asked; the log of a finished plan leaves the screen."""
        if self.live is None or self.state.scanning:
            return
        if not self.state.applying:
            self.change(plan=None, plan_run=None, dry_run_lines=())
        self._start_scan()

    def _start_scan(self) -> None:
        if self.live is None or self.state.scanning:
            return
        self._run_number = self.live.scan(self.deliver)
        self.change(scanning=True, failure="")

    def on_scanned(self, message: Scanned) -> None:
        if message.scan != self._run_number:
            return
        before = self._latest
        if not message.done and before is not None and before.done:
            # A second scan shows its parts only once it knows as much as the first: no row falls back to "?".
            self.change(scanning=True)
            return
        good = last_good(before.last_good if before is not None else {}, message.report)
        histories = self._histories(message.report, message.done)
        resolved = _resolved(before, message.report) if message.done else before.resolved if before is not None else ()
        first, others, every = histories[0], histories[1:], message.report.identities
        frame = Frame(message.report, first, message.done, message.waiting, good, resolved, others, every)
        self._latest = frame
        chosen = self.state.chosen
        if self.state.plan is None and not self.state.of_marked:
            chosen = self._chosen_of(frame, before)
        if self.state.mode is Mode.REPLAY:
            self.change(scanning=not message.done)  # an older run is on screen; the new one waits for End
            return
        self.change(frame=frame, scanning=not message.done, chosen=chosen, **self._slider(frame))
        self._advise()
        if message.done and self.live is not None:
            self.live.look_at(self.state.mounted_at)
            self.live.watch(self.deliver)

    def _chosen_of(self, frame: Frame, before: Frame | None) -> frozenset[str]:
        """What is chosen of the plan on screen: as before while it is the same, else what may go, and what is still
        there of what was chosen."""
        mount, chosen = self.state.mount, self.state.chosen
        now = seen_at(frame, mount).report
        if before is None or not before.done:
            return preselected(now.plan)
        same = _planned_by(seen_at(before, mount).report) == _planned_by(now)
        return chosen if same else preselected(now.plan) | chosen & _choices(now)

    def on_scan_failed(self, message: ScanFailed) -> None:
        if message.scan == self._run_number:
            self._stopped(message.reason)

    def _stopped(self, reason: str) -> None:
        frame = self.state.whole
        kept = replace(frame, done=True, waiting=()) if frame is not None else None
        self.change(scanning=False, failure=reason, frame=kept)

    def _histories(self, report: Report, done: bool) -> tuple[RunHistory, ...]:
        """Of each filesystem, the Docker root's first."""
        runs = self._past_runs
        if done:
            runs = (*[run for run in runs if run.at < report.taken_at], run_of_report(report))
        return histories_of(runs, report.identities, report.settings.thresholds)

    @staticmethod
    def _slider(frame: Frame) -> dict[str, object]:
        """What the slider spans: every run that is known."""
        every = (frame.history, *frame.other_histories)
        known = [point.at for history in every for point in (*history.used[:1], *history.used[-1:])]
        period = (min(known), max(known)) if known else None
        return {"period": period, "period_events": tuple(history.events for history in every)}

    def on_journal_read(self, message: JournalRead) -> None:
        self._past_runs = message.runs
        self._hint = message.hint or self._hint
        for note in set(message.notes) - self._told:
            self._told.add(note)
            self.notify(safe(note, 300), title="Journal", severity="warning", markup=False)
        self._advise()
        frame = self._latest
        if frame is not None:
            histories = self._histories(frame.report, frame.done)
            self._latest = replace(frame, history=histories[0], other_histories=histories[1:])
            if self.state.mode is Mode.LIVE:
                self.change(frame=self._latest, **self._slider(self._latest))

    def _advise(self) -> None:
        """How history comes about, for who has none, once a scan is done: nothing lies over an alarm."""
        if self._hint and self._latest is not None and self._latest.done:
            if self._latest.report.severity < Severity.P2:
                self.notify(self._hint, title="No earlier run is known", timeout=8.0, markup=False)
            self._hint = ""

    # The plan.

    def action_lift_age(self) -> None:
        if self.live is not None and not (self.state.scanning or self.state.applying):
            self.live.lift_age(not self.state.age_lifted, self._run_number, self.deliver)

    def action_apply(self) -> None:
        state = self.state
        if (
            self.live is None
            or state.read_only
            or state.mode is not Mode.LIVE
            or state.applying
            or state.report is None
        ):
            return
        if state.after_plan is None or not state.chosen:
            self.notify("No step is chosen: Space includes one.", markup=False)
            return
        self.push_screen(Confirm(state, state.report.host), self._answered)

    def _answered(self, agreed: bool | None) -> None:
        state = self.state
        if not agreed or self.live is None or state.report is None:
            return
        plan = state.steps or state.report.plan
        self.change(applying=True, plan=plan, plan_run=PlanRun(), dry_run_lines=())
        self.live.apply(plan, state.chosen, self.deliver)

    def on_plan_event(self, message: PlanEvent) -> None:
        run = (self.state.plan_run or PlanRun()).with_event(message.event)
        self.change(plan_run=run)
        if message.event.kind.value == "step finished":
            self._start_scan()  # the bar falls by what is measured, not by what was promised

    def on_plan_ended(self, message: PlanEnded) -> None:
        run = self.state.plan_run or PlanRun()
        broke = "" if message.outcome is not None else message.reason or "it broke"
        self.change(plan_run=replace(run, waiting="", outcome=message.outcome, broke=broke), applying=False)
        if self.live is not None:
            self.live.stop_scan()
            self.change(scanning=False)
            self._start_scan()

    def action_stop(self) -> None:
        if self.live is None:
            return
        if self.state.applying:
            self.live.stop_plan()
            self.notify("Stopping after the current item.", markup=False)
        elif self.state.scanning:
            self.live.stop_scan()
            self._stopped("stopped with x; r scans again")


def _planned_by(report: Report) -> tuple[frozenset[str], float | None]:
    """What chooses anew where it changes: the steps that there are, and the minimum age."""
    return _choices(report), report.settings.keep.min_age_s


def _choices(report: Report) -> frozenset[str]:
    """Everything of its plan that a person can choose."""
    return frozenset(step.id for step in report.plan.every_step)


def _resolved(before: Frame | None, report: Report) -> tuple[Finding, ...]:
    """What an earlier scan of this session found and this one does not any more, as P4."""
    if before is None:
        return ()
    still = {finding.rule for finding in report.findings}
    worst = worst_by_rule(report)
    gone = [
        finding
        for finding in before.report.findings
        if finding.rule not in still
        and finding.certain
        and not forecast_came_true(finding.rule, finding.severity, worst)
    ]
    kept = [finding for finding in before.resolved if finding.rule not in still]
    new = [
        replace(finding, severity=Severity.P4, claim=f"resolved: {finding.claim}", bytes=None, owners=())
        for finding in gone
    ]
    return (*kept, *new)
