"""What a recording adds: moving through time. Nothing here can change a machine.

A live dashboard with a journal can show earlier runs too: they are marked as a replay, until `End`.
"""

from __future__ import annotations

from datetime import datetime

from tui.actions.live import LiveActions
from tui.feed.journal_report import report_of
from tui.feed.replay import Timeline
from tui.view_models.runs import run_of_report
from tui.view_models.state import Mode, preselected
from tui.widgets.history import Slider


class ReplayActions(LiveActions):
    timeline: Timeline | None = None
    _at = 0

    def start_replay(self, timeline: Timeline, index: int) -> None:
        """Show one run of a recording, and move on from there."""
        self.timeline = timeline
        self._go(index)

    def _go(self, index: int) -> None:
        """Put run `index` on screen; the newest of a live journal is the present."""
        timeline = self.timeline
        if timeline is None:
            return
        self._at = index
        if self.live is not None and index == len(timeline) - 1 and self._latest is not None:
            self.timeline = None
            self.change(
                mode=Mode.LIVE,
                frame=self._latest,
                chosen=preselected(self._latest.report.plan),
                position=(0, 0),
                dry_run_lines=(),
                **self._slider(self._latest.history),
            )
            return
        frame = timeline.frame(index)
        self.change(
            mode=Mode.REPLAY,
            frame=frame,
            chosen=preselected(frame.report.plan),
            position=(index + 1, len(timeline)),
            period=(timeline.times[0], timeline.times[-1]),
            period_events=timeline.history.events,
            dry_run_lines=(),
            plan_run=None,
            plan=None,
        )

    def _open_timeline(self) -> Timeline | None:
        """The timeline to move on: a recording's, or one of the journal's runs where this is a live dashboard."""
        if self.timeline is not None or self.live is None or self._latest is None or self.state.applying:
            return self.timeline
        runs = [run for run in self._moments if run.used_bytes is not None and run.at < self._latest.report.taken_at]
        if not runs:
            self.notify("No earlier run in the journal.", markup=False)
            return None
        latest = self._latest.report
        every = [*runs, run_of_report(latest)]
        self.timeline = Timeline(
            every,
            lambda index: latest if index == len(runs) else report_of(runs, index, latest.host, latest.settings),
            latest.settings.thresholds,
        )
        self._at = len(every) - 1
        return self.timeline

    def action_hour(self, by: int) -> None:
        timeline = self._open_timeline()
        if timeline is not None:
            self._go(timeline.by_hours(self._at, by))

    def action_event(self, direction: int) -> None:
        timeline = self._open_timeline()
        if timeline is not None:
            self._go(timeline.by_event(self._at, direction))

    def action_edge(self, end: int) -> None:
        timeline = self._open_timeline()
        if timeline is not None:
            self._go(len(timeline) - 1 if end else 0)

    def on_slider_time_picked(self, message: Slider.TimePicked) -> None:
        if self.state.period is not None:
            begin, end = self.state.period
            self.seek(begin + (end - begin) * message.share)

    def seek(self, goal: datetime) -> None:
        """The run nearest to `goal`."""
        timeline = self._open_timeline()
        if timeline is None:
            return
        self._go(min(range(len(timeline)), key=lambda index: abs(timeline.times[index] - goal)))
