"""Snapshot → Ledger: each physical byte charged once, and what each set of things would free. Pure.

The ledger of one filesystem is thirteen rows that sum to `used`, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from collectors.ledger.charge import Charges, charge, hidden_parents, inodes_by_category, used_inodes, without_parents
from collectors.ledger.inside import things
from collectors.ledger.item_builder import desk, removable
from collectors.ledger.items import items as make_items
from collectors.ledger.release_table import figures, freed_beside, keep_books
from collectors.ledger.unlisted import (
    INSIDE,
    behind_a_closed_root,
    beyond_the_bind,
    either_way,
    nameless,
    without_a_walk,
)
from collectors.ledger.unlisted import METHOD as CLAIMED
from collectors.model import Owner, OwnerKind, dataclass
from collectors.model.filesystem import Occupancy
from collectors.model.ledger import Books, Category, Item, Ledger, Row
from collectors.model.reading import (
    AtLeast,
    Between,
    Exact,
    Origin,
    Reading,
    Size,
    Unavailable,
    Why,
    charged,
    floor,
    total,
)
from collectors.model.snapshot import FilesystemStudy, Snapshot
from collectors.model.store import UnitKind

_REMOVED_BY = {
    Category.IMAGES: OwnerKind.IMAGE,
    Category.CONTAINERS: OwnerKind.CONTAINER,
    Category.VOLUMES: OwnerKind.VOLUME,
    Category.BUILD_CACHE: OwnerKind.BUILD,
}
_KINDS = {
    Category.ORPHANS: OwnerKind.ORPHAN,
    Category.DOCKER_OTHER: OwnerKind.LEFTOVER,
    Category.LOGS: OwnerKind.LOG,
    Category.SNAPSHOTS: OwnerKind.SNAPSHOT,
    Category.DELETED_PENDING: OwnerKind.DELETED,
}


@dataclass(frozen=True, slots=True)
class Account:
    """The ledger of a filesystem with the books behind it."""

    ledger: Ledger
    books: Books


def account(snapshot: Snapshot, study: FilesystemStudy) -> Account:
    """Close the books of one filesystem.

    `unattributed` is what is left of statfs `used`; it may be negative where the parts were measured while files moved,
    or where only the engine's claims are known: the sum still holds.
    """
    study = replace(study, units=without_parents(study.units, hidden_parents(snapshot)))
    origin = Origin("accounting", f"ledger of {study.filesystem.mount.mountpoint}", snapshot.ended_at, 0.0)
    occupancy = study.occupancy.value if isinstance(study.occupancy, Exact) else None
    books = keep_books(study.units, occupancy.shares, occupancy.unread, origin) if occupancy else _no_books(study)
    space = study.filesystem.space
    inodes_used = used_inodes(space, origin)
    known = figures(study.units, occupancy, books if occupancy else None, inodes_used, origin)
    items = make_items(desk(snapshot, study, known, origin))
    used: Size = Exact(space.value.used_bytes, space.origin) if isinstance(space, Exact) else space

    charges = charge(study.units, occupancy, origin) if occupancy is not None else Charges({}, {}, {})
    sizes, method = _sizes(snapshot, study, occupancy, charges, used, origin)
    sizes[Category.METADATA] = study.own
    if not _seen_by_the_trees(study):
        sizes[Category.DELETED_OPEN] = _open_deleted(study, origin)
    sizes.pop(Category.UNATTRIBUTED, None)
    sizes[Category.DELETED_OPEN] = _bounded(sizes, used, origin)
    sizes[Category.BUILD_CACHE] = _told_apart(snapshot, sizes[Category.BUILD_CACHE], origin)
    inodes = inodes_by_category(study, sizes, charges.inodes, inodes_used, origin)
    rows = [
        _row(
            category,
            sizes[category],
            inodes[category],
            charges.apparent.get(category),
            method,
            _reclaimable(category, snapshot, study, books, items, sizes[category], origin),
            origin,
        )
        for category in Category
        if category is not Category.UNATTRIBUTED
    ]
    rows.append(_unattributed(rows, used, inodes[Category.UNATTRIBUTED], origin))
    note = "" if occupancy is None or not occupancy.age_s else f"figures measured {int(occupancy.age_s)} s ago"
    return Account(
        Ledger(study.filesystem, tuple(rows), items, things(study, items), note),
        books,
    )


def _sizes(
    snapshot: Snapshot,
    study: FilesystemStudy,
    occupancy: Occupancy | None,
    charges: Charges,
    used: Size,
    origin: Origin,
) -> tuple[dict[Category, Size], str]:
    if occupancy is None:
        unread = study.occupancy if isinstance(study.occupancy, Unavailable) else Unavailable(Why.DEFECT, "", origin)
        return {**dict.fromkeys(Category, unread), **without_a_walk(snapshot, study, used, origin)}, CLAIMED
    sizes: dict[Category, Size] = {**dict.fromkeys(Category, Exact(0, origin)), **charges.charged}
    if (gap := _store_gap(snapshot)) is not None:
        of_store = [category for category in Category if category is not Category.OTHER_FILES]
        sizes.update((category, total([sizes[category], gap], origin)) for category in of_store)
        sizes.update(behind_a_closed_root(snapshot, study, gap, used, origin))
    sizes.update(either_way(study, occupancy, sizes, origin))
    if (elsewhere := beyond_the_bind(study)) is not None:
        sizes[Category.OTHER_FILES] = total([sizes[Category.OTHER_FILES], elsewhere], origin)
    return sizes, occupancy.method


def _store_gap(snapshot: Snapshot) -> Unavailable | None:
    """Why Docker's directories could not be told apart, if they could not."""
    if isinstance(snapshot.store, Unavailable):
        return snapshot.store
    return snapshot.store.value.units if isinstance(snapshot.store.value.units, Unavailable) else None


def _row(
    category: Category,
    size: Size,
    inodes: Size,
    apparent: Size | None,
    method: str,
    reclaimable: Size,
    origin: Origin,
) -> Row:
    unknown = Unavailable(Why.NOT_APPLICABLE, "no files behind this category", origin)
    if isinstance(size, Between):
        method = size.method
    how = {Category.METADATA: "the filesystem's own figures", Category.DELETED_OPEN: "open descriptors"}.get(
        category, method
    )
    return Row(category, size, inodes, apparent if apparent is not None else unknown, reclaimable, how, _reason(size))


def _unattributed(rows: list[Row], used: Size, inodes: Size, origin: Origin) -> Row:
    parts = sum(charged(row.charged) for row in rows)
    nothing = Unavailable(Why.NOT_APPLICABLE, "what it belongs to is not known", origin)
    if isinstance(used, Unavailable):
        return Row(Category.UNATTRIBUTED, used, inodes, nothing, nothing, "used − all rows", used.detail)
    left = charged(used) - parts
    open_ended = [row.category.value for row in rows if not isinstance(row.charged, Exact) and not _elsewhere(row)]
    reason = ""
    if left < 0:
        reason = "more was counted than is used: files changed during the run, or estimates overlap"
    elif open_ended:
        reason = f"not measured whole: {', '.join(open_ended)}"
    return Row(Category.UNATTRIBUTED, Exact(left, origin), inodes, nothing, nothing, "used − all rows", reason)


def _elsewhere(row: Row) -> bool:
    """Is there no such thing here, so that nothing of it is missing?"""
    return isinstance(row.charged, Unavailable) and row.charged.why is Why.NOT_APPLICABLE


def _reclaimable(
    category: Category,
    snapshot: Snapshot,
    study: FilesystemStudy,
    books: Books,
    items: Mapping[Category, tuple[Item, ...]],
    charged_size: Size,
    origin: Origin,
) -> Size:
    """What removing everything of the category that can go would free, shared extents counted as sets."""
    if category is Category.DELETED_OPEN:
        seen_all = isinstance(charged_size, Exact)
        return total([*(i.exclusive for i in items.get(category, ())), *(() if seen_all else _unseen(study))], origin)
    gap = _gap(category, snapshot, study, books)
    if gap is not None:
        return gap
    if category not in _REMOVED_BY and category not in _KINDS:
        return Exact(0, origin)
    owners = _owners(category, snapshot, books)
    if owners is None:
        return Unavailable(Why.NOT_REACHABLE, "it is not known what is in use", origin)
    # With BuildKit each layer of an image is in the build cache too: alone, neither of the two would free anything.
    beside = (
        removable(snapshot).get(OwnerKind.BUILD, frozenset()) if category is Category.IMAGES else frozenset[Owner]()
    )
    freed = Exact(freed_beside(books, owners, beside), origin)
    return AtLeast(freed.value, (books.unread,), origin) if isinstance(books.unread, Unavailable) else freed


def _unseen(study: FilesystemStudy) -> tuple[Unavailable, ...]:
    """Why some deleted files that are held open may be missing."""
    return study.open_deleted.value.unread if isinstance(study.open_deleted, Exact) else (study.open_deleted,)


def _gap(category: Category, snapshot: Snapshot, study: FilesystemStudy, books: Books) -> Unavailable | None:
    """Why it cannot be known what of a category can go; None where it can."""
    unnamed = nameless(study)
    if category is Category.SNAPSHOTS and unnamed is not None:
        return unnamed
    if isinstance(books.unread, Unavailable) and not books.releases:
        return books.unread
    return _store_gap(snapshot) if category in INSIDE else None


def _owners(category: Category, snapshot: Snapshot, books: Books) -> frozenset[Owner] | None:
    """Everything of a category that can go; None where it is not known what is in use."""
    kind = _REMOVED_BY.get(category)
    if kind is not None:
        return removable(snapshot).get(kind)
    left = _KINDS.get(category)
    return frozenset(owner for release in books.releases for owner in release.owners if owner.kind is left)


def _seen_by_the_trees(study: FilesystemStudy) -> bool:
    """On btrfs the exact walk meets deleted files that are open; a scan of processes would count them again."""
    return isinstance(study.occupancy, Exact) and any(unit.kind is UnitKind.UNLINKED for unit in study.units)


def _open_deleted(study: FilesystemStudy, origin: Origin) -> Size:
    files = study.open_deleted
    if isinstance(files, Unavailable):
        return files
    found = sum(file.allocated_bytes for file in files.value.files)
    return AtLeast(found, files.value.unread, origin) if files.value.unread else Exact(found, origin)


def _told_apart(snapshot: Snapshot, build_cache: Size, origin: Origin) -> Size:
    """The build cache; no figure, rather than none, where the driver's store has no records of it."""
    store = snapshot.store
    where = store.value.driver_facts.build_cache if isinstance(store, Exact) else ""
    nothing = isinstance(build_cache, Exact) and not build_cache.value
    return Unavailable(Why.NOT_APPLICABLE, where, origin) if where and nothing else build_cache


def _bounded(sizes: Mapping[Category, Size], used: Size, origin: Origin) -> Size:
    """Deleted files that are open, some processes unread: these can hold no more than what nobody else does.

    Where something else is not measured whole there is no such bound.
    """
    held = sizes[Category.DELETED_OPEN]
    others = [size for category, size in sizes.items() if category is not Category.DELETED_OPEN]
    if not isinstance(held, AtLeast) or not isinstance(used, Exact):
        return held
    if not all(isinstance(size, Exact | Between) for size in others):
        return held
    most = max(held.low, used.value - sum(floor(size) for size in others))
    if most == held.low:
        return Exact(held.low, origin)
    why = "; ".join(dict.fromkeys(part.detail for part in held.missing))
    return Between(held.low, held.low, most, 1.0, f"no more than what nobody else holds ({why})", origin)


def _no_books(study: FilesystemStudy) -> Books:
    unread: Reading[None] = (
        study.occupancy if isinstance(study.occupancy, Unavailable) else Exact(None, study.occupancy.origin)
    )
    return Books((), unread)


def _reason(size: Size) -> str:
    match size:
        case Exact():
            return ""
        case Between(method=method):
            return f"estimate: {method}"
        case AtLeast(missing=missing):
            return "; ".join(dict.fromkeys(f"{part.why}: {part.detail}" for part in missing[:3]))
        case Unavailable(why=why, detail=detail):
            return f"{why}: {detail}"
