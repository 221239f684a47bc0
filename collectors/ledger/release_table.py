"""The release table: who must go for which bytes to come free; and each owner's referenced, exclusive, apparent. Pure.

A unit goes when its last owner goes; an extent goes when its last unit goes. So an extent is freed by exactly those
sets of owners that contain every owner of every unit that holds it. One table answers every question of the kind
"what would removing these free": sets, never sums of exclusive sizes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from collectors.ledger.charge import by_unit, charged_to
from collectors.model import Owner, OwnerKind, UnitId, dataclass
from collectors.model.filesystem import Occupancy, Share
from collectors.model.ledger import Books, Category, Release
from collectors.model.reading import Exact, Origin, Reading, Size, Unavailable, Why, total
from collectors.model.store import Unit, UnitKind


@dataclass(slots=True)
class Amount:
    """So many of either; 0 inodes where they are not counted."""

    bytes: int = 0
    inodes: int = 0

    def add(self, count: int, inodes: int | None) -> None:
        """Take in some more."""
        self.bytes += count
        self.inodes += inodes or 0


@dataclass(frozen=True, slots=True)
class Held:
    """Per owner: all that one of its units holds, and what nobody else holds."""

    referenced: Mapping[Owner, Amount]
    exclusive: Mapping[Owner, Amount]
    beyond_images: Mapping[Owner, Amount]  # of a container: what it holds of the row of containers


def keep_books(
    units: Iterable[Unit], shares: Iterable[Share], unread: tuple[Unavailable, ...], origin: Origin
) -> Books:
    """The release table of one filesystem. A unit without owners never goes, and neither does what it holds.

    A dropped subvolume goes by itself, whoever else does: beside other holders it holds nothing up.
    """
    everything = tuple(units)
    owners_of = {unit.id: unit.owners for unit in everything}
    leaving = frozenset(unit.id for unit in everything if unit.kind is UnitKind.DELETED)
    table: dict[frozenset[Owner], Release] = {}
    for share in shares:
        owners = _last_owners(share.holders - leaving or share.holders, owners_of)
        if owners is not None:
            table[owners] = _more(table.get(owners), owners, share)
    whole: Reading[None] = unread[0] if unread else Exact(None, origin)
    releases = (release for release in table.values() if release.bytes or release.inodes)
    return Books(tuple(sorted(releases, key=lambda r: (-r.bytes, sorted(r.owners)))), whole)


def _more(before: Release | None, owners: frozenset[Owner], share: Share) -> Release:
    if before is None:
        return Release(owners, share.bytes, share.tree_bytes, share.inodes)
    inodes = before.inodes if share.inodes is None else (before.inodes or 0) + share.inodes
    return Release(owners, before.bytes + share.bytes, before.tree_bytes + share.tree_bytes, inodes)


def freed_bytes(books: Books, removed: Iterable[Owner]) -> int:
    """What removing all of `removed` together frees, in bytes. A container takes its log with it."""
    gone = closure(removed)
    return sum(release.bytes for release in books.releases if release.owners <= gone)


def freed_inodes(books: Books, removed: Iterable[Owner]) -> int | None:
    """How many inodes removing all of `removed` together frees; None where they are not counted."""
    gone = closure(removed)
    found = [release.inodes for release in books.releases if release.owners <= gone]
    return None if None in found else sum(count or 0 for count in found)


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
    """What every owner holds, and what of it nobody else holds."""
    everything = tuple(units)
    owners_of, category_of = {unit.id: unit.owners for unit in everything}, by_unit(everything)
    referenced: defaultdict[Owner, Amount] = defaultdict(Amount)
    beyond: defaultdict[Owner, Amount] = defaultdict(Amount)
    for share in shares:
        owners: set[Owner] = set()
        for holder in share.holders:
            owners |= owners_of.get(holder, frozenset())
        for owner in owners:
            referenced[owner].add(share.bytes, share.inodes)
        containers = [owner for owner in owners if owner.kind is OwnerKind.CONTAINER]
        if containers and charged_to(share, category_of) is Category.CONTAINERS:
            for owner in containers:
                beyond[owner].add(share.bytes, share.inodes)
    return Held(dict(referenced), _exclusive(books), dict(beyond))


def _exclusive(books: Books) -> Mapping[Owner, Amount]:
    alone = (release for release in books.releases if len(release.owners) == 1)
    return {next(iter(r.owners)): Amount(r.bytes, r.inodes or 0) for r in alone}


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
    """The sizes of an owner. An owner without any measured unit has none of them, and they say so."""

    units: Mapping[Owner, tuple[Unit, ...]]
    occupancy: Occupancy | None
    held: Held | None
    used_inodes: Reading[int]  # of the filesystem: where there is no such number, an owner has none either
    absent: Unavailable
    origin: Origin

    def referenced(self, owner: Owner) -> Size:
        """Every byte that the owner holds, shared ones too."""
        return self._measured(owner, _of(self.held.referenced, owner).bytes) if self.held else self.absent

    def beyond_images(self, container: Owner) -> Size:
        """What a container holds of the row of containers: neither its image's layers nor its log."""
        return self._measured(container, _of(self.held.beyond_images, container).bytes) if self.held else self.absent

    def exclusive(self, owner: Owner) -> Size:
        """What comes free when the owner alone goes; a container takes its log along."""
        if self.held is None:
            return self.absent
        count = _of(self.held.exclusive, owner).bytes
        if owner.kind is OwnerKind.CONTAINER:
            count += _of(self.held.exclusive, Owner(OwnerKind.LOG, owner.id)).bytes
        return self._measured(owner, count)

    def inodes(self, owner: Owner, *, beyond_images: bool) -> Size:
        """Every inode that the owner holds, shared ones too; of a container without those of its image and log."""
        if isinstance(self.used_inodes, Unavailable):
            return self.used_inodes
        if self.held is None:
            return self.absent
        return self._measured(
            owner, _of(self.held.beyond_images if beyond_images else self.held.referenced, owner).inodes
        )

    def counted(self, inodes: Reading[int]) -> Reading[int]:
        """Inodes of one thing, where the filesystem has such books."""
        return self.used_inodes if isinstance(self.used_inodes, Unavailable) else inodes

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


def _of(table: Mapping[Owner, Amount], owner: Owner) -> Amount:
    return table.get(owner, Amount(0, 0))


def figures(
    units: Iterable[Unit], occupancy: Occupancy | None, books: Books | None, used_inodes: Reading[int], origin: Origin
) -> Figures:
    """Index units by owner and work out what each owner holds."""
    everything = tuple(units)
    index: defaultdict[Owner, list[Unit]] = defaultdict(list)
    for unit in everything:
        for owner in unit.owners:
            index[owner].append(unit)
    known = held(everything, occupancy.shares, books) if occupancy and books else None
    absent = Unavailable(Why.NOT_REACHABLE, "its directory was not found or not read", origin)
    return Figures({o: tuple(mine) for o, mine in index.items()}, occupancy, known, used_inodes, absent, origin)


def _gap(allocated: Size) -> list[Size]:
    missing = getattr(allocated, "missing", None)
    if missing is not None:
        return list(missing)
    return [allocated] if isinstance(allocated, Unavailable) else []
