"""What a run was, in the few figures that a history needs, and what happened between two runs. Pure.

Refuses to tell an event from a single run: crossing, finding and resolving need a run before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from collectors.history.record import Journal, Record
from collectors.model.finding import Severity
from collectors.model.reading import Unavailable
from collectors.model.report import Report
from collectors.model.sums import charged, floor
from collectors.report.words import bytes_, percent
from tui.categories import by_key
from tui.frame import Event, Kind, percent_of, space_of

# A fall of this share of the disk between two runs is worth a line of its own.
_FALL_PERCENT = 2.0


# Crossings tell when these begin, and better.
_TOLD = frozenset({"disk-full"})


@dataclass(frozen=True, slots=True)
class Found:
    severity: Severity
    claim: str
    bytes: int | None


@dataclass(frozen=True, slots=True)
class Moment:
    """One run. `categories` holds charged bytes of what was read; `findings` by rule; `actions` as sentences.

    `record` is the journal's own, where the run comes from one.
    """

    at: datetime
    percent: float | None
    used_bytes: int | None
    available_bytes: int | None
    total_bytes: int | None
    categories: Mapping[str, int]
    findings: Mapping[str, Found]
    actions: tuple[str, ...]
    record: Record | None = None


def came_true(rule: str, severity: Severity, now: Mapping[str, Found]) -> bool:
    """Whether a finding that is not among those of `now` is a forecast of how full the disk is by now."""
    return rule == "disk-forecast" and "disk-full" in now and now["disk-full"].severity > severity


def of_report(report: Report) -> Moment:
    space = space_of(report)
    rows = report.ledger.rows if report.ledger is not None else ()
    return Moment(
        at=report.taken_at,
        percent=percent_of(space.used_bytes, space) if space is not None else None,
        used_bytes=space.used_bytes if space is not None else None,
        available_bytes=space.available_bytes if space is not None else None,
        total_bytes=space.total_bytes if space is not None else None,
        categories={
            row.category.value: charged(row.charged) for row in rows if not isinstance(row.charged, Unavailable)
        },
        findings=worst_of(report),
        actions=(),
    )


def worst_of(report: Report) -> dict[str, Found]:
    """The worst finding of each rule; the diagnosis lists them worst first."""
    found: dict[str, Found] = {}
    for finding in report.findings:
        if finding.certain:
            amount = None if finding.bytes is None else floor(finding.bytes)
            found.setdefault(finding.rule, Found(finding.severity, finding.claim, amount))
    return found


def of_record(record: Record) -> Moment:
    return Moment(
        at=record.at,
        percent=record.used_percent,
        used_bytes=record.used_bytes,
        available_bytes=record.available_bytes,
        total_bytes=record.total_bytes,
        categories={key: value for key, value in record.categories.items() if value is not None},
        findings={
            noted.rule: Found(noted.severity, noted.rule.replace("-", " "), noted.bytes)
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


def of_journal(journal: Journal) -> tuple[Moment, ...]:
    """Our own runs and what supervisors wrote as points of used %, oldest first."""
    own = [of_record(record) for record in journal.records]
    foreign = [Moment(point.at, point.used_percent, None, None, None, {}, {}, ()) for point in journal.foreign]
    return tuple(sorted((*own, *foreign), key=lambda moment: moment.at))


def events(moments: Sequence[Moment], marks: Sequence[int]) -> tuple[Event, ...]:
    """What happened, oldest first: thresholds crossed, findings that came and went, space that came back, actions."""
    told: list[Event] = []
    before: Moment | None = None
    told_before: Moment | None = None  # the last run that had findings at all: foreign points have none
    for moment in moments:
        if before is not None:
            told += _levels(before, moment, marks)
        if told_before is not None and moment.categories:
            told += _findings(told_before, moment)
        told += [Event(moment.at, Kind.ACTION, text, moment.percent, Severity.P4) for text in moment.actions]
        if moment.percent is not None:
            before = moment
        if moment.categories:
            told_before = moment
    return tuple(told)


def _levels(before: Moment, moment: Moment, marks: Sequence[int]) -> list[Event]:
    if before.percent is None or moment.percent is None:
        return []
    found = []
    for mark in marks:
        if before.percent < mark <= moment.percent:
            severity = Severity.P0 if mark >= 90 else Severity.P1 if mark >= 80 else Severity.P2
            found.append(Event(moment.at, Kind.CROSSED, f"{mark}% crossed", moment.percent, severity))
    fall = before.percent - moment.percent
    if fall >= _FALL_PERCENT:
        text = f"used space fell from {percent(before.percent)} to {percent(moment.percent)}"
        if before.used_bytes is not None and moment.used_bytes is not None:
            text = f"{bytes_(before.used_bytes - moment.used_bytes)} came back{_from(before, moment)}"
        found.append(Event(moment.at, Kind.FREED, text, moment.percent, Severity.P4))
    return found


def _from(before: Moment, moment: Moment) -> str:
    """The category that fell most, as `: Build cache`."""
    shrunk = {
        key: value - moment.categories[key] for key, value in before.categories.items() if key in moment.categories
    }
    if not shrunk:
        return ""
    key = max(shrunk, key=lambda key: shrunk[key])
    return f": {by_key(key).title}" if shrunk[key] > 0 and _known(key) else ""


def _known(key: str) -> bool:
    try:
        by_key(key)
    except ValueError:
        return False
    return True


def _findings(before: Moment, moment: Moment) -> list[Event]:
    found = []
    for rule, finding in moment.findings.items():
        if rule in _TOLD:
            continue
        old = before.findings.get(rule)
        if old is None or finding.severity > old.severity:
            amount = "" if finding.bytes is None else f", {bytes_(finding.bytes)}"
            found.append(Event(moment.at, Kind.FOUND, f"{finding.claim}{amount}", moment.percent, finding.severity))
    for rule, finding in before.findings.items():
        gone = rule not in moment.findings and rule not in _TOLD
        if gone and not came_true(rule, finding.severity, moment.findings):
            found.append(Event(moment.at, Kind.RESOLVED, f"resolved: {finding.claim}", moment.percent, Severity.P4))
    return found
