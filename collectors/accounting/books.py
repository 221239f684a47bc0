"""Who must go for which bytes to come free: shares of units turned into releases of owners.

A unit goes when its last owner goes; an extent goes when its last unit goes. So an extent is freed by exactly those
sets of owners that contain every owner of every unit that holds it. One table answers every question of the kind
"what would removing these free": sets, never sums of exclusive sizes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from collectors.model.filesystem import Share
from collectors.model.ids import UnitId
from collectors.model.ledger import Books, Release
from collectors.model.owner import Owner, OwnerKind
from collectors.model.reading import Exact, Origin, Reading, Unavailable
from collectors.model.store import Unit, UnitKind


@dataclass(frozen=True, slots=True)
class Held:
    """Per owner: every byte that one of its units holds, and the bytes that nobody else holds."""

    referenced_bytes: Mapping[Owner, int]
    exclusive_bytes: Mapping[Owner, int]


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
    owners_of = {unit.id: unit.owners for unit in units}
    referenced: defaultdict[Owner, int] = defaultdict(int)
    for share in shares:
        owners: set[Owner] = set()
        for holder in share.holders:
            owners |= owners_of.get(holder, frozenset())
        for owner in owners:
            referenced[owner] += share.bytes
    exclusive = {next(iter(r.owners)): r.bytes for r in books.releases if len(r.owners) == 1}
    return Held(dict(referenced), exclusive)


def _last_owners(holders: frozenset[UnitId], owners_of: Mapping[UnitId, frozenset[Owner]]) -> frozenset[Owner] | None:
    owners: set[Owner] = set()
    for holder in holders:
        mine = owners_of.get(holder)
        if not mine:
            return None
        owners |= mine
    return frozenset(owners) if owners else None
