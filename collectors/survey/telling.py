"""The run in words for people: the journal's bullets and the vault's tasks. Pure; foreign strings are escaped here."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes import disk_full
from collectors.history.record import Action, Journal, Record
from collectors.history.vault import Task
from collectors.model.finding import Finding, Severity
from collectors.model.reading import Exact, Size
from collectors.model.report import Report
from collectors.report import words
from collectors.report.trend_text import signed

# Changes smaller than this are breathing, not news.
_NEWS_BYTES = 16 << 20


def bullets(report: Report, record: Record, before: Record | None, actions: tuple[Action, ...] = ()) -> list[str]:
    """A few lines; one where nothing changed."""
    told = [_state(report)]
    changed = _changed(record, before)
    told += changed
    told += [_action(action) for action in actions]
    if before is None or changed or _rules(record) != _rules(before):
        for finding in report.findings:
            if finding.severity >= Severity.P2:
                told.append(line(finding))
    gone = _rules(before) - _rules(record) if before else set()
    told += [f"Resolved: {rule}" for rule in sorted(gone)]
    return told


def line(finding: Finding) -> str:
    """`[P2] claim, 1.2 GiB — remedy`."""
    amount = f", {words.size(finding.bytes)}" if finding.bytes is not None else ""
    claim, remedy = words.quoted(finding.claim, 200), words.quoted(finding.remedy, 200)
    return f"[{finding.severity.name}] {claim}{amount} — {remedy}"


def tasks(report: Report, journal: Journal | None) -> tuple[Task, ...]:
    """What P0 to P2 findings need of a person, with what was tried and what it really freed."""
    return tuple(
        Task(
            rule=finding.rule,
            severity=finding.severity,
            needed=words.quoted(finding.remedy, 200),
            what=[line(finding), *(f"- {_evidence(label, value)}" for label, value in finding.evidence)],
            why=[report.verdict, f"Host: {words.quoted(report.host)}"],
            unblocks=["The disk stays writable; the task closes by itself once the finding is gone."],
            tried=[_action(action) for action in _tried(finding.rule, journal)],
        )
        for finding in report.findings
        if finding.severity >= Severity.P2
    )


def _tried(rule: str, journal: Journal | None) -> Iterable[Action]:
    for record in journal.records if journal else ():
        for action in record.actions:
            if rule in (action.rule, disk_full.ID):
                yield action


def _state(report: Report) -> str:
    ledger = report.ledger
    space = ledger.filesystem.space if ledger else None
    if not isinstance(space, Exact):
        return f"{report.severity.name}: {report.verdict}"
    figures = space.value
    room = f"{words.bytes_(figures.used_bytes)} of {words.bytes_(figures.total_bytes)}"
    return f"{words.whole_percent(figures.used_percent)} used ({room}), {report.severity.name}: {report.verdict}"


def _changed(record: Record, before: Record | None) -> list[str]:
    if before is None:
        return []
    moved = []
    for name, now in record.categories.items():
        was = before.categories.get(name)
        if now is not None and was is not None and abs(now - was) >= _NEWS_BYTES:
            moved.append((now - was, name))
    moved.sort(key=lambda one: -abs(one[0]))
    return [f"{name} {signed(change)} since the last run" for change, name in moved[:4]]


def _rules(record: Record) -> set[str]:
    return {noted.rule for noted in record.findings if noted.severity >= Severity.P2}


def _action(action: Action) -> str:
    freed = "an unknown amount" if action.measured_bytes is None else words.bytes_(action.measured_bytes)
    promised = "" if action.predicted_bytes is None else f", {words.bytes_(action.predicted_bytes)} predicted"
    return f"Did {action.action} {words.quoted(action.target, 120)}: freed {freed}{promised}"


def _evidence(label: str, value: Size | str) -> str:
    shown = words.quoted(value, 160) if isinstance(value, str) else words.size(value)
    return f"{words.quoted(label, 120)}: {shown}"
