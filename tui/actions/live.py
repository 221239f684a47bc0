"""What a live machine adds: scans that stream in, the journal, and the one way to run a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category
from collectors.model.reading import Unavailable
from collectors.model.report import Report
from tui.actions.base import SceneApp
from tui.drawing.spans import Bit
from tui.feed.live import Applied, Applying, LiveFeed, Remembered, ScanBroke, Scanned
from tui.screens.modals import Confirm
from tui.view_models.frame import NO_PAST, Frame, LastGood, Past
from tui.view_models.history import past_of
from tui.view_models.plan_run import Run, outcome_lines
from tui.view_models.runs import Moment, came_true, of_report, worst_of
from tui.view_models.state import Mode, preselected


class LiveActions(SceneApp):
    live: LiveFeed | None = None
    _run_number = 0
    _latest: Frame | None = None
    _moments: tuple[Moment, ...] = ()

    def start_live(self) -> None:
        """Begin to look, once the first screen is drawn: imports and reading must not delay it."""
        if self.live is not None:
            self.live.remember(self.post_message)
            self.action_rescan()

    # Scanning.

    def action_rescan(self) -> None:
        """Look again because somebody asked: what a finished plan left on screen goes."""
        if self.live is None or self.scene.scanning:
            return
        if not self.scene.applying:
            self.change(plan=None, run=None, dry=())
        self._look()

    def _look(self) -> None:
        if self.live is None or self.scene.scanning:
            return
        self._run_number = self.live.scan(self.post_message)
        self.change(scanning=True, failure="")

    def on_scanned(self, message: Scanned) -> None:
        if message.run != self._run_number:
            return
        before = self._latest
        if not message.done and before is not None and before.done:
            # A second look shows its parts only once it knows as much as the first: no row falls back to "?".
            self.change(scanning=True)
            return
        good = last_good(before.last_good if before is not None else {}, message.report)
        past = self._past(message.report, message.done)
        resolved = _resolved(before, message.report) if message.done else before.resolved if before is not None else ()
        frame = Frame(message.report, past, message.done, message.waiting, good, resolved)
        self._latest = frame
        chosen = self.scene.chosen
        if self.scene.plan is None and (
            before is None or not before.done or before.report.plan.ids != message.report.plan.ids
        ):
            kept = chosen & message.report.plan.ids if before is not None and before.done else frozenset()
            chosen = preselected(message.report.plan) | kept
        if self.scene.mode is Mode.REPLAY:
            self.change(scanning=not message.done)  # the past is on screen; the new run waits for End
            return
        self.change(frame=frame, scanning=not message.done, chosen=chosen, **self._slider(past))

    def on_scan_broke(self, message: ScanBroke) -> None:
        if message.run == self._run_number:
            self._stopped(message.reason)

    def _stopped(self, reason: str) -> None:
        frame = self.scene.frame
        kept = replace(frame, done=True, waiting=()) if frame is not None else None
        self.change(scanning=False, failure=reason, frame=kept)

    def _past(self, report: Report, done: bool) -> Past:
        moments = self._moments
        if done:
            moments = (*[moment for moment in moments if moment.at < report.taken_at], of_report(report))
        return past_of(moments, self.scene.marks) if moments else NO_PAST

    @staticmethod
    def _slider(past: Past) -> dict[str, object]:
        """What the slider spans: every run that is known."""
        if not past.used:
            return {"span": None, "marked": ()}
        return {"span": (past.used[0].at, past.used[-1].at), "marked": past.events}

    def on_remembered(self, message: Remembered) -> None:
        self._moments = message.moments
        frame = self._latest
        if frame is not None:
            past = self._past(frame.report, frame.done)
            self._latest = replace(frame, past=past)
            if self.scene.mode is Mode.LIVE:
                self.change(frame=self._latest, **self._slider(past))

    # The plan.

    def action_apply(self) -> None:
        scene = self.scene
        if (
            self.live is None
            or scene.read_only
            or scene.mode is not Mode.LIVE
            or scene.applying
            or scene.report is None
        ):
            return
        if scene.after is None or not scene.chosen:
            self.notify("No step is chosen: Space includes one.", markup=False)
            return
        self.push_screen(Confirm(scene, scene.report.host), self._answered)

    def _answered(self, agreed: bool | None) -> None:
        scene = self.scene
        if not agreed or self.live is None or scene.report is None:
            return
        self.change(applying=True, plan=scene.report.plan, run=Run(), dry=())
        self.live.apply(scene.report.plan, scene.chosen, self.post_message)

    def on_applying(self, message: Applying) -> None:
        run = (self.scene.run or Run()).after(message.event)
        self.change(run=run)
        if message.event.kind.value == "step finished":
            self._look()  # the bar falls by what is measured, not by what was promised

    def on_applied(self, message: Applied) -> None:
        run = self.scene.run or Run()
        if message.outcome is not None:
            lines = (*run.lines, *outcome_lines(message.outcome, si=self.scene.scale.si))
        else:
            lines = (*run.lines, (Bit(f" ✖ {message.reason}", "bad", 1, cut=True),))
        self.change(run=Run(run.steps, lines, "", True), applying=False)
        if self.live is not None:
            self.live.stop_scan()
            self.change(scanning=False)
            self._look()

    def action_stop(self) -> None:
        if self.live is None:
            return
        if self.scene.applying:
            self.live.stop_plan()
            self.notify("Stopping after the current item.", markup=False)
        elif self.scene.scanning:
            self.live.stop_scan()
            self._stopped("stopped by x; r looks again")


def _resolved(before: Frame | None, report: Report) -> tuple[Finding, ...]:
    """What an earlier look of this session found and this one does not any more, as P4."""
    if before is None:
        return ()
    still = {finding.rule for finding in report.findings}
    worst = worst_of(report)
    gone = [
        finding
        for finding in before.report.findings
        if finding.rule not in still and finding.certain and not came_true(finding.rule, finding.severity, worst)
    ]
    kept = [finding for finding in before.resolved if finding.rule not in still]
    new = [
        replace(finding, severity=Severity.P4, claim=f"resolved: {finding.claim}", bytes=None, owners=())
        for finding in gone
    ]
    return (*kept, *new)


def last_good(before: Mapping[Category, LastGood], report: Report) -> dict[Category, LastGood]:
    """The newest value of each category that could be read."""
    known = dict(before)
    for row in report.ledger.rows if report.ledger is not None else ():
        if not isinstance(row.charged, Unavailable):
            known[row.category] = LastGood(row.charged, report.taken_at)
    return known
