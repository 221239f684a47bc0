"""A report in the journal's terms: one record of figures. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from collectors.accounting.use import uses
from collectors.history.attribution import repository_of
from collectors.history.record import Action, Noted, Record
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category, Item, Ledger
from collectors.model.owner import Owner, OwnerKind
from collectors.model.reading import Exact, Size, Unavailable
from collectors.model.report import Report
from collectors.model.snapshot import Snapshot
from collectors.model.sums import charged


def record_of(
    report: Report,
    raw: tuple[Finding, ...],
    snapshot: Snapshot,
    boot: tuple[str | None, float | None],
    actions: tuple[Action, ...] = (),
) -> Record:
    """`raw` are the findings as this run alone sees them; the report's are what stands."""
    ledger = report.ledger
    space = ledger.filesystem.space if ledger else None
    figures = space.value if isinstance(space, Exact) else None
    return Record(
        at=report.taken_at,
        boot_id=boot[0],
        uptime_s=boot[1],
        filesystem=_filesystem(report),
        total_bytes=figures.total_bytes if figures else None,
        used_bytes=figures.used_bytes if figures else None,
        available_bytes=figures.available_bytes if figures else None,
        severity=report.severity,
        categories={row.category.value: _count(row.charged) for row in ledger.rows} if ledger else {},
        allocation=report.filesystem_facts.value.allocation if isinstance(report.filesystem_facts, Exact) else None,
        owners=_owners(ledger) if ledger else None,
        tags=_tags(snapshot),
        dangling=_dangling(report),
        orphans=frozenset(item.name for item in ledger.items.get(Category.ORPHANS, ())) if ledger else None,
        findings=_noted(report.findings, raw),
        actions=actions,
        in_use=_in_use(snapshot),
    )


def _filesystem(report: Report) -> str | None:
    if isinstance(report.filesystem_facts, Exact):
        return report.filesystem_facts.value.identity
    if report.ledger is None or isinstance(report.ledger.filesystem.space, Unavailable):
        return None
    mount, space = report.ledger.filesystem.mount, report.ledger.filesystem.space.value
    return f"{mount.fstype}:{space.fsid:x}" if space.fsid else f"{mount.fstype}:{mount.source} {mount.mountpoint}"


def _owners(ledger: Ledger) -> Mapping[str, int]:
    """Bytes per repository, container, log and volume, by name: names outlive ids when something is recreated."""
    sizes: defaultdict[str, int] = defaultdict(int)
    for category, kind in (
        (Category.CONTAINERS, OwnerKind.CONTAINER),
        (Category.LOGS, OwnerKind.LOG),
        (Category.VOLUMES, OwnerKind.VOLUME),
        (Category.IMAGES, OwnerKind.IMAGE),
    ):
        for item in ledger.items.get(category, ()):
            count = _count(item.exclusive if category is Category.IMAGES else item.referenced)
            name = _name(item, category)
            if count is not None and name:
                sizes[Owner(kind, name).text()] += count
    return dict(sizes)


def _name(item: Item, category: Category) -> str:
    if category is not Category.IMAGES:
        return item.name
    return repository_of(item.name) if item.state != "dangling" else ""


def _tags(snapshot: Snapshot) -> Mapping[str, str] | None:
    images = snapshot.engine.images
    if isinstance(images, Unavailable):
        return None
    return {tag: image.id for image in images.value for tag in image.tags}


def _in_use(snapshot: Snapshot) -> frozenset[str] | None:
    use = uses(snapshot.engine)
    return frozenset(use.containers_of_image) if use.known else None


def _dangling(report: Report) -> Mapping[str, int] | None:
    if report.trend.runs == 0 and not report.trend.churn:
        return None
    return {
        one.repository: charged(one.dangling_bytes)
        for one in report.trend.churn
        if not isinstance(one.dangling_bytes, Unavailable)
    }


def _noted(shown: tuple[Finding, ...], raw: tuple[Finding, ...]) -> tuple[Noted, ...]:
    stands = {finding.rule: finding.severity for finding in shown}
    seen = {finding.rule: finding for finding in raw}
    return tuple(
        Noted(
            rule=rule,
            severity=stands.get(rule, Severity.OK),
            raw=seen[rule].severity if rule in seen else Severity.OK,
            bytes=_count(size) if rule in seen and (size := seen[rule].bytes) is not None else None,
        )
        for rule in dict.fromkeys([*seen, *stands])
    )


def _count(size: Size) -> int | None:
    return None if isinstance(size, Unavailable) else charged(size)
