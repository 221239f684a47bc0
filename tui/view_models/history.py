"""Runs in the few figures that a history needs, from a report or the journal; curves and events between them. Pure.

Never beyond the frame shown. Refuses to tell an event from a single run: crossing, finding and resolving need a run
before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from collectors.causes import disk_full
from collectors.journal import Journal, Record
from collectors.journal.encoding import short_id
from collectors.model.ledger import Category
from collectors.model.plan import Severity
from collectors.model.reading import Unavailable, charged, floor
from collectors.model.report import Report, Sample
from collectors.model.settings import Thresholds
from collectors.report.formatting import whole_percent
from tui.view_models import CurvePoint, HistoryEvent, HistoryEventKind, RunHistory, height_of, space_of
from tui.view_models.categories import label_by_key


@dataclass(frozen=True, slots=True)
class RunFinding:
    severity: Severity
    claim: str
    bytes: int | None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run. `categories` holds charged bytes of what was read; `findings` by rule; `actions`: what was done, and
    the bytes that were measured then, None where none were; `record` is the journal's own, where it comes from one.

    `filesystem` is the Docker root's, `others` the run as it was for each other one; None: not known which it is.
    """

    at: datetime
    used_percent: int | None
    used_bytes: int | None
    available_bytes: int | None
    total_bytes: int | None
    categories: Mapping[str, int]
    findings: Mapping[str, RunFinding]
    actions: tuple[tuple[str, int | None], ...]
    record: Record | None = None
    tags: Mapping[str, str] | None = None  # tag → the image's short id; None: not known
    filesystem: str | None = None
    others: tuple[RunSummary, ...] = ()

    @property
    def identities(self) -> tuple[str | None, ...]:
        """What tells each filesystem that it saw from others, the Docker root's first."""
        return (self.filesystem, *(one.filesystem for one in self.others))

    def seen_of(self, filesystem: str | None) -> RunSummary | None:
        """The run as it was for one filesystem; None where it did not see that one, or nobody knows which it is."""
        return next((one for one in (self, *self.others) if one.filesystem == filesystem), None)

    @property
    def has_findings(self) -> bool:
        """Does it tell what was found? A supervisor's own figure does not."""
        return self.record is not None or bool(self.categories)

    @property
    def height(self) -> float | None:
        """How high the curve of used space is drawn: exact where the bytes are known, else the used %."""
        if self.used_bytes is None or self.available_bytes is None:
            return self.used_percent
        return height_of(self.used_bytes, self.used_bytes + self.available_bytes)


def forecast_came_true(rule: str, severity: Severity, now: Mapping[str, RunFinding]) -> bool:
    """Whether a finding that is not among those of `now` is a forecast of how full the disk is by now."""
    return rule == disk_full.FORECAST_ID and disk_full.ID in now and now[disk_full.ID].severity > severity


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
        tags=_tags(report),
        filesystem=report.filesystem_identity,
        others=tuple(_run_of_other(report, at) for at in range(len(report.other_ledgers))),
    )


def _run_of_other(report: Report, at: int) -> RunSummary:
    """The report as it was for one of its other filesystems, with its warnings and worse, as the journal keeps it."""
    ledger = report.other_ledgers[at]
    mount = ledger.filesystem.mount.mountpoint
    mine = tuple(one for one in report.findings if one.mount == mount and one.severity >= Severity.P2)
    its = run_of_report(replace(report, ledger=ledger, other_ledgers=(), filesystem_facts=None, findings=mine))
    return replace(its, tags=_tags(report), filesystem=report.identities[1 + at])


def _tags(report: Report) -> Mapping[str, str] | None:
    """What each image is called first, as far as the books list images."""
    if report.ledger is None:
        return None
    images = report.ledger.items.get(Category.IMAGES, ())
    return {item.name: short_id(item.owner_id.id) for item in images if item.state != "dangling"} or None


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
        actions=tuple((f"{one.action} {one.target}".strip(), one.measured_bytes) for one in record.actions),
        record=record,
        tags=None if record.tags is None else {tag: short_id(image) for tag, image in record.tags.items()},
        filesystem=record.filesystem,
        others=tuple(_of_other_record(record, other.filesystem) for other in record.others),
    )


def _of_other_record(record: Record, filesystem: str) -> RunSummary:
    return run_of_record(replace(record.seen_of(filesystem) or record, tags=record.tags))


def runs_of_journal(journal: Journal) -> tuple[RunSummary, ...]:
    """Our own runs and what supervisors wrote as points of used %, oldest first."""
    own = [run_of_record(record) for record in journal.records]
    foreign = [RunSummary(point.at, point.used_percent, None, None, None, {}, {}, ()) for point in journal.foreign]
    return tuple(sorted((*own, *foreign), key=lambda run: run.at))


def runs_of(runs: Sequence[RunSummary], filesystem: str | None, *, of_root: bool) -> tuple[RunSummary, ...]:
    """The runs as they were for one filesystem. What does not say which it was of, is of the Docker root's."""
    if filesystem is None:
        return tuple(runs) if of_root else ()
    seen = (run if of_root and run.filesystem is None else run.seen_of(filesystem) for run in runs)
    return tuple(run for run in seen if run is not None)


def histories_of(
    runs: Sequence[RunSummary], identities: Sequence[str | None], thresholds: Thresholds
) -> tuple[RunHistory, ...]:
    """The course of each filesystem, the Docker root's first."""
    every = enumerate(identities)
    return tuple(history_of(runs_of(runs, one, of_root=not at), thresholds) for at, one in every)


def history_of(runs: Sequence[RunSummary], thresholds: Thresholds) -> RunHistory:
    """The curves and events of runs that are oldest first."""
    series: dict[str, list[Sample]] = {}
    for run in runs:
        for key, value in run.categories.items():
            series.setdefault(key, []).append(Sample(run.at, value))
    return RunHistory(
        used=tuple(CurvePoint(run.at, height) for run in runs if (height := run.height) is not None),
        series={key: tuple(samples) for key, samples in series.items()},
        events=events(runs, thresholds),
    )


def until(history: RunHistory, at: datetime) -> RunHistory:
    """What was known at `at`: nothing later."""
    return RunHistory(
        used=history.used[: bisect_right(history.used, at, key=lambda point: point.at)],
        series={
            key: line[: bisect_right(line, at, key=lambda sample: sample.at)] for key, line in history.series.items()
        },
        events=history.events[: bisect_right(history.events, at, key=lambda event: event.at)],
    )


# A fall of this share of the disk between two runs is worth a line of its own.
_FALL_PERCENT = 2.0


# Crossings tell when these begin, and better.
_SHOWN_AS_CROSSINGS = frozenset({disk_full.ID})


def events(runs: Sequence[RunSummary], thresholds: Thresholds) -> tuple[HistoryEvent, ...]:
    """What happened, oldest first: thresholds crossed, deploys, findings that came and went, space freed, actions."""
    found: list[HistoryEvent] = []
    deployed: RunSummary | None = None  # the last run that told its images
    before: RunSummary | None = None
    before_with_findings: RunSummary | None = None  # the last run that had findings at all: foreign points have none
    for run in runs:
        if before is not None:
            found += _levels(before, run, thresholds)
        if before_with_findings is not None and run.has_findings:
            found += _findings(before_with_findings, run)
        if run.tags is not None:
            found += _deploys(deployed, run) if deployed is not None else []
            deployed = run
        found += [
            HistoryEvent(run.at, HistoryEventKind.ACTION, text, run.used_percent, Severity.P4, measured)
            for text, measured in run.actions
        ]
        if run.used_percent is not None:
            before = run
        if run.has_findings:
            before_with_findings = run
    return tuple(found)


def _levels(before: RunSummary, run: RunSummary, thresholds: Thresholds) -> list[HistoryEvent]:
    if before.used_percent is None or run.used_percent is None:
        return []
    found = []
    used = run.used_percent
    for mark in thresholds.marks:
        if before.used_percent < mark <= used:
            severity = thresholds.level(mark)
            found.append(
                HistoryEvent(run.at, HistoryEventKind.CROSSED, f"{whole_percent(mark)} crossed", used, severity)
            )
    fall = (before.height or 0.0) - (run.height or 0.0)
    if fall >= _FALL_PERCENT:
        text, freed = f"used space fell from {whole_percent(before.used_percent)} to {whole_percent(used)}", None
        if before.used_bytes is not None and run.used_bytes is not None:
            text, freed = f"freed{_from(before, run)}", before.used_bytes - run.used_bytes
        found.append(HistoryEvent(run.at, HistoryEventKind.FREED, text, used, Severity.P4, freed))
    return found


def _deploys(before: RunSummary, run: RunSummary) -> list[HistoryEvent]:
    """Names that stand for images which were not there before: one event a run, however many they are."""
    old, new = before.tags or {}, run.tags or {}
    known = frozenset(old.values())
    names = sorted(tag for tag, image in new.items() if image not in known)
    if not names:
        return []
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    text = f"deploy: new image of {names[0]}{more}"
    return [HistoryEvent(run.at, HistoryEventKind.DEPLOYED, text, run.used_percent, Severity.P4)]


def _from(before: RunSummary, run: RunSummary) -> str:
    """The category that fell most, as `: Build cache`."""
    shrunk = {key: value - run.categories[key] for key, value in before.categories.items() if key in run.categories}
    if not shrunk:
        return ""
    key = max(shrunk, key=lambda key: shrunk[key])
    return f": {label_by_key(key).title}" if shrunk[key] > 0 and _known(key) else ""


def _known(key: str) -> bool:
    try:
        label_by_key(key)
    except ValueError:
        return False
    return True


def _findings(before: RunSummary, run: RunSummary) -> list[HistoryEvent]:
    found = []
    used = run.used_percent
    for rule, finding in run.findings.items():
        if rule in _SHOWN_AS_CROSSINGS:
            continue
        old = before.findings.get(rule)
        if old is None or finding.severity > old.severity:
            found.append(
                HistoryEvent(run.at, HistoryEventKind.FOUND, finding.claim, used, finding.severity, finding.bytes)
            )
    for rule, finding in before.findings.items():
        gone = rule not in run.findings and rule not in _SHOWN_AS_CROSSINGS
        if gone and not forecast_came_true(rule, finding.severity, run.findings):
            found.append(
                HistoryEvent(run.at, HistoryEventKind.RESOLVED, f"resolved: {finding.claim}", used, Severity.P4)
            )
    return found
