"""Snapshot → Report: the ledger of every filesystem, findings, plan, severity, verdict, exit status. Pure.

The exit status: 0 well, 1 warning, 2 critical, 3 not known. A known critical beats not knowing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from collectors import tool_version
from collectors.causes import detect, in_order, severity
from collectors.causes.finding_context import FindingContext
from collectors.inventory.filesystem import PROBE
from collectors.ledger import Account, account
from collectors.ledger.ranking import rank
from collectors.model import Owner, dataclass
from collectors.model.ledger import Bill, Books, Category
from collectors.model.plan import Finding, Plan, Resource, Severity
from collectors.model.reading import Exact, Origin, Reading, Unavailable, Why, charged, reason
from collectors.model.report import Report, TrendView
from collectors.model.settings import Settings, Thresholds
from collectors.model.snapshot import FilesystemStudy, Outcome, Snapshot, SourceReport
from collectors.pipeline.clauses import Case, CutShort
from collectors.pipeline.memory import Memory, settle
from collectors.pipeline.verdict import short_of, verdict
from collectors.planning import build_plan

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


def _undecided(snapshot: Snapshot) -> str:
    """Why what was not read could have changed the severity; "" where it could not."""
    if not snapshot.studies:
        return "no filesystem was found"
    if (missing := next(_missing(snapshot), None)) is not None:
        no_engine = missing is snapshot.engine.engine
        return f"no engine ({missing.why})" if no_engine else f"{missing.origin.source}: {reason(missing)}"
    broken = next((row for row in snapshot.reports if "defect" in row.reason or _broken_probe(row)), None)
    return "" if broken is None else f"{broken.source}: {broken.reason}"


def _missing(snapshot: Snapshot) -> Iterator[Unavailable]:
    """What is needed and was not read, then what broke while it was read."""
    study, view = snapshot.studies[0], snapshot.engine
    needed: tuple[Reading[object], ...] = (study.filesystem.space, *(() if snapshot.alone else (view.engine,)))
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
    yield from (one for one in needed if isinstance(one, Unavailable))
    yield from (one for one in others if isinstance(one, Unavailable) and one.why in _BROKEN)


def _broken_probe(row: SourceReport) -> bool:
    """A container that was to read the disk, and broke: what it was asked for is not known."""
    return row.source == PROBE and row.outcome is Outcome.UNREAD and row.reason.partition(":")[0] in _BROKEN


@dataclass(frozen=True, slots=True)
class Judged:
    """What one snapshot amounts to. Accounts, raw findings, trends and plans stand in the order of its studies."""

    accounts: tuple[Account, ...]
    raw: tuple[tuple[Finding, ...], ...]  # as this run alone sees them
    findings: tuple[Finding, ...]  # of all filesystems, as they stand over several runs
    trends: tuple[TrendView, ...]
    plans: tuple[Plan, ...]
    severity: Severity
    worst: int  # which of the filesystems leads the verdict

    @property
    def plan(self) -> Plan:
        """That of the filesystem which leads."""
        return self.plans[self.worst] if self.plans else Plan((), (), ())

    def books_of(self, mount: str) -> Books | None:
        """Those that the plan with this `mount` is made from; None where no filesystem was found."""
        mine = (its.books for its, made in zip(self.accounts, self.plans, strict=True) if made.mount == mount)
        return next(mine, None)


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
    """Findings, severity and plan of every filesystem, from the closed books."""
    if not accounts:
        return Judged((), (), (), (), (), Severity.P2, 0)
    looks = [_Look(snapshot, accounts[place], memory, ruling, place) for place in range(len(accounts))]
    trends = tuple(look.trend() for look in looks)
    raw = tuple(look.detected(trend) for look, trend in zip(looks, trends, strict=True))
    found = tuple(look.settled(its) for look, its in zip(looks, raw, strict=True))
    worst = _worst(accounts, found)
    plans = [look.plan(its) for look, its in zip(looks, found, strict=True)]
    also = _also_short(accounts, found, worst)
    plans[worst] = replace(plans[worst], left_out=(*plans[worst].left_out, *also))
    findings = in_order(finding for its in found for finding in its)
    return Judged(accounts, raw, findings, trends, tuple(plans), severity(findings), worst)


@dataclass(frozen=True, slots=True)
class _Look:
    """One filesystem under judgement; `place` is that of its study in the snapshot, 0 the Docker root's."""

    snapshot: Snapshot
    account: Account
    memory: Memory
    ruling: Ruling
    place: int

    @property
    def study(self) -> FilesystemStudy:
        return self.snapshot.studies[self.place]

    @property
    def mount(self) -> str:
        """As findings and plans name it: "" for the Docker root's."""
        return self.study.filesystem.mount.mountpoint if self.place else ""

    def trend(self) -> TrendView:
        if not self.place:
            return self.memory.trend
        return self.memory.trend_of(self.study, self.snapshot.ended_at, self.ruling.settings.thresholds)

    def detected(self, trend: TrendView) -> tuple[Finding, ...]:
        """As this run alone sees it."""
        limits = self.ruling.settings.thresholds
        return detect(FindingContext(self.snapshot, self.study, self.account.ledger, self.account.books, trend, limits))

    def settled(self, raw: tuple[Finding, ...]) -> tuple[Finding, ...]:
        """As it stands over several runs."""
        journal = self.memory.journal_of(self.study, of_root=not self.place)
        limits, now = self.ruling.settings.thresholds, self.snapshot.ended_at
        return settle(raw, journal, _used_percent(self.account), now, limits, self.mount)

    def plan(self, findings: tuple[Finding, ...]) -> Plan:
        made = build_plan(
            self.snapshot,
            self.account.ledger,
            self.account.books,
            findings,
            self.ruling.settings.keep,
            self.ruling.last_used,
            self.snapshot.ended_at,
            until_percent=self.ruling.until_percent,
        )
        return replace(made, mount=self.mount)


def _worst(accounts: tuple[Account, ...], found: tuple[tuple[Finding, ...], ...]) -> int:
    """The filesystem with the gravest finding; of equal ones the fuller; the Docker root's where nothing presses."""
    graver = [place for place in range(1, len(found)) if severity(found[place]) >= Severity.P2]
    return max([0, *graver], key=lambda place: (severity(found[place]), _used_percent(accounts[place]) or 0, -place))


def _also_short(accounts: tuple[Account, ...], found: tuple[tuple[Finding, ...], ...], worst: int) -> list[str]:
    """Filesystems that are short as well, and that the plan of the worst does not free."""
    return [
        f"{its.ledger.filesystem.mount.mountpoint} is short as well ({severity(found[place]).name}): this plan frees "
        f"{accounts[worst].ledger.filesystem.mount.mountpoint}, and another plan is for that one."
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
    told = _verdicts(snapshot, judged, settings)
    return Report(
        tool_version=tool_version(),
        host=snapshot.host,
        taken_at=snapshot.began_at,
        took_s=(snapshot.ended_at - snapshot.began_at).total_seconds(),
        severity=judged.severity,
        exit_status=exit_status(snapshot, judged.severity),
        verdict=told[0],
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
        other_trends=judged.trends[1:],
        other_identities=tuple(study.identity for study in snapshot.studies[1:]),
        other_plans=tuple(plan for plan in judged.plans if plan is not judged.plan),
        verdict_otherwise=told[1],
    )


def _verdicts(snapshot: Snapshot, judged: Judged, settings: Settings) -> tuple[str, str]:
    """Of the filesystem that leads: its ledger, and the findings that are about it. In the units of the settings, then
    in the other ones: where one is a letter longer, fewer words may fit."""
    if not judged.accounts:
        unread = "The disk could not be read; see Coverage"
        return unread, unread
    study, leading, limits = snapshot.studies[judged.worst], judged.accounts[judged.worst], settings.thresholds
    said_once = f" (on {judged.plan.mount})"
    mine = tuple(
        replace(finding, claim=finding.claim.replace(said_once, ""))
        for finding in judged.findings
        if finding.mount == judged.plan.mount
    )
    resource = short_of(mine)
    case = Case(
        mount=study.filesystem.mount.mountpoint,
        of_root=judged.worst == 0,
        space=study.filesystem.space,
        ranking=rank(study, leading.ledger, leading.books, judged.trends[judged.worst], resource),
        findings=mine,
        plan=judged.plan,
        severity=judged.severity,
        calm_percent=_calm_percent(judged.plan, resource, limits),
        cut=_cut_short(study),
        stands_in=judged.worst == 0 and snapshot.assumed and isinstance(snapshot.docker_root, Unavailable),
        undecided=_undecided(snapshot),
        si=settings.si,
    )
    return verdict(case), verdict(replace(case, si=not case.si))


def _calm_percent(plan: Plan, resource: Resource, limits: Thresholds) -> int:
    """Below so much of what is short nothing presses, or the target is reached that the plan was made for."""
    if resource is Resource.INODES:
        return limits.inodes_p1_percent
    return limits.p2_percent if plan.target is None else int(plan.target.percent) + 1


def _cut_short(study: FilesystemStudy) -> CutShort | None:
    """How far the walk came that ran out of time; None where it was whole, or where nothing is counted."""
    if isinstance(study.occupancy, Unavailable) or study.occupancy.value.inodes_read is None:
        return None
    if not any(gap.why is Why.TIMED_OUT for gap in study.occupancy.value.unread):
        return None
    space = study.filesystem.space
    used = space.value.inodes - space.value.inodes_free if isinstance(space, Exact) and space.value.inodes else None
    return CutShort(study.occupancy.value.inodes_read, used)


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
