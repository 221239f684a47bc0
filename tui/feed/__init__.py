"""Where reports come from: the live machine (`live.py`), or a recording or folder of journals and the moments in it.

A run of the journal is a report of what it kept, and nothing it did not: totals, categories and findings. Items, plan
and apparent sizes are `Unavailable` with that reason.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from collectors.journal.reading import read
from collectors.model.filesystem import Filesystem, FsSpace, Mount
from collectors.model.ledger import Category, Item, Ledger, Row
from collectors.model.plan import Finding, Plan, Severity
from collectors.model.reading import Exact, Origin, Size, Unavailable, Why
from collectors.model.report import Report, TrendView
from collectors.model.settings import Settings, Thresholds
from collectors.report.formatting import safe
from collectors.report.recording import Unreadable, reports
from tui.feed.live import LiveFeed
from tui.view_models import Frame, HistoryEvent, RunHistory
from tui.view_models.history import RunSummary, histories_of, run_of_report, runs_of_journal, until
from tui.view_models.verdict import JOURNAL

if TYPE_CHECKING:
    from collectors.journal import Journal


_NOTE = "a run of the journal: totals, categories and findings"
_NOT_KEPT = "the journal does not keep it"


def report_of(
    runs: Sequence[RunSummary], index: int, host: str, settings: Settings, mounts: Mapping[str | None, Mount]
) -> Report:
    """The report of run `index`, with the trend that the runs before it tell.

    `mounts`: where filesystems are known to be mounted, by what tells them from others; that is also the name of one
    of which it is not known, and the Docker root's has none then.
    """
    run = runs[index]
    origin = Origin(JOURNAL, "run", run.at, 0.0)
    unknown = Unavailable(Why.NOT_REPORTED, _NOT_KEPT, origin)
    severity = max((found.severity for found in run.findings.values()), default=Severity.OK)
    return Report(
        tool_version="",
        host=host,
        taken_at=run.at,
        took_s=0.0,
        severity=severity,
        exit_status=0,
        verdict="",
        docker_root=unknown,
        engine=unknown,
        explained_percent=unknown,
        ledger=_ledger(run, mounts.get(run.filesystem, _mount("")), unknown),
        other_ledgers=tuple(
            _ledger(one, mounts.get(one.filesystem, _mount(one.filesystem)), unknown) for one in run.others
        ),
        filesystem_facts=None,
        findings=tuple(_finding(rule, run, origin) for rule in run.findings),
        trend=_trend(runs, index, settings, run.filesystem),
        plan=Plan((), (), ("the journal keeps no plan: only a recording does",)),
        coverage=(),
        bills=(),
        settings=settings,
        other_trends=tuple(_trend(runs, index, settings, one.filesystem) for one in run.others),
    )


def _mount(name: str | None) -> Mount:
    """Of a filesystem of which only the name is known."""
    return Mount(
        mount_id=0, parent_id=0, device="", root="/", mountpoint=name or "", options=(), fstype="", source="",
        super_options=(),
    )  # fmt: skip


def _ledger(run: RunSummary, mount: Mount, unknown: Unavailable) -> Ledger:
    """What the journal kept of one filesystem: of another one than the Docker root's, how full it was."""

    def charged(category: Category) -> Size:
        value = run.categories.get(category.value)
        return unknown if value is None else Exact(value, unknown.origin)

    rows = tuple(Row(category, charged(category), unknown, unknown, unknown, "journal", "") for category in Category)
    nothing: Mapping[Category, tuple[Item, ...]] = {category: () for category in Category}
    return Ledger(Filesystem(mount, _space(run, unknown.origin)), rows, nothing, None, _NOTE)


def _space(run: RunSummary, origin: Origin) -> Exact[FsSpace] | Unavailable:
    total, used, available = run.total_bytes, run.used_bytes, run.available_bytes
    if total is None or used is None or available is None:
        return Unavailable(Why.NOT_REPORTED, "this run recorded no figures of the filesystem", origin)
    return Exact(FsSpace(0, 1, total, total - used, available, 0, 0, 0, False), origin)


def _finding(rule: str, run: RunSummary, origin: Origin) -> Finding:
    found = run.findings[rule]
    amount = None if found.bytes is None else Exact(found.bytes, origin)
    return Finding(rule, found.severity, found.claim, amount, (), "see the run's own report", (), True)


def _trend(runs: Sequence[RunSummary], index: int, settings: Settings, filesystem: str | None) -> TrendView:
    """What the journal said of a filesystem at this run: nothing later, and no more than a live run looks at."""
    from collectors.forecast.crossings import LOOK_BACK_S
    from collectors.forecast.view import view
    from collectors.journal import Journal

    begin = bisect_left(runs, runs[index].at - timedelta(seconds=LOOK_BACK_S), key=lambda one: one.at)
    records = (one.record.seen_of(filesystem) for one in runs[begin : index + 1] if one.record is not None)
    known = tuple(record for record in records if record is not None)
    return view(Journal(known, (), 0, 0), now=runs[index].at, thresholds=settings.thresholds)


class ReplayError(ValueError):
    """What was given is no recording and no folder of journals."""


def first_hint(folder: Path | None) -> str:
    """How history comes about, for who has none yet. `folder`: of the journal; None where none is kept. Escaped."""
    if folder is None:
        return "No journal is kept: --journal DIR keeps one."
    kept = f"This scan is the first one in {safe(str(folder), 100)}, and an open screen adds to it."
    return f"{kept} A timer keeps it going: ullage --print systemd"


def of_recording(path: Path) -> ReplayFeed:
    """A file of one report a line. Lines that are no report of this version are skipped; none left is an error."""
    try:
        return ReplayFeed.of_reports(reports(path), origin=path.name)
    except (OSError, EOFError, Unreadable) as error:
        raise ReplayError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


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

    def open_at(self, goal: datetime) -> None:
        """Show the run that was on screen at `goal` first: the newest until then, the oldest before all.

        Whoever names a run names it to the second.
        """
        self.opens_at = max(0, bisect_right([run.at.replace(microsecond=0) for run in self.runs], goal) - 1)

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
        runs = runs_of_journal(journal)
        ours = [run for run in runs if run.record is not None]
        curve = [run for run in runs if run.record is None]
        return cls(
            ours, lambda index: report_of(ours, index, host, settings, {}), settings, origin="journal", foreign=curve
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
        self.report_at = report_at
        self.times = tuple(run.at for run in runs)
        self._every = sorted((*foreign, *self.runs), key=lambda run: run.at)
        self._thresholds = thresholds
        self._known: dict[tuple[str | None, ...], tuple[RunHistory, ...]] = {}

    def __len__(self) -> int:
        return len(self.runs)

    def frame(self, index: int) -> Frame:
        """The screen's data as it stood at run `index`."""
        first, *others = (until(one, self.times[index]) for one in self.histories(index))
        return Frame(
            self.report_at(index), first, other_histories=tuple(others), identities=self.runs[index].identities
        )

    def histories(self, index: int) -> tuple[RunHistory, ...]:
        """The whole course of each filesystem that run `index` saw, the Docker root's first."""
        identities = self.runs[index].identities
        if identities not in self._known:
            self._known[identities] = histories_of(self._every, identities, self._thresholds)
        return self._known[identities]

    def nearest(self, goal: datetime) -> int:
        """The run whose time is nearest to `goal`."""
        return min(range(len(self)), key=lambda index: abs(self.times[index] - goal))

    def by_hours(self, index: int, hours: int) -> int:
        """The run nearest to `hours` later (earlier below 0), at least one run away where there is one."""
        goal = self.times[index] + timedelta(hours=hours)
        if hours > 0:
            at = bisect_left(self.times, goal)
            return min(len(self) - 1, max(index + 1, at))
        return max(0, min(index - 1, bisect_right(self.times, goal) - 1))

    def by_event(self, index: int, direction: int, events: Sequence[HistoryEvent]) -> int:
        """The run of the next of these events (the one before for -1); `index` where there is none."""
        at = self.times[index]
        stops = [event.at for event in events]
        ahead = [stop for stop in stops if (stop > at if direction > 0 else stop < at)]
        if not ahead:
            return index
        goal = min(ahead) if direction > 0 else max(ahead)
        return min(len(self) - 1, bisect_left(self.times, goal))


Feed = LiveFeed | ReplayFeed
