"""The release table: who must go for which bytes to come free; and the figures of each owner. Pure.

Who must go for which bytes to come free: shares of units turned into releases of owners.

A unit goes when its last owner goes; an extent goes when its last unit goes. So an extent is freed by exactly those
sets of owners that contain every owner of every unit that holds it. One table answers every question of the kind
"what would removing these free": sets, never sums of exclusive sizes.

Figures per owner, looked up many times: referenced, exclusive, apparent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from collectors.ledger.charge import by_unit, first
from collectors.model.filesystem import Occupancy, Share
from collectors.model.ledger import Books, Category, Release
from collectors.model.owner import Owner, OwnerKind, UnitId
from collectors.model.reading import Exact, Origin, Reading, Size, Unavailable, Why, total
from collectors.model.store import Unit, UnitKind


@dataclass(frozen=True, slots=True)
class Held:
    """Per owner: every byte that one of its units holds, and the bytes that nobody else holds."""

    referenced_bytes: Mapping[Owner, int]
    exclusive_bytes: Mapping[Owner, int]
    beyond_images_bytes: Mapping[Owner, int]  # of a container: what it holds of the row of containers


def keep_books(
    units: Iterable[Unit], shares: Iterable[Share], unread: tuple[Unavailable, ...], origin: Origin
) -> Books:
    """The release table of one filesystem. A unit without owners never goes, and neither does what it holds.

    A dropped subvolume goes by itself, whoever else does: beside other holders it holds nothing up.
    """
    everything = tuple(units)
    owners_of = {unit.id: unit.owners for unit in everything}
    leaving = frozenset(unit.id for unit in everything if unit.kind is UnitKind.DELETED)
    table: defaultdict[frozenset[Owner], int] = defaultdict(int)
    trees: defaultdict[frozenset[Owner], int] = defaultdict(int)
    for share in shares:
        owners = _last_owners(share.holders - leaving or share.holders, owners_of)
        if owners is not None:
            table[owners] += share.bytes
            trees[owners] += share.tree_bytes
    whole: Reading[None] = unread[0] if unread else Exact(None, origin)
    releases = (Release(owners, count, trees[owners]) for owners, count in table.items() if count)
    return Books(tuple(sorted(releases, key=lambda r: (-r.bytes, sorted(r.owners)))), whole)


def freed_bytes(books: Books, removed: Iterable[Owner]) -> int:
    """What removing all of `removed` together frees, in bytes. A container takes its log with it."""
    gone = closure(removed)
    return sum(release.bytes for release in books.releases if release.owners <= gone)


def freed_beside(books: Books, removed: Iterable[Owner], beside: Iterable[Owner]) -> int:
    """What removing `removed` frees once `beside` is gone: the images' part of what images and build cache share."""
    others = frozenset(beside)
    return freed_bytes(books, others | frozenset(removed)) - freed_bytes(books, others)


def closure(removed: Iterable[Owner]) -> frozenset[Owner]:
    """`removed` and what necessarily goes with it."""
    gone = set(removed)
    gone.update(Owner(OwnerKind.LOG, owner.id) for owner in tuple(gone) if owner.kind is OwnerKind.CONTAINER)
    return frozenset(gone)


def held(units: Iterable[Unit], shares: Iterable[Share], books: Books) -> Held:
    """Referenced and exclusive bytes of every owner."""
    everything = tuple(units)
    owners_of, category_of = {unit.id: unit.owners for unit in everything}, by_unit(everything)
    referenced: defaultdict[Owner, int] = defaultdict(int)
    beyond: defaultdict[Owner, int] = defaultdict(int)
    for share in shares:
        owners: set[Owner] = set()
        for holder in share.holders:
            owners |= owners_of.get(holder, frozenset())
        for owner in owners:
            referenced[owner] += share.bytes
        containers = [owner for owner in owners if owner.kind is OwnerKind.CONTAINER]
        if containers and first(category_of.get(h, Category.OTHER_FILES) for h in share.holders) is Category.CONTAINERS:
            for owner in containers:
                beyond[owner] += share.bytes
    exclusive = {next(iter(r.owners)): r.bytes for r in books.releases if len(r.owners) == 1}
    return Held(dict(referenced), exclusive, dict(beyond))


def _last_owners(holders: frozenset[UnitId], owners_of: Mapping[UnitId, frozenset[Owner]]) -> frozenset[Owner] | None:
    owners: set[Owner] = set()
    for holder in holders:
        mine = owners_of.get(holder)
        if not mine:
            return None
        owners |= mine
    return frozenset(owners) if owners else None


@dataclass(frozen=True, slots=True)
class Figures:
    """The three sizes of an owner. An owner without any measured unit has none of them, and they say so."""

    units: Mapping[Owner, tuple[Unit, ...]]
    occupancy: Occupancy | None
    bytes: Held | None
    absent: Unavailable
    origin: Origin

    def referenced(self, owner: Owner) -> Size:
        """Every byte that the owner holds, shared ones too."""
        return self._measured(owner, self.bytes.referenced_bytes.get(owner, 0)) if self.bytes else self.absent

    def beyond_images(self, container: Owner) -> Size:
        """What a container holds of the row of containers: neither its image's layers nor its log."""
        return (
            self._measured(container, self.bytes.beyond_images_bytes.get(container, 0)) if self.bytes else self.absent
        )

    def exclusive(self, owner: Owner) -> Size:
        """What comes free when the owner alone goes; a container takes its log along."""
        if self.bytes is None:
            return self.absent
        count = self.bytes.exclusive_bytes.get(owner, 0)
        if owner.kind is OwnerKind.CONTAINER:
            count += self.bytes.exclusive_bytes.get(Owner(OwnerKind.LOG, owner.id), 0)
        return self._measured(owner, count)

    def apparent(self, owner: Owner) -> Size:
        """Σ st_size of everything that the owner holds."""
        mine = self.units.get(owner)
        if self.occupancy is None or not mine:
            return self.absent
        usages = self.occupancy.usages
        return total((usages[u.id].apparent if u.id in usages else self.absent for u in mine), self.origin)

    def _measured(self, owner: Owner, count: int) -> Size:
        mine = self.units.get(owner)
        if self.occupancy is None or not mine:
            return self.absent
        usages = self.occupancy.usages
        gaps: list[Size] = []
        for unit in mine:
            usage = usages.get(unit.id)
            if usage is None:
                gaps.append(self.absent)
            elif not isinstance(usage.allocated, Exact):
                gaps.extend(_gap(usage.allocated))
        return total([Exact(count, self.origin), *gaps], self.origin)


def figures(units: Iterable[Unit], occupancy: Occupancy | None, books: Books | None, origin: Origin) -> Figures:
    """Index units by owner and work out what each owner holds."""
    everything = tuple(units)
    index: defaultdict[Owner, list[Unit]] = defaultdict(list)
    for unit in everything:
        for owner in unit.owners:
            index[owner].append(unit)
    known = held(everything, occupancy.shares, books) if occupancy and books else None
    absent = Unavailable(Why.NOT_REACHABLE, "its directory was not found or not read", origin)
    return Figures({o: tuple(mine) for o, mine in index.items()}, occupancy, known, absent, origin)


def _gap(allocated: Size) -> list[Size]:
    missing = getattr(allocated, "missing", None)
    if missing is not None:
        return list(missing)
    return [allocated] if isinstance(allocated, Unavailable) else []
