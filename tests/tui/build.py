"""Small factories: a whole `Report` from a handful of numbers, so that a test states only what it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from collectors.ledger.charge import NO_FIXED_NUMBER
from collectors.model import Owner, OwnerKind
from collectors.model.engine import Engine, Flavour, ImageStore
from collectors.model.filesystem import Filesystem
from collectors.model.ledger import Category, Item, Ledger, Row, Thing
from collectors.model.plan import Finding, Plan, Severity
from collectors.model.reading import Exact, Origin, Reading, Size, Unavailable, Why, floor
from collectors.model.report import Report, TrendView
from collectors.model.settings import DEFAULTS
from collectors.model.snapshot import Outcome, SourceReport
from tests import world

GIB = 1024**3
NOW = datetime(2025, 11, 23, 3, 12, 47, tzinfo=UTC)
HERE = Origin("test", "made by hand", NOW, 0.01)
NO_PLAN = Plan((), (), ())
NO_TREND = TrendView(0, None, (), (), (), (), "no earlier run", 0)


def gib(amount: float) -> int:
    """Bytes of `amount` GiB, on a whole 4 KiB block."""
    return round(amount * GIB / 4096) * 4096


def exact(count: int) -> Exact[int]:
    return Exact(count, HERE)


def missing(why: Why = Why.NOT_PERMITTED, detail: str = "needs root") -> Unavailable:
    return Unavailable(why, detail, HERE)


def a_filesystem(total: int, used: int, *, reserved: int = 0, fstype: str = "btrfs") -> Filesystem:
    return world.a_filesystem(total, used, HERE, mountpoint="/var/lib/docker", fstype=fstype, reserved=reserved)


def a_row(category: Category, charged: Size, reclaimable: int | Size = 0, reason: str = "") -> Row:
    freed: Size = exact(reclaimable) if isinstance(reclaimable, int) else reclaimable
    return Row(category, charged, missing(Why.NOT_APPLICABLE, NO_FIXED_NUMBER), charged, freed, "walk", reason)


KINDS = {
    Category.IMAGES: OwnerKind.IMAGE,
    Category.CONTAINERS: OwnerKind.CONTAINER,
    Category.LOGS: OwnerKind.LOG,
    Category.VOLUMES: OwnerKind.VOLUME,
    Category.BUILD_CACHE: OwnerKind.BUILD,
    Category.ORPHANS: OwnerKind.ORPHAN,
    Category.DOCKER_OTHER: OwnerKind.LEFTOVER,
    Category.SNAPSHOTS: OwnerKind.SNAPSHOT,
    Category.DELETED_PENDING: OwnerKind.DELETED,
    Category.DELETED_OPEN: OwnerKind.OPEN,
}


def an_item(
    category: Category,
    name: str,
    referenced: int | Size,
    exclusive: int | Size | None = None,
    *,
    state: str = "unused",
    reclaimable: int | None = None,
    days_old: float | None = 3.0,
    owner: str = "",
    proof: Sequence[str] = (),
    note: str = "",
) -> Item:
    whole: Size = exact(referenced) if isinstance(referenced, int) else referenced
    own: Size = whole if exclusive is None else exact(exclusive) if isinstance(exclusive, int) else exclusive
    freed: Size = own if reclaimable is None else exact(reclaimable)
    born = None if days_old is None else NOW - timedelta(days=days_old)
    return Item(
        id=name,
        owner_id=Owner(KINDS.get(category, OwnerKind.PATH), name),
        category=category,
        name=name,
        referenced=whole,
        exclusive=own,
        inodes=missing(Why.NOT_APPLICABLE, NO_FIXED_NUMBER),
        apparent=whole,
        reclaimable=freed,
        owner=owner,
        state=state,
        created_at=born,
        last_used_at=None,
        proof=tuple(proof),
        note=note,
        inside=(),
    )


def a_ledger(
    filesystem: Filesystem, rows: Mapping[Category, Row], items: Mapping[Category, Sequence[Item]], note: str = ""
) -> Ledger:
    """Every category in order; one that is not named is an exact zero."""
    full = tuple(rows.get(category, a_row(category, exact(0))) for category in Category)
    held = {category: tuple(items.get(category, ())) for category in Category}
    things = tuple(
        Thing(item.owner_id, item.category, item.name, floor(item.exclusive))
        for listed in held.values()
        for item in listed
    )
    return Ledger(filesystem, full, held, things, note)


def a_finding(rule: str, severity: Severity, claim: str, count: int | None = None, **more: object) -> Finding:
    return Finding(
        rule=rule,
        severity=severity,
        claim=claim,
        bytes=None if count is None else exact(count),
        evidence=tuple(more.get("evidence", ())),  # type: ignore[arg-type]
        remedy=str(more.get("remedy", "look at it")),
        owners=tuple(more.get("owners", ())),  # type: ignore[arg-type]
        certain=bool(more.get("certain", True)),
    )


def an_engine(driver: str = "btrfs") -> Exact[Engine]:
    engine = Engine(
        "ABCD",
        "docker-prod-07",
        Flavour.DOCKER,
        "26.1.5",
        "1.45",
        driver,
        (),
        ImageStore.GRAPH_DRIVER,
        "/var/lib/docker",
        "json-file",
        (),
    )
    return Exact(engine, HERE)


def a_report(
    ledger: Ledger | None,
    *,
    severity: Severity = Severity.OK,
    findings: Sequence[Finding] = (),
    plan: Plan = NO_PLAN,
    trend: TrendView = NO_TREND,
    engine: Reading[Engine] | None = None,
    explained: Reading[float] | None = None,
    at: datetime = NOW,
    host: str = "docker-prod-07",
    coverage: Sequence[SourceReport] | None = None,
    verdict: str = "fabricated for a test",
    verdict_otherwise: str = "",
) -> Report:
    return Report(
        bills=(),
        tool_version="0.1.0",
        host=host,
        taken_at=at,
        took_s=2.8,
        severity=severity,
        exit_status=0 if severity <= Severity.P3 else 2,
        verdict=verdict,
        docker_root=Exact("/var/lib/docker", HERE),
        engine=an_engine() if engine is None else engine,
        explained_percent=Exact(99.9, HERE) if explained is None else explained,
        ledger=ledger,
        other_ledgers=(),
        filesystem_facts=None,
        findings=tuple(findings),
        trend=trend,
        plan=plan,
        coverage=tuple(coverage) if coverage is not None else read_sources(12),
        settings=DEFAULTS,
        verdict_otherwise=verdict_otherwise,
    )


def read_sources(count: int) -> tuple[SourceReport, ...]:
    return tuple(SourceReport(f"source.{number}", Outcome.READ, "", 0.1) for number in range(count))
