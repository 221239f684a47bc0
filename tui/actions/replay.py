"""Moving through time, and what leaves the screen or lies over it: help, the command palette, copies, exports.

Nothing here can change a machine. A live dashboard with a journal can show earlier runs too: they are marked as a
replay, until `End`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

from textual.app import SystemCommand
from textual.screen import Screen
from textual.timer import Timer

from collectors.model.plan import Finding
from collectors.model.report import Report
from collectors.report.formatting import safe
from tui.actions.live import LiveActions
from tui.drawing import Line, shorten_middle
from tui.feed import Timeline, report_of
from tui.pages import KEYS, VIEW_KEYS, finding, keys_and_signs, sources
from tui.screens.modals import Page
from tui.view_models import Frame, seen_at
from tui.view_models.history import run_of_report
from tui.view_models.state import Mode, preselected
from tui.widgets.history import Slider
from tui.widgets.listing import Listing

# The whole of a recording is played in about this time, and no run is shorter or longer on screen than these.
_WHOLE_S, _SHORTEST_S, _LONGEST_S = 30.0, 0.15, 0.8


class ReplayActions(LiveActions):
    timeline: Timeline | None = None
    _at = 0
    _player: Timer | None = None

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
        if self.is_web:  # the address of the page is a link to this moment
            self.open_url(f"#t={timeline.times[index].astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}", new_tab=False)
        if self.live is not None and index == len(timeline) - 1 and self._latest is not None:
            self.timeline = None
            self.change(
                mode=Mode.LIVE,
                frame=self._latest,
                chosen=self._preselected(self._latest),
                position=(0, 0),
                dry_run_lines=(),
                **self._slider(self._latest),
            )
            return
        frame = timeline.frame(index)
        self.change(
            mode=Mode.REPLAY,
            frame=frame,
            chosen=self._preselected(frame),
            position=(index + 1, len(timeline)),
            period=(timeline.times[0], timeline.times[-1]),
            period_events=tuple(one.events for one in timeline.histories(index)),
            dry_run_lines=(),
            plan_run=None,
            plan=None,
        )

    def _preselected(self, frame: Frame) -> frozenset[str]:
        return preselected(seen_at(frame, self.state.mount).report.plan)

    def _open_timeline(self) -> Timeline | None:
        """The timeline to move on: a recording's, or one of the journal's runs where this is a live dashboard."""
        if self.timeline is not None or self.live is None or self._latest is None or self.state.applying:
            return self.timeline
        runs = [run for run in self._past_runs if run.used_bytes is not None and run.at < self._latest.report.taken_at]
        if not runs:
            self.notify("No earlier run in the journal.", markup=False)
            return None
        latest = self._latest.report
        every = [*runs, run_of_report(latest)]
        mounts = dict(zip(latest.identities, (one.filesystem.mount for one in latest.ledgers), strict=False))

        def report_at(index: int) -> Report:
            return latest if index == len(runs) else report_of(runs, index, latest.host, latest.settings, mounts)

        self.timeline = Timeline(every, report_at, latest.settings.thresholds)
        self.state = self.state.with_changes(mount=self.state.mounted_at or None)  # runs do not say which one led
        self._at = len(every) - 1
        return self.timeline

    def action_hour(self, by: int) -> None:
        if (timeline := self._moved_by_hand()) is not None:
            self._go(timeline.by_hours(self._at, by))

    def action_event(self, direction: int) -> None:
        if (timeline := self._moved_by_hand()) is not None:
            self._go(timeline.by_event(self._at, direction, self.state.events_here))

    def action_edge(self, end: int) -> None:
        if (timeline := self._moved_by_hand()) is not None:
            self._go(len(timeline) - 1 if end else 0)

    def _moved_by_hand(self) -> Timeline | None:
        """The timeline, for who goes somewhere: it plays no longer."""
        self._stop_playing()
        return self._open_timeline()

    # Playing.

    def action_play(self) -> None:
        """Play the runs from the one on screen, from the oldest where the newest is shown; or stop."""
        if self.state.playing:
            self._stop_playing()
            return
        timeline = self._open_timeline()
        if timeline is None or len(timeline) < 2:
            return
        if self._at == len(timeline) - 1:
            self._go(0)
        self.change(playing=True)
        self._player = self.set_interval(min(_LONGEST_S, max(_SHORTEST_S, _WHOLE_S / len(timeline))), self._play_on)

    def _play_on(self) -> None:
        timeline = self.timeline
        if timeline is None or self._at + 1 >= len(timeline):
            self._stop_playing()
            return
        last = self._at + 2 == len(timeline)
        self._go(self._at + 1)
        if last:
            self._stop_playing()

    def _stop_playing(self) -> None:
        if self._player is not None:
            self._player.stop()
            self._player = None
        if self.state.playing:
            self.change(playing=False)

    def on_slider_time_picked(self, message: Slider.TimePicked) -> None:
        if self.state.period is not None:
            begin, end = self.state.period
            self.pick(begin + (end - begin) * message.share)

    def pick(self, goal: datetime) -> None:
        """A moment on the slider."""
        self.seek(goal)

    def seek(self, goal: datetime) -> None:
        """The run nearest to `goal`."""
        timeline = self._moved_by_hand()
        if timeline is not None:
            self._go(timeline.nearest(goal))


class OutputActions(ReplayActions):
    _export_to = Path()

    async def action_units(self) -> None:
        """Everything on screen in other units, what a dry run said too."""
        self.change(units=self.state.units.next_one())
        if self.state.dry_run_lines:
            await self.run_action("dry_run")

    async def action_quit(self) -> None:
        self.exit(0)

    async def action_drill(self) -> None:
        focused = self.focused
        if isinstance(focused, Listing):
            focused.action_choose()

    def action_help(self) -> None:
        self._page("ullage: keys and signs", lambda si: keys_and_signs())

    def action_coverage(self) -> None:
        frame = self.state.frame
        if frame is not None:
            self._page("Sources", lambda si: sources(frame.report, frame.waiting))

    def explain(self, of: Finding) -> None:
        """Everything that is known of one finding."""
        self._page("Finding", lambda si: finding(of, si=si))

    def _page(self, title: str, make: Callable[[bool], Iterable[Line]]) -> None:
        self.push_screen(Page(title, make, self.state))

    def action_palette(self) -> None:
        self.action_command_palette()

    def action_copy(self) -> None:
        listing = self.focused
        row = listing.row if isinstance(listing, Listing) else None
        # Escaped: what is pasted into a shell must not hold a line break that somebody put into a name.
        text = safe(listing.copy_text(row)) if isinstance(listing, Listing) and row is not None else ""
        if text:
            self.copy_to_clipboard(text)
            self.notify(shorten_middle(text, 200), title="Copied", markup=False)

    def action_export(self) -> None:
        from tui.export import local, markdown, write

        report, frame = self.state.report, self.state.frame
        if report is None or frame is None:
            return
        stem = f"ullage-{report.taken_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{self.state.view}"
        page = markdown(report, frame.history, si=self.state.scale.si)
        drawing = local(self.export_screenshot(title="ullage"))
        if self.is_web:  # the browser saves it: a visitor writes nothing where the server runs
            self.deliver_text(StringIO(page), save_filename=f"{stem}.md", mime_type="text/markdown")
            self.deliver_text(StringIO(drawing), save_filename=f"{stem}.svg", mime_type="image/svg+xml")
            return
        try:
            paths = write(self._export_to, stem, drawing, page)
        except OSError as error:
            why = safe(error.strerror or str(error))
            self.notify(f"not written: {why}", severity="error", markup=False)
            return
        self.notify("\n".join(safe(str(path)) for path in paths), title="Written", markup=False)

    def get_system_commands(self, screen: Screen[object]) -> list[SystemCommand]:
        """Every key as a command by name."""
        return [
            SystemCommand(key.label, key.help, lambda action=key.action: self.call_later(self.run_action, action))
            for key in (*VIEW_KEYS, *KEYS)
            if key.action not in ("palette", "drill", "back")
            and self.check_action(key.action.partition("(")[0], ()) is True
        ]
