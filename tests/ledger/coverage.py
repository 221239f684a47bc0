"""The law of the items: in every category they hold every byte of the row, each byte once. Worked out by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from collectors.engine.endpoint import Endpoint
from collectors.inventory import Request, assemble
from collectors.ledger.charge import category_of, first, hidden_parents, without_parents
from collectors.model.ledger import Category, Ledger
from collectors.model.reading import Exact, charged
from collectors.model.snapshot import FilesystemStudy
from collectors.pipeline.judge import close_books
from collectors.system.deadline import this_host


def in_no_item(study: FilesystemStudy, ledger: Ledger) -> Mapping[Category, int]:
    """Bytes of each category that none of its items holds; nothing of it where the law holds."""
    occupancy = study.occupancy
    assert isinstance(occupancy, Exact)
    units = {unit.id: unit for unit in study.units}
    left: Counter[Category] = Counter()
    host = 0
    for share in occupancy.value.shares:
        holders = [units[holder] for holder in share.holders if holder in units]
        category = first(
            [category_of(u) for u in holders] + [Category.OTHER_FILES] * (len(share.holders) > len(holders))
        )
        names = {owner for unit in holders for owner in unit.owners}
        called = {unit.path or unit.name for unit in holders}  # the top level of a btrfs has no path
        listed = ledger.items.get(category, ())
        if category is Category.OTHER_FILES and all(category_of(unit) is not category for unit in holders):
            host += share.bytes
        elif category is Category.DELETED_OPEN and listed:
            continue
        elif not any(item.owner_id in names or item.id in (share.holders | called) for item in listed):
            left[category] += share.bytes
    rest = [i for i in ledger.items.get(Category.OTHER_FILES, ()) if i.state in ("host files", "everything else")]
    missing = host - sum(charged(item.referenced) for item in rest)
    if missing > 0:
        left[Category.OTHER_FILES] += missing
    return {category: count for category, count in left.items() if count}


def of_engine(socket: str) -> Mapping[str, Mapping[Category, int]]:
    """The same of every filesystem of a real engine, by mountpoint; nothing of those where the law holds."""
    snapshot = assemble(Request(Endpoint(socket, "test", False, None, ""), this_host(), 60.0, 3600.0))
    left: dict[str, Mapping[Category, int]] = {}
    for account, study in zip(close_books(snapshot), snapshot.studies, strict=True):
        # An unlisted parent of a legacy build goes by the images that stand on it.
        settled = replace(study, units=without_parents(study.units, hidden_parents(snapshot)))
        if found := in_no_item(settled, account.ledger):
            left[study.filesystem.mount.mountpoint] = found
    return left
