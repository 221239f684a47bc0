"""Things on the disk that no listing names, as items: with them, the items of a category hold every byte of its row.

The engine does not load a container whose configuration is torn, lists no image of another client's, and learns of a
volume that somebody made by hand only at its next start. Their bytes lie in the row all the same. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from collectors.ledger.charge import category_of, first
from collectors.ledger.item_builder import Desk
from collectors.model.filesystem import Share
from collectors.model.ledger import Category, Item
from collectors.model.owner import Owner, OwnerKind, UnitId
from collectors.model.reading import Exact, Reading, Size, Unavailable, Why, total
from collectors.model.store import Unit

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
    store = desk.snapshot.store
    for stored in (
        store.value.images.value if isinstance(store, Exact) and isinstance(store.value.images, Exact) else ()
    ):
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
    holders: defaultdict[Category, dict[UnitId, None]] = defaultdict(dict)
    rest = 0
    for share in occupancy.value.shares:
        if not share.bytes or coverage.holds(share):
            continue
        category = coverage.category(share)
        mine = [h for h in sorted(share.holders) if (u := coverage.units.get(h)) and category_of(u) is category]
        holders[category].update(dict.fromkeys(mine))
        rest += 0 if mine else share.bytes
    for category, found in holders.items():
        yield from _items(desk, category, [coverage.units[one] for one in found])
    if rest and not occupancy.value.largest_others:
        yield _rest(desk, rest)


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
ANOTHER_CLIENT, LEASED = "another client's image", "held by a containerd lease that ends"
_STATES = {OwnerKind.CONTAINERD: ANOTHER_CLIENT, OwnerKind.LEASE: "held by a containerd lease"}


def grouped(desk: Desk) -> Iterable[Item]:
    """Things in the stores of others, and in containerd's other namespaces."""
    first: dict[Owner, Unit] = {}
    store = desk.snapshot.store
    ends = store.value.leases if isinstance(store, Exact) else {}
    for unit in desk.study.units:
        if category_of(unit) in (Category.DOCKER_OTHER, Category.OTHER_FILES):
            for owner in unit.owners:
                if owner.kind in IN_GROUPS:
                    first.setdefault(owner, unit)
    for owner, unit in first.items():
        place, _, name = owner.id.rpartition(": ") if owner.kind is OwnerKind.STORE else ("", "", owner.id)
        state = LEASED if owner.id in ends else _STATES.get(owner.kind, unit.kind.value)
        yield desk.item(owner, category_of(unit), name, state=state, free=None, owner=place or unit.path)
