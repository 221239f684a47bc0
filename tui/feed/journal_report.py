"""A run of the journal as a report: what it kept, and nothing it did not. Pure.

The journal keeps totals, categories and findings; items, plan and apparent sizes are `Unavailable` with that reason.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import timedelta

from collectors.model.filesystem import Filesystem, FsSpace, Mount
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category, Ledger, Row
from collectors.model.plan import Plan
from collectors.model.reading import Exact, Origin, Size, Unavailable, Why
from collectors.model.report import Report, TrendView
from collectors.model.settings import Settings
from tui.view_models.runs import RunSummary
from tui.view_models.verdict import JOURNAL

_NOTE = "a run of the journal: totals, categories and findings"
_NOT_KEPT = "the journal does not keep it"


def report_of(runs: Sequence[RunSummary], index: int, host: str, settings: Settings) -> Report:
    """The report of run `index`, with the trend that the runs before it tell."""
    run = runs[index]
    origin = Origin(JOURNAL, "run", run.at, 0.0)

    def unknown() -> Unavailable:
        return Unavailable(Why.NOT_REPORTED, _NOT_KEPT, origin)

    def charged(category: Category) -> Size:
        value = run.categories.get(category.value)
        return unknown() if value is None else Exact(value, origin)

    mount = Mount(
        mount_id=0, parent_id=0, device="", root="/", mountpoint="", options=(), fstype="", source="", super_options=()
    )
    rows = tuple(Row(category, charged(category), unknown(), unknown(), "journal", "") for category in Category)
    ledger = Ledger(Filesystem(mount, _space(run, origin)), rows, {category: () for category in Category}, _NOTE)
    severity = max((found.severity for found in run.findings.values()), default=Severity.OK)
    return Report(
        tool_version="",
        host=host,
        taken_at=run.at,
        took_s=0.0,
        severity=severity,
        exit_status=0,
        verdict="",
        docker_root=unknown(),
        engine=unknown(),
        explained_percent=unknown(),
        ledger=ledger,
        other_ledgers=(),
        filesystem_facts=None,
        findings=tuple(_finding(rule, run, origin) for rule in run.findings),
        trend=_trend(runs, index, settings),
        plan=Plan((), (), ("the journal keeps no plan: only a recording does",)),
        coverage=(),
        settings=settings,
    )


def _space(run: RunSummary, origin: Origin) -> Exact[FsSpace] | Unavailable:
    total, used, available = run.total_bytes, run.used_bytes, run.available_bytes
    if total is None or used is None or available is None:
        return Unavailable(Why.NOT_REPORTED, "this run recorded no figures of the filesystem", origin)
    return Exact(FsSpace(0, 1, total, total - used, available, 0, 0, 0, False), origin)


def _finding(rule: str, run: RunSummary, origin: Origin) -> Finding:
    found = run.findings[rule]
    amount = None if found.bytes is None else Exact(found.bytes, origin)
    return Finding(rule, found.severity, found.claim, amount, (), "see the run's own report", (), True)


def _trend(runs: Sequence[RunSummary], index: int, settings: Settings) -> TrendView:
    """What the journal said at this run: nothing of a later one is looked at, and no more than a live run looks at."""
    from collectors.history.record import Journal
    from collectors.history.trend import LOOK_BACK_S
    from collectors.history.view import view

    begin = bisect_left(runs, runs[index].at - timedelta(seconds=LOOK_BACK_S), key=lambda one: one.at)
    records = tuple(one.record for one in runs[begin : index + 1] if one.record is not None)
    return view(Journal(records, (), 0, 0), now=runs[index].at, thresholds=settings.thresholds)
