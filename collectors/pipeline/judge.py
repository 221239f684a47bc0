"""Snapshot → Report: the ledger of every filesystem, findings, plan, severity, verdict, exit status. Pure.

The exit status: 0 well, 1 warning, 2 critical, 3 not known. A known critical beats not knowing. The verdict is one
sentence that names the biggest culprit and what frees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from collectors import tool_version
from collectors.causes.detection import culprit, detect, in_order, is_symptom, severity
from collectors.causes.finding_context import FindingContext
from collectors.ledger.account import Account, account
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Bill, Category, Ledger
from collectors.model.owner import Owner
from collectors.model.plan import Plan
from collectors.model.reading import Exact, Origin, Reading, Unavailable, Why, charged
from collectors.model.report import Report, TrendView
from collectors.model.settings import Settings
from collectors.model.snapshot import Outcome, Snapshot, SourceReport
from collectors.pipeline.memory import Memory, settle
from collectors.planning import build_plan
from collectors.probe.run import SOURCE as PROBE
from collectors.report import formatting

UNKNOWN = 3
# A source that broke, as against one that this user or place simply has no access to.
_BROKEN = frozenset({Why.TIMED_OUT, Why.MALFORMED, Why.INCONSISTENT, Why.FAILED, Why.DEFECT})


def exit_status(snapshot: Snapshot, severity: Severity) -> int:
    """DESIGN's table; a probe that failed never makes 0."""
    if severity >= Severity.P1:
        return 2
    if _undecided(snapshot):
        return UNKNOWN
    return 1 if severity is Severity.P2 else 0


def _undecided(snapshot: Snapshot) -> bool:
    """Could what was not read have changed the severity?"""
    if not snapshot.studies:
        return True
    study = snapshot.studies[0]
    if isinstance(study.filesystem.space, Unavailable) or isinstance(snapshot.engine.engine, Unavailable):
        return True
    view = snapshot.engine
    others: tuple[Reading[object], ...] = (
        snapshot.docker_root,
        snapshot.store,
        study.occupancy,
        view.images,
        view.containers,
        view.volumes,
        view.build_cache,
    )
    others += tuple(other.filesystem.space for other in snapshot.studies[1:])
    if any(isinstance(one, Unavailable) and one.why in _BROKEN for one in others):
        return True
    return any("defect" in row.reason or _broken_probe(row) for row in snapshot.reports)


def _broken_probe(row: SourceReport) -> bool:
    """A container that was to read the disk, and broke: what it was asked for is not known."""
    return row.source == PROBE and row.outcome is Outcome.UNREAD and row.reason.partition(":")[0] in _BROKEN


def verdict(
    ledger: Ledger | None, findings: tuple[Finding, ...], plan: Plan, severity: Severity, *, of_root: bool = True
) -> str:
    """The sentence, foreign names already escaped; another filesystem than the Docker root's is named."""
    if ledger is None:
        return "The disk could not be read; see Coverage."
    space = ledger.filesystem.space
    if isinstance(space, Unavailable):
        return f"How full the disk is could not be read: {formatting.quoted(formatting.unread(space), None)}."
    place = "" if of_root else f"{formatting.quoted(ledger.filesystem.mount.mountpoint)} "
    used = f"{place}{formatting.whole_percent(space.value.used_percent)} used"
    remedy = _remedy(plan)
    writes_fail = next((f for f in findings if f.severity is Severity.P0 and not is_symptom(f)), None)
    if writes_fail is not None:
        return f"{_sentence(writes_fail)}; {formatting.quoted(writes_fail.remedy, 200)}."
    named = culprit(findings)
    if severity >= Severity.P2 and named is not None and named.bytes is not None:
        amount = formatting.size(named.bytes)
        return f"{used}; {amount} in {formatting.quoted(named.claim, 200)}{remedy}."
    largest = max(
        (row for row in ledger.rows if row.category is not Category.UNATTRIBUTED), key=lambda row: charged(row.charged)
    )
    name = largest.category.value.replace("_", " ")
    if severity >= Severity.P2:
        return f"{used}; the largest category is {name} ({formatting.size(largest.charged)}){remedy}."
    return f"No action needed: {used}; the largest category is {name} ({formatting.size(largest.charged)})."


def _sentence(finding: Finding) -> str:
    claim = formatting.quoted(finding.claim, 240)
    return claim[:1].upper() + claim[1:]


def _remedy(plan: Plan) -> str:
    steps = [step for step in plan.steps if step.unasked]
    freed = plan.frees_bytes(frozenset(step.id for step in steps))
    if freed:
        return f"; the plan frees {formatting.bytes_(freed)} in {formatting.count(len(steps), 'step')}"
    if plan.every_step:
        return "; what would help needs a decision by a person: see the plan"
    return "; nothing that could be removed would help"


@dataclass(frozen=True, slots=True)
class Judged:
    """What one snapshot amounts to. `accounts` stand in the order of the snapshot's studies."""

    accounts: tuple[Account, ...]
    raw: tuple[Finding, ...]  # of the Docker root's filesystem, as this run alone sees them
    findings: tuple[Finding, ...]  # of all filesystems, as they stand over several runs
    plan: Plan
    severity: Severity
    worst: int  # which of the accounts leads the verdict, and has the plan


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
    """Findings and severity of every filesystem, and the plan of the one that is worst, from the closed books."""
    if not accounts:
        return Judged((), (), (), Plan((), (), ()), Severity.P2, 0)
    limits = ruling.settings.thresholds
    raw, *others = (
        detect(FindingContext(snapshot, study, its.ledger, its.books, memory.trend, limits))
        for study, its in zip(snapshot.studies, accounts, strict=True)
    )
    # The journal keeps the history of the Docker root's filesystem; the others stand as this run sees them.
    of_root = settle(raw, memory.journal, _used_percent(accounts[0]), snapshot.ended_at, limits)
    found = (of_root, *others)
    worst = _worst(accounts, found)
    mount = accounts[worst].ledger.filesystem.mount.mountpoint if worst else ""
    plan = build_plan(
        snapshot,
        accounts[worst].ledger,
        accounts[worst].books,
        found[worst],
        ruling.settings.keep,
        ruling.last_used,
        snapshot.ended_at,
        until_percent=ruling.until_percent,
    )
    plan = replace(plan, mount=mount, left_out=(*plan.left_out, *_also_short(accounts, found, worst)))
    findings = in_order(finding for its in found for finding in its)
    return Judged(accounts, raw, findings, plan, severity(findings), worst)


def _worst(accounts: tuple[Account, ...], found: tuple[tuple[Finding, ...], ...]) -> int:
    """The filesystem with the gravest finding; of equal ones the fuller; the Docker root's where nothing presses."""
    graver = [place for place in range(1, len(found)) if severity(found[place]) >= Severity.P2]
    return max([0, *graver], key=lambda place: (severity(found[place]), _used_percent(accounts[place]) or 0, -place))


def _also_short(accounts: tuple[Account, ...], found: tuple[tuple[Finding, ...], ...], worst: int) -> list[str]:
    """Filesystems that are short as well, and that this plan does not free."""
    return [
        f"{its.ledger.filesystem.mount.mountpoint} is short as well ({severity(found[place]).name}): this plan frees "
        f"{accounts[worst].ledger.filesystem.mount.mountpoint} first, and the next run plans for the other."
        for place, its in enumerate(accounts)
        if place != worst and severity(found[place]) >= Severity.P1
    ]


def _used_percent(main: Account) -> int | None:
    space = main.ledger.filesystem.space
    return space.value.used_percent if isinstance(space, Exact) else None


def report(
    snapshot: Snapshot, judged: Judged, trend: TrendView, settings: Settings, bills: tuple[Bill, ...] = ()
) -> Report:
    """The run, finished."""
    main = judged.accounts[0].ledger if judged.accounts else None
    return Report(
        tool_version=tool_version(),
        host=snapshot.host,
        taken_at=snapshot.began_at,
        took_s=(snapshot.ended_at - snapshot.began_at).total_seconds(),
        severity=judged.severity,
        exit_status=exit_status(snapshot, judged.severity),
        verdict=_verdict(judged),
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
        bills=bills,
    )


def _verdict(judged: Judged) -> str:
    """Of the filesystem that leads: its ledger, and the findings that are about it."""
    ledger = judged.accounts[judged.worst].ledger if judged.accounts else None
    said_once = f" (on {judged.plan.mount})"
    mine = tuple(
        replace(finding, claim=finding.claim.removesuffix(said_once))
        for finding in judged.findings
        if finding.mount == judged.plan.mount
    )
    return verdict(ledger, mine, judged.plan, judged.severity, of_root=judged.worst == 0)


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
