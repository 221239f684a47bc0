"""A recording or a folder of journals as a source of reports, and moving through its runs in time."""

from __future__ import annotations

import gzip
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from collectors.history.reading import read
from collectors.model.report import Report
from collectors.model.settings import Settings, Thresholds
from collectors.report.recording import Unreadable, load
from tui.view_models.frame import Frame
from tui.view_models.history import history_of, until
from tui.view_models.runs import RunSummary, run_of_report, runs_of_journal

if TYPE_CHECKING:
    from collectors.history.record import Journal


class ReplayError(ValueError):
    """What was given is no recording and no folder of journals."""


def of_recording(path: Path) -> ReplayFeed:
    """A file of one report a line. Lines that are no report of this version are skipped; none left is an error."""
    reports: list[Report] = []
    reason = "it is empty"
    try:
        with _lines(path) as lines:
            for line in lines:
                try:
                    reports.append(load(line))
                except Unreadable as error:
                    reason = str(error)
    except (OSError, EOFError) as error:
        raise ReplayError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if not reports:
        raise ReplayError(f"{path}: {reason}")
    return ReplayFeed.of_reports(reports, origin=path.name)


def _lines(path: Path) -> TextIO:
    """The file's text, unpacked where its name says that it is packed."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace")
    return path.open(encoding="utf-8", errors="replace")


def of_folder(path: Path, settings: Settings) -> ReplayFeed:
    """A folder of daily journals; their records keep totals, categories and findings, and are judged by `settings`."""
    journal = read(path, now=datetime.now(UTC))
    if not journal.records:
        raise ReplayError(f"{path}: no runs in its journals")
    return ReplayFeed.of_journal(journal, host=path.name, settings=settings)


class ReplayFeed:
    """A recording: reports oldest first, or runs of a journal with a way to make a report of each.

    `opens_at`: the moment that is shown first. Of a recording, which somebody made of an incident, that is the fullest;
    of a journal, which goes on, the newest.
    """

    def __init__(
        self,
        runs: Sequence[RunSummary],
        report_at: Callable[[int], Report],
        settings: Settings,
        *,
        origin: str,
        foreign: Sequence[RunSummary] = (),
    ) -> None:
        if not runs:
            raise ValueError(f"{origin}: nothing to replay")
        self.runs = tuple(runs)
        self.foreign = tuple(foreign)
        self.report_at = report_at
        self.settings = settings
        self.origin = origin
        self.opens_at = len(self.runs) - 1

    @classmethod
    def of_reports(cls, reports: Sequence[Report], *, origin: str = "recording") -> ReplayFeed:
        ordered = sorted(reports, key=lambda report: report.taken_at)
        if not ordered:
            raise ValueError(f"{origin}: nothing to replay")
        feed = cls(
            [run_of_report(report) for report in ordered], ordered.__getitem__, ordered[-1].settings, origin=origin
        )
        feed.opens_at = max(range(len(ordered)), key=lambda index: (feed.runs[index].height or 0.0, index))
        return feed

    @classmethod
    def of_journal(cls, journal: Journal, *, host: str, settings: Settings) -> ReplayFeed:
        """The runs of a journal; what supervisors wrote beside them is in the curve. ValueError without any run."""
        from tui.feed.journal_report import report_of

        runs = runs_of_journal(journal)
        ours = [run for run in runs if run.record is not None]
        curve = [run for run in runs if run.record is None]
        return cls(
            ours, lambda index: report_of(ours, index, host, settings), settings, origin="journal", foreign=curve
        )


class Timeline:
    """`runs` oldest first and not empty; `report_at` makes the report of one of them.

    `foreign` are points of used % that somebody else wrote: they lengthen the curve and cannot be shown.
    """

    def __init__(
        self,
        runs: Sequence[RunSummary],
        report_at: Callable[[int], Report],
        thresholds: Thresholds,
        foreign: Sequence[RunSummary] = (),
    ) -> None:
        self.runs = tuple(runs)
        self._report_at = report_at
        self.times = tuple(run.at for run in runs)
        self.history = history_of(sorted((*foreign, *self.runs), key=lambda run: run.at), thresholds)

    def __len__(self) -> int:
        return len(self.runs)

    def frame(self, index: int) -> Frame:
        """The screen's data as it stood at run `index`."""
        return Frame(self._report_at(index), until(self.history, self.times[index]))

    def by_hours(self, index: int, hours: int) -> int:
        """The run nearest to `hours` later (earlier below 0), at least one run away where there is one."""
        goal = self.times[index] + timedelta(hours=hours)
        if hours > 0:
            at = bisect_left(self.times, goal)
            return min(len(self) - 1, max(index + 1, at))
        return max(0, min(index - 1, bisect_right(self.times, goal) - 1))

    def by_event(self, index: int, direction: int) -> int:
        """The run of the next event (the one before for -1); `index` where there is none."""
        at = self.times[index]
        stops = [event.at for event in self.history.events]
        ahead = [stop for stop in stops if (stop > at if direction > 0 else stop < at)]
        if not ahead:
            return index
        goal = min(ahead) if direction > 0 else max(ahead)
        return min(len(self) - 1, bisect_left(self.times, goal))
