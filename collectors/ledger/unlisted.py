"""What no listing names: figures where the disk could not be read, and things that the engine does not know. Pure.

The engine's claims are logical bytes counted by its own rules. On disk they may be anything up to everything that is
used, so they enter the books as estimates with just these bounds, never as measurements; a gap never becomes a zero.

The engine does not load a container whose configuration is torn, lists no image of another client's, and learns of a
volume that somebody made by hand only at its next start. Their bytes lie in the row all the same: each is an item.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from collectors.ledger.charge import category_of, charge, first
from collectors.ledger.item_builder import Desk
from collectors.model import Owner, OwnerKind, UnitId
from collectors.model.engine import BuildRecord, EngineView
from collectors.model.filesystem import Occupancy, Share
from collectors.model.ledger import Category, Item
from collectors.model.reading import Between, Exact, Origin, Reading, Size, Unavailable, Why, ceiling, charged, total
from collectors.model.snapshot import FilesystemStudy, Snapshot
from collectors.model.store import Unit, UnitKind

METHOD = "the engine's own count of logical bytes"
T = TypeVar("T")


def claims(view: EngineView, used_bytes: int, origin: Origin) -> Mapping[Category, Size]:
    """Estimates for the categories that an engine knows of; Unavailable where it did not answer."""
    return {
        Category.IMAGES: _claim(view.layers_size, used_bytes, origin),
        Category.CONTAINERS: _claim(
            _sum(view.containers, lambda c: [one.writable for one in c], origin), used_bytes, origin
        ),
        Category.VOLUMES: _claim(_sum(view.volumes, lambda v: [one.size for one in v], origin), used_bytes, origin),
        Category.BUILD_CACHE: _claim(_sum(view.build_cache, _private, origin), used_bytes, origin),
    }


def _private(records: tuple[BuildRecord, ...]) -> list[Size]:
    return [record.size for record in records if not record.shared]


def _sum(listing: Reading[tuple[T, ...]], sizes: Callable[[tuple[T, ...]], Iterable[Size]], origin: Origin) -> Size:
    return total(sizes(listing.value), origin) if isinstance(listing, Exact) else listing


def _claim(claimed: Size, used_bytes: int, origin: Origin) -> Size:
    if isinstance(claimed, Unavailable):
        return claimed
    best = charged(claimed)
    if ceiling(claimed) == 0:
        return Exact(0, origin)
    return Between(best, 0, max(best, used_bytes), 1.0, METHOD, origin)


# What only the Docker root tells: nothing of it was seen, so not even a floor is known.
INSIDE = (Category.LOGS, Category.ORPHANS, Category.DOCKER_OTHER)
_EITHER_WAY = "it cannot be told which subvolumes are snapshots without CAP_SYS_ADMIN"


def without_a_walk(snapshot: Snapshot, study: FilesystemStudy, used: Size, origin: Origin) -> dict[Category, Size]:
    """The engine's claims if it runs here, logs that were measured file by file, and what this filesystem never has."""
    sizes: dict[Category, Size] = {}
    local = not (isinstance(snapshot.engine.local, Exact) and not snapshot.engine.local.value)
    if local and charged(used):
        sizes.update(claims(snapshot.engine, charged(used), origin))
    if isinstance(snapshot.logs, Exact):
        sizes[Category.LOGS] = Exact(sum(log.allocated_bytes for log in snapshot.logs.value), origin)
    if isinstance(study.snapshots, Exact) and not study.snapshots.value:
        sizes[Category.SNAPSHOTS] = sizes[Category.DELETED_PENDING] = Exact(0, origin)
    return sizes


def behind_a_closed_root(
    snapshot: Snapshot, study: FilesystemStudy, gap: Unavailable, used: Size, origin: Origin
) -> dict[Category, Size]:
    """The same beside a walk that did not enter the Docker root; nothing where it did: its bytes were counted."""
    if gap.why not in (Why.NOT_PERMITTED, Why.NOT_REACHABLE):
        return {}
    return {**dict.fromkeys(INSIDE, gap), **without_a_walk(snapshot, study, used, origin)}


def beyond_the_bind(study: FilesystemStudy) -> Unavailable | None:
    """Why other files are more than a walk by name met: a bind of one directory shows no other."""
    mount = study.filesystem.mount
    if study.beyond_mount or mount.root == "/":
        return None
    detail = f"only {mount.root} of this filesystem is mounted here: what lies elsewhere on it is not seen"
    return Unavailable(Why.NOT_REACHABLE, detail, study.occupancy.origin)


def either_way(
    study: FilesystemStudy, occupancy: Occupancy, found: Mapping[Category, Size], origin: Origin
) -> dict[Category, Size]:
    """Bounds of snapshots and other files where the subvolumes could not be listed: each may be a snapshot."""
    if nameless(study) is None:
        return {}
    units = tuple(
        replace(unit, kind=UnitKind.SNAPSHOT) if unit.kind is UnitKind.SUBVOLUME else unit for unit in study.units
    )
    otherwise = charge(units, occupancy, origin).charged
    nothing = Exact(0, origin)
    sizes: dict[Category, Size] = {}
    for category in (Category.SNAPSHOTS, Category.OTHER_FILES):
        here, there = found.get(category, nothing), otherwise.get(category, nothing)
        if isinstance(here, Exact) and here != there:
            low, high = sorted((here.value, charged(there)))
            sizes[category] = Between(here.value, low, high, 1.0, _EITHER_WAY, origin)
    return sizes


def nameless(study: FilesystemStudy) -> Unavailable | None:
    """Why it is not known which subvolumes are snapshots; None where it is, or there are no others than Docker's."""
    if not isinstance(study.snapshots, Unavailable):
        return None
    return study.snapshots if any(unit.kind is UnitKind.SUBVOLUME for unit in study.units) else None


NOT_KNOWN = "on disk, not known to the engine"
NOT_LISTED = "unknown"  # the engine was not asked, or did not answer
REST = "everything else"

_UNCERTAIN = Why.NOT_APPLICABLE, "the engine does not know it: whether it is needed, a person has to find out"


class Coverage:
    """Which shares of a filesystem the items of their own category hold."""

    def __init__(self, units: Iterable[Unit], items: Mapping[Category, Iterable[Item]]) -> None:
        self.units = {unit.id: unit for unit in units}
        self._owners = {category: frozenset(i.owner_id for i in listed) for category, listed in items.items()}
        self._ids = {category: frozenset(i.id for i in listed) for category, listed in items.items()}

    def category(self, share: Share) -> Category:
        """The one that is charged."""
        units = (self.units.get(holder) for holder in share.holders)
        return first(Category.OTHER_FILES if unit is None else category_of(unit) for unit in units)

    def holds(self, share: Share) -> bool:
        """Does an item of the category that is charged hold these bytes?"""
        category = self.category(share)
        owners, ids = self._owners.get(category, frozenset()), self._ids.get(category, frozenset())
        if category is Category.DELETED_OPEN:
            return bool(ids)  # files by their processes, which the trees of a btrfs do not tell apart
        return any({holder, self._called(holder)} & ids or self._owned(holder) & owners for holder in share.holders)

    def _called(self, holder: UnitId) -> str:
        """What its item is called: the top level of a btrfs has no path."""
        unit = self.units.get(holder)
        return holder if unit is None else unit.path or unit.name

    def _owned(self, holder: UnitId) -> frozenset[Owner]:
        unit = self.units.get(holder)
        return frozenset() if unit is None else unit.owners


def stored_images(desk: Desk) -> Iterator[Item]:
    """The images of the store, where no engine lists any: whether one is used only some stores know themselves."""
    known = desk.snapshot.stored_images
    for stored in known.value if isinstance(known, Exact) else ():
        name = stored.tags[0] if stored.tags else stored.id.removeprefix("sha256:")[:12]
        free = None if stored.users is None else not stored.users
        state = NOT_LISTED if free is None else "unused" if free else "in use"
        owner, users = Owner(OwnerKind.IMAGE, stored.id), ", ".join(stored.users or ())
        yield desk.item(owner, Category.IMAGES, name, state=state, free=free, owner=users)


def unlisted(desk: Desk, items: Mapping[Category, Iterable[Item]]) -> Iterator[Item]:
    """One item for each owner, or unit without owners, that holds bytes of a row and is in none of its `items`."""
    occupancy = desk.study.occupancy
    if not isinstance(occupancy, Exact):
        return
    coverage = Coverage(desk.study.units, items)
    units, rest = _uncovered(occupancy.value.shares, coverage)
    for category, found in units.items():
        yield from _items(desk, category, [coverage.units[one] for one in found])
    if rest and not occupancy.value.largest_others:
        yield _rest(desk, rest)


def _uncovered(shares: Iterable[Share], coverage: Coverage) -> tuple[Mapping[Category, Iterable[UnitId]], int]:
    """The units that hold what no item holds, by category, each once; and the bytes that no unit holds either."""
    holders: defaultdict[Category, dict[UnitId, None]] = defaultdict(dict)
    rest = 0
    for share in shares:
        if not share.bytes or coverage.holds(share):
            continue
        category = coverage.category(share)
        mine = [h for h in sorted(share.holders) if (u := coverage.units.get(h)) and category_of(u) is category]
        holders[category].update(dict.fromkeys(mine))
        rest += 0 if mine else share.bytes
    return holders, rest


def _items(desk: Desk, category: Category, units: Iterable[Unit]) -> Iterator[Item]:
    owned: defaultdict[Owner, list[Unit]] = defaultdict(list)
    for unit in units:
        # A lease says who wants it kept, not what it is.
        named = [owner for owner in unit.owners if owner.kind is not OwnerKind.LEASE]
        for owner in named or (Owner(OwnerKind.UNIT, unit.id),):
            owned[owner].append(unit)
    for owner, mine in owned.items():
        yield _item(desk, category, owner, mine)


def _item(desk: Desk, category: Category, owner: Owner, units: list[Unit]) -> Item:
    state, path = _state(desk, owner), min((u.path for u in units), key=len)
    alone = owner.kind is OwnerKind.UNIT
    name = desk.name_on_disk(owner) or (f"{units[0].kind} {units[0].name}" if alone else _short(owner))
    if alone:
        usage = _usage(desk, units[0])
        item = desk.item(owner, category, name, state=state, free=None, owner=path)
        item = replace(item, id=units[0].id, referenced=usage, exclusive=usage)
    else:
        own_only = category is Category.CONTAINERS
        item = desk.item(owner, category, name, state=state, free=None, owner=path, own_only=own_only)
    created = min((u.created_at for u in units if u.created_at is not None), default=None)
    return replace(item, created_at=created, reclaimable=Unavailable(*_UNCERTAIN, desk.origin))


def _short(owner: Owner) -> str:
    """As the engine prints what has only an id."""
    plain = owner.kind not in (OwnerKind.CONTAINER, OwnerKind.LOG, OwnerKind.IMAGE)
    return owner.id if plain else owner.id.removeprefix("sha256:")[:12]


def _usage(desk: Desk, unit: Unit) -> Size:
    occupancy = desk.study.occupancy
    usage = occupancy.value.usages.get(unit.id) if isinstance(occupancy, Exact) else None
    return desk.figures.absent if usage is None else usage.allocated


def _state(desk: Desk, owner: Owner) -> str:
    """Not known is only what the engine was asked for, and left out."""
    view = desk.snapshot.engine
    listings: Mapping[OwnerKind, Reading[object]] = {
        OwnerKind.IMAGE: view.images,
        OwnerKind.CONTAINER: view.containers,
        OwnerKind.LOG: view.containers,
        OwnerKind.VOLUME: view.volumes,
        OwnerKind.BUILD: view.build_cache,
    }
    return NOT_KNOWN if isinstance(listings.get(owner.kind, view.containers), Exact) else NOT_LISTED


def _rest(desk: Desk, count: int) -> Item:
    """What lies in no directory that was looked at by itself."""
    size = total([Exact(count, desk.origin)], desk.origin)
    mountpoint = desk.study.filesystem.mount.mountpoint
    owner = Owner(OwnerKind.PATH, mountpoint)
    why = Unavailable(Why.NOT_APPLICABLE, "not Docker's: whether it is needed is not known here", desk.origin)
    item = desk.item(owner, Category.OTHER_FILES, REST, state=REST, free=None, owner=mountpoint)
    return replace(item, id=f"{mountpoint}/*", referenced=size, exclusive=size, reclaimable=why)


# What is told of by owner, not by directory: an image of another client is many of them.
IN_GROUPS = frozenset({OwnerKind.STORE, OwnerKind.CONTAINERD, OwnerKind.LEASE})
LEASED = "held by a containerd lease that ends"
ANOTHER_CLIENTS = {thing: f"another client's {thing}" for thing in ("image", "container", "snapshot")}
_STATES = {OwnerKind.LEASE: "held by a containerd lease"}


def grouped(desk: Desk) -> Iterable[Item]:
    """Things in the stores of others, and in containerd's other namespaces."""
    store = desk.snapshot.store
    ends = store.value.leases if isinstance(store, Exact) else {}
    for owner, unit in _groups(desk.study.units).items():
        place, _, name = owner.id.rpartition(": ") if owner.kind is OwnerKind.STORE else ("", "", owner.id)
        state = LEASED if owner.id in ends else _STATES.get(owner.kind, unit.kind.value)
        if owner.kind is OwnerKind.CONTAINERD:
            state = ANOTHER_CLIENTS.get(name.partition("/")[2].partition(" ")[0], ANOTHER_CLIENTS["image"])
        yield desk.item(owner, category_of(unit), name, state=state, free=None, owner=place or unit.path)


def _groups(units: Iterable[Unit]) -> Mapping[Owner, Unit]:
    """The owners that stand for many directories, each with the first of them."""
    found: dict[Owner, Unit] = {}
    for unit in units:
        if category_of(unit) in (Category.DOCKER_OTHER, Category.OTHER_FILES):
            for owner in (one for one in unit.owners if one.kind in IN_GROUPS):
                found.setdefault(owner, unit)
    return found
