"""What moves each second between two scans, and what changed over longer.

The moment on screen is compared with an earlier run of the journal, or of a recording.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from textual.app import SystemCommand
from textual.screen import Screen

from collectors.model import Owner
from collectors.model.ledger import Item
from collectors.model.plan import Severity
from collectors.model.report import Report
from collectors.report.formatting import age, bytes_, moment, safe
from tui.actions.replay import OutputActions
from tui.drawing import SOLID, Line, Span
from tui.feed.live import Ticked
from tui.screens.changes import ChangeRow
from tui.screens.modals import Page
from tui.view_models import Frame, HistoryEvent, HistoryEventKind, seen_at
from tui.view_models.history import RunSummary
from tui.view_models.items import facts
from tui.view_models.state import DashboardState, Mode, Since
from tui.widgets import LineWidget

if TYPE_CHECKING:
    from collectors.forecast.changes import Moment

_COURSE_RUNS = 60
_SILENT_S = 5.0  # without a look from the machine
_COURSE_BAR = 40


class ChangesActions(OutputActions):
    _ticked_s: float | None = None

    def start_live(self) -> None:
        """Also notice where no second comes any more."""
        super().start_live()
        if self.live is not None:
            self.set_interval(_SILENT_S, self._miss_seconds)

    def change(self, **changes: object) -> None:
        """The comparison is made anew only while its view is open, and where one of its two moments is another."""
        before, after = self.state, self.state.with_changes(**changes)
        if after.view == "changes" and (
            before.view != after.view
            or before.frame is not after.frame
            or (before.since, before.since_at) != (after.since, after.since_at)
        ):
            changes |= self._compared(after)
        super().change(**changes)

    # Between scans.

    def on_ticked(self, message: Ticked) -> None:
        """The newest second: what stands above every view moves with it, and a scan begins where one is due."""
        if self.state.mode is not Mode.LIVE:
            return
        self._ticked_s = monotonic()
        self.state = self.state.with_changes(live=message.figures, live_stopped=False)
        self._show_second()
        undisturbed = not self.state.applying and not self.state.dry_run_lines and len(self.screen_stack) == 1
        if message.due and undisturbed and self.state.plan_run is None:
            self._start_scan()

    def _show_second(self) -> None:
        if not self.screen_stack:
            return
        for widget in self.screen_stack[0].query(".second").results(LineWidget):
            widget.show_if_changed(self.state)
        view = self.view
        if view is not None:
            view.show_second(self.state)

    def _miss_seconds(self) -> None:
        """Say so where no look has come for a while: the filesystem does not answer, and its figures grow old."""
        if self._ticked_s is not None and monotonic() - self._ticked_s > _SILENT_S and not self.state.live_stopped:
            self.state = self.state.with_changes(live_stopped=True)
            self._show_second()

    # Inside a thing.

    def look_inside(self, item: Item) -> None:
        """Open the files of a thing, where it has any that can be read here and now; else all that is known of it."""
        from tui.screens.browser import Browser
        from tui.screens.explore import Layers

        report = self.state.report
        live = self.live if self.state.mode is Mode.LIVE else None
        look = live.layers(item.owner_id) if live is not None else None
        places = live.places(item.owner_id) if live is not None else ()
        if live is not None and look is not None and report is not None:
            self.push_screen(Layers(item.name, look, live, self.state, _names(report)))
        elif self.live is not None and places:
            self.push_screen(Browser(item.name, places, self.live, self.state))
        elif report is not None:

            def known(si: bool) -> Iterable[Line]:
                return facts(item, report.taken_at, si=si)

            self.push_screen(Page(safe(item.name, 80), known, self.state))

    # Two moments.

    def action_since(self, by: int) -> None:
        self.change(since=self.state.since.moved(by))

    def action_picked(self, by: int) -> None:
        """Compare with the run before or after the one that is compared with."""
        times, _ = self._moments(self.state)
        found = self.state.changes
        if found is not None:
            last = bisect_left(times, found.after_at) - 1
            at = max(0, min(last, bisect_left(times, found.before_at) + by))
            self.change(since=Since.PICKED, since_at=times[at])

    def pick(self, goal: datetime) -> None:
        """A moment on the slider: of the two that are compared, the nearer one goes there."""
        found = self.state.changes if self.state.view == "changes" else None
        if found is not None and abs(goal - found.before_at) < abs(goal - found.after_at):
            self.change(since=Since.PICKED, since_at=goal)
        else:
            super().pick(goal)

    def get_system_commands(self, screen: Screen[object]) -> list[SystemCommand]:
        """Also the moments to compare with, by name."""

        async def compare(since: Since) -> None:
            await self.run_action("view('changes')")
            self.change(since=since)

        named = [
            SystemCommand(f"Changes since {since.value}", "what grew, shrank, came and went", partial(compare, since))
            for since in Since
            if since is not Since.PICKED
        ]
        return [*super().get_system_commands(screen), *named]

    def _compared(self, state: DashboardState) -> dict[str, object]:
        from collectors.forecast.changes import changes

        def none(reason: str) -> dict[str, object]:
            return {"changes": None, "changes_reason": reason}

        frame = state.frame
        if frame is None or not frame.done:
            return none("still reading")
        times, moment_at = self._moments(state)
        now = frame.report.taken_at
        here = bisect_left(times, now)  # runs before the one on screen
        after = self._moment_of(state)
        if after is None:
            return none("how much is used is not known")
        if not here:
            return none("no earlier run is known yet: the next scans are compared with this one")
        at = _place(state, times[:here], frame.history.events)
        if at is None:
            return none(f"{state.since.value} is not among the known runs")
        earlier = moment_at(at)
        if earlier is None:
            return none("that run did not keep how much was used")
        reason = "" if earlier.categories or not state.at else _NO_BOOKS
        if reason:
            after = replace(after, categories={}, things=None)
        try:
            return {"changes": changes(earlier, after), "changes_reason": reason}
        except ValueError as error:
            return none(str(error))

    def _moment_of(self, state: DashboardState) -> Moment | None:
        """The books of the run on screen: what the journal kept of it says more than the report made of that."""
        timeline, report = self.timeline, state.report
        if timeline is not None and report is not None:
            run = timeline.runs[min(bisect_left(timeline.times, report.taken_at), len(timeline) - 1)]
            if run.record is not None:
                return _of_run(run, _identity(state.frame))
        return _of_frame(state.frame)

    def _moments(self, state: DashboardState) -> tuple[Sequence[datetime], Callable[[int], Moment | None]]:
        """When there were runs that can be compared with, oldest first, and a way to one's books of the filesystem on
        screen."""
        timeline, filesystem = self.timeline, _identity(state.frame)
        if timeline is not None:

            def of_timeline(index: int) -> Moment | None:
                run = timeline.runs[index]
                if run.record is not None:
                    return _of_run(run, filesystem)
                return _of_frame(seen_at(timeline.frame(index), state.mounted_at))

            return timeline.times, of_timeline
        runs = [run for run in self._past_runs if run.record is not None and run.seen_of(filesystem) is not None]
        return [run.at for run in runs], lambda index: _of_run(runs[index], filesystem)

    def show_course(self, row: ChangeRow) -> None:
        """How the thing or category at the cursor went over the runs that are known."""
        times, moment_at = self._moments(self.state)
        shown = self._moment_of(self.state)
        here = bisect_left(times, shown.at) if shown is not None else 0
        every = range(max(0, here - _COURSE_RUNS), here)
        points = [(times[index], _bytes_of(row, moment_at(index))) for index in every]
        if shown is not None:
            points.append((shown.at, _bytes_of(row, shown)))
        name = safe(row.name or row.text, 80)
        self.push_screen(Page(name, lambda si: _course(points, si=si), self.state))


_NO_BOOKS = "runs keep how full this filesystem was, and not what of"


def _of_run(run: RunSummary, filesystem: str | None) -> Moment | None:
    """A run of the journal as it was for one filesystem; None where it did not see that one, or tells too little."""
    from collectors.forecast.changes import of_record

    record = run.record.seen_of(filesystem) if run.record is not None else None
    return None if record is None else of_record(record)


def _identity(frame: Frame | None) -> str | None:
    """What tells the filesystem in front from others for good."""
    return frame.identities[0] if frame is not None and frame.identities else None


def _of_frame(frame: Frame | None) -> Moment | None:
    """The books that are in front."""
    from collectors.forecast.changes import of_report

    moment = of_report(frame.report) if frame is not None else None
    return None if moment is None else replace(moment, filesystem=_identity(frame))


def _names(report: Report) -> Mapping[Owner, str]:
    """What everything in the books is called."""
    items = report.ledger.items.values() if report.ledger is not None else ()
    return {item.owner_id: item.name for of_category in items for item in of_category}


def _place(state: DashboardState, times: Sequence[datetime], events: Sequence[HistoryEvent]) -> int | None:
    """Which of the runs before the one on screen is compared with it; None where there was no such event."""
    last = len(times) - 1
    match state.since:
        case Since.FIRST:
            return 0
        case Since.LAST_RUN:
            return last
        case Since.PICKED:
            goal = state.since_at
            return None if goal is None else min(range(len(times)), key=lambda at: abs(times[at] - goal))
        case Since.DEPLOY:
            at = max((one.at for one in events if one.kind is HistoryEventKind.DEPLOYED), default=None)
            return None if at is None else max(0, bisect_left(times, at) - 1)
        case Since.LAST_P1:
            reached = [one.at for one in events if one.severity >= Severity.P1 and one.at <= times[last]]
            return bisect_left(times, max(reached)) if reached else None
    ago = state.since.ago or timedelta(0)
    return max(0, bisect_right(times, (state.report.taken_at if state.report else times[last]) - ago) - 1)


def _bytes_of(row: ChangeRow, at: Moment | None) -> int | None:
    """The thing's bytes at that moment, all of that name together; None where that run does not tell."""
    if at is None:
        return None
    if not row.name:
        return at.categories.get(row.category)
    if at.things is None:
        return None
    return sum(held.bytes for held in at.things.values() if held.name == row.name and held.category == row.category)


def _course(points: Sequence[tuple[datetime, int | None]], *, si: bool) -> Sequence[Line]:
    if not points:
        return [(Span(" no run is known", "muted"),)]
    largest = max((count for _, count in points if count is not None), default=0)
    last = points[-1][0]
    return [_course_line(at, last, count, largest, si=si) for at, count in reversed(points)]


def _course_line(at: datetime, last: datetime, count: int | None, largest: int, *, si: bool) -> Line:
    since = f"{age((last - at).total_seconds())} before" if at != last else "shown"
    cells = max(1, round(_COURSE_BAR * count / largest)) if count and largest > 0 else 0
    value = "?" if count is None else "–" if not count else bytes_(count, si=si)
    return (
        Span(f" {moment(at)} ", "muted"),
        Span(f"{since:>16} ", "muted", 2),
        Span(f"{value:>11} ", "strong"),
        Span(SOLID * cells, "rise", 1),
    )
