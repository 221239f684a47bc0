"""One run in the few figures that a history needs, from a report or from the journal. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from collectors.causes import disk_forecast, disk_full
from collectors.history.record import Journal, Record
from collectors.model.finding import Severity
from collectors.model.reading import Unavailable
from collectors.model.report import Report
from collectors.model.sums import charged, floor
from collectors.report.words import bytes_
from tui.view_models.frame import height_of, space_of


@dataclass(frozen=True, slots=True)
class RunFinding:
    severity: Severity
    claim: str
    bytes: int | None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run. `categories` holds charged bytes of what was read; `findings` by rule; `actions` as sentences.

    `record` is the journal's own, where the run comes from one.
    """

    at: datetime
    used_percent: int | None
    used_bytes: int | None
    available_bytes: int | None
    total_bytes: int | None
    categories: Mapping[str, int]
    findings: Mapping[str, RunFinding]
    actions: tuple[str, ...]
    record: Record | None = None

    @property
    def height(self) -> float | None:
        """How high the curve of used space is drawn: exact where the bytes are known, else the used %."""
        if self.used_bytes is None or self.available_bytes is None:
            return self.used_percent
        return height_of(self.used_bytes, self.used_bytes + self.available_bytes)


def forecast_came_true(rule: str, severity: Severity, now: Mapping[str, RunFinding]) -> bool:
    """Whether a finding that is not among those of `now` is a forecast of how full the disk is by now."""
    full = now.get(disk_full.ID)
    return rule == disk_forecast.ID and full is not None and full.severity > severity


def run_of_report(report: Report) -> RunSummary:
    space = space_of(report)
    rows = report.ledger.rows if report.ledger is not None else ()
    return RunSummary(
        at=report.taken_at,
        used_percent=space.used_percent if space is not None else None,
        used_bytes=space.used_bytes if space is not None else None,
        available_bytes=space.available_bytes if space is not None else None,
        total_bytes=space.total_bytes if space is not None else None,
        categories={
            row.category.value: charged(row.charged) for row in rows if not isinstance(row.charged, Unavailable)
        },
        findings=worst_by_rule(report),
        actions=(),
    )


def worst_by_rule(report: Report) -> dict[str, RunFinding]:
    """The worst finding of each rule; the diagnosis lists them worst first."""
    found: dict[str, RunFinding] = {}
    for finding in report.findings:
        if finding.certain:
            amount = None if finding.bytes is None else floor(finding.bytes)
            found.setdefault(finding.rule, RunFinding(finding.severity, finding.claim, amount))
    return found


def run_of_record(record: Record) -> RunSummary:
    return RunSummary(
        at=record.at,
        used_percent=record.used_percent,
        used_bytes=record.used_bytes,
        available_bytes=record.available_bytes,
        total_bytes=record.total_bytes,
        categories={key: value for key, value in record.categories.items() if value is not None},
        findings={
            noted.rule: RunFinding(noted.severity, noted.rule.replace("-", " "), noted.bytes)
            for noted in record.findings
            if noted.severity is not Severity.OK
        },
        actions=tuple(
            f"{action.action} {action.target}".strip()
            + ("" if action.measured_bytes is None else f": {bytes_(action.measured_bytes)} measured")
            for action in record.actions
        ),
        record=record,
    )


def runs_of_journal(journal: Journal) -> tuple[RunSummary, ...]:
    """Our own runs and what supervisors wrote as points of used %, oldest first."""
    own = [run_of_record(record) for record in journal.records]
    foreign = [RunSummary(point.at, point.used_percent, None, None, None, {}, {}, ()) for point in journal.foreign]
    return tuple(sorted((*own, *foreign), key=lambda run: run.at))
