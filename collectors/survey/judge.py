"""Snapshot → Report: the ledger of every filesystem, the findings, the plan, the severity. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from collectors.accounting.ledger import Account, account
from collectors.causes.detection import detect, severity
from collectors.causes.finding_context import FindingContext
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category
from collectors.model.owner import Owner
from collectors.model.plan import Plan
from collectors.model.reading import Exact, Origin, Reading, Unavailable, Why
from collectors.model.report import Report, TrendView
from collectors.model.settings import Settings
from collectors.model.snapshot import Snapshot
from collectors.model.sums import charged
from collectors.planning import build_plan
from collectors.survey.memory import Memory, settle
from collectors.survey.status import exit_status
from collectors.survey.verdict import verdict
from collectors.version import tool_version


@dataclass(frozen=True, slots=True)
class Judged:
    """What one snapshot amounts to. `accounts` stand in the order of the snapshot's studies."""

    accounts: tuple[Account, ...]
    raw: tuple[Finding, ...]  # as this run alone sees them
    findings: tuple[Finding, ...]  # as they stand over several runs
    plan: Plan
    severity: Severity


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the judgement goes by. `last_used` is what the journal knows of when things were last in use."""

    settings: Settings
    last_used: Mapping[Owner, datetime]
    until_percent: float | None


def close_books(snapshot: Snapshot) -> tuple[Account, ...]:
    """The account of every filesystem, in the order of the snapshot's studies."""
    return tuple(account(snapshot, study) for study in snapshot.studies)


def judge(snapshot: Snapshot, accounts: tuple[Account, ...], memory: Memory, ruling: Ruling) -> Judged:
    """Findings, severity and plan from the closed books."""
    if not accounts:
        return Judged((), (), (), Plan((), (), ()), Severity.P2)
    # The Docker root's filesystem is judged; the others are shown.
    study, main = snapshot.studies[0], accounts[0]
    raw = detect(FindingContext(snapshot, study, main.ledger, main.books, memory.trend, ruling.settings.thresholds))
    percent = _used_percent(main)
    findings = settle(raw, memory.journal, percent, snapshot.ended_at, ruling.settings.thresholds)
    steps = build_plan(
        snapshot,
        main.ledger,
        main.books,
        findings,
        ruling.settings.keep,
        ruling.last_used,
        snapshot.ended_at,
        until_percent=ruling.until_percent,
    )
    return Judged(accounts, raw, findings, steps, severity(findings))


def _used_percent(main: Account) -> int | None:
    space = main.ledger.filesystem.space
    return space.value.used_percent if isinstance(space, Exact) else None


def report(snapshot: Snapshot, judged: Judged, trend: TrendView, settings: Settings) -> Report:
    """The run, finished."""
    main = judged.accounts[0].ledger if judged.accounts else None
    return Report(
        tool_version=tool_version(),
        host=snapshot.host,
        taken_at=snapshot.began_at,
        took_s=(snapshot.ended_at - snapshot.began_at).total_seconds(),
        severity=judged.severity,
        exit_status=exit_status(snapshot, judged.severity),
        verdict=verdict(main, judged.findings, judged.plan, judged.severity),
        docker_root=snapshot.docker_root,
        engine=snapshot.engine.engine,
        explained_percent=_explained(judged.accounts, snapshot.ended_at),
        ledger=main,
        other_ledgers=tuple(one.ledger for one in judged.accounts[1:]),
        filesystem_facts=snapshot.studies[0].filesystem_facts if snapshot.studies else None,
        findings=judged.findings,
        trend=trend,
        plan=judged.plan,
        coverage=snapshot.reports,
        settings=settings,
    )


def _explained(accounts: tuple[Account, ...], at: datetime) -> Reading[float]:
    """What the named categories make up of used, in percent; too much counted is as wrong as too little."""
    origin = Origin("accounting", "explained", at, 0.0)
    if not accounts:
        return Unavailable(Why.NOT_REACHABLE, "no filesystem was found", origin)
    ledger = accounts[0].ledger
    space = ledger.filesystem.space
    if isinstance(space, Unavailable):
        return space
    used = space.value.used_bytes
    left = abs(charged(ledger.row(Category.UNATTRIBUTED).charged))
    return Exact(max(0.0, 100 * (used - left) / used) if used else 100.0, origin)
