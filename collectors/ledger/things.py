"""The things that a filesystem's used bytes are charged to, each byte to one of them. Pure.

Items overlap: two images that share a layer both hold it. A comparison of two moments must not, or pulling one image
would seem to shrink another. So a layer is a thing by itself, whoever stands on it, and keeps its bytes while images
come and go; what one owner has in several places (a container's layers and files) is one thing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from collectors.ledger.charge import RANK, category_of
from collectors.model.ledger import Category, Item, Thing
from collectors.model.owner import Owner, OwnerKind, UnitId
from collectors.model.reading import Exact
from collectors.model.snapshot import FilesystemStudy
from collectors.model.store import Unit, UnitKind

MOST_LEAST_BYTES = 1 << 20
_LEAST_SHARE = 1000
# One thing, wherever its bytes lie; every other unit is a thing of its own.
_WHOLE = frozenset({OwnerKind.CONTAINER, OwnerKind.LOG, OwnerKind.VOLUME})
# Who gives a shared layer its name: whoever a person knows best.
_NAMED_BY = (OwnerKind.IMAGE, OwnerKind.CONTAINERD, OwnerKind.BUILD, OwnerKind.CONTAINER)
_NEVER = datetime.max.replace(tzinfo=UTC)


def least_bytes(used_bytes: int) -> int:
    """What a thing must take to be kept by name: 1 MiB, or 0.1 % of a disk on which less than 1 GiB is used."""
    return min(MOST_LEAST_BYTES, used_bytes // _LEAST_SHARE)


def things(study: FilesystemStudy, items: Mapping[Category, tuple[Item, ...]]) -> tuple[Thing, ...] | None:
    """Everything of at least `least_bytes`, largest first; with what is smaller they make the rows of the ledger.

    None where nobody looked into the filesystem.
    """
    space = study.filesystem.space
    if not isinstance(study.occupancy, Exact) or not isinstance(space, Exact):
        return None
    names = {item.owner_id: item.name for listed in items.values() for item in listed}
    least = least_bytes(space.value.used_bytes)
    found = [one for one in (*_units(study, names), *_directories(study), *_open_files(study)) if one.bytes >= least]
    return tuple(sorted(found, key=lambda one: (-one.bytes, one.owner)))


def _units(study: FilesystemStudy, names: Mapping[Owner, str]) -> Iterable[Thing]:
    units = {unit.id: unit for unit in study.units}
    category = {unit.id: category_of(unit) for unit in study.units}
    named_by = _Names(names, Counter(owner for unit in study.units for owner in unit.owners))
    bytes_of: defaultdict[Owner, int] = defaultdict(int)
    first_unit: dict[Owner, Unit] = {}
    assert isinstance(study.occupancy, Exact)
    for share in study.occupancy.value.shares:
        unit = _charged_unit(share.holders, units, category)
        if unit is not None:
            owner = _owner(unit)
            bytes_of[owner] += share.bytes
            first_unit.setdefault(owner, unit)
    for owner, count in bytes_of.items():
        unit = first_unit[owner]
        yield Thing(owner, category[unit.id], named_by.of(unit, owner), count)


def _charged_unit(
    holders: frozenset[UnitId], units: Mapping[UnitId, Unit], category: Mapping[UnitId, Category]
) -> Unit | None:
    """Of several holders the one whose category is charged, there the oldest: what is built on a layer came later.

    None for host files.
    """

    def place(holder: UnitId) -> tuple[int, datetime, UnitId]:
        unit = units.get(holder)
        if unit is None:
            return (RANK[Category.OTHER_FILES], _NEVER, holder)
        return (RANK[category[holder]], unit.created_at or _NEVER, holder)

    return units.get(next(iter(holders)) if len(holders) == 1 else min(holders, key=place))


def _owner(unit: Unit) -> Owner:
    whole = sorted(owner for owner in unit.owners if owner.kind in _WHOLE)
    alone = len(unit.owners) == 1 and whole and unit.kind is not UnitKind.ORPHAN_CANDIDATE
    return whole[0] if alone else Owner(OwnerKind.UNIT, unit.id)


@dataclass(frozen=True, slots=True)
class _Names:
    """`of_items`: what the things of the ledger are called; `units_of`: how many units each owner stands on."""

    of_items: Mapping[Owner, str]
    units_of: Mapping[Owner, int]

    def of(self, unit: Unit, owner: Owner) -> str:
        """A shared layer is called after the image that ends nearest above it: the base of the others."""
        if owner in self.of_items:
            return self.of_items[owner]
        for kind in _NAMED_BY:
            known = [(self.units_of[one], self.of_items[one]) for one in unit.owners if self._names(one, kind)]
            if known:
                return min(known)[1] if len(known) == 1 else f"{min(known)[1]} and {len(known) - 1} more"
        return next((self.of_items[one] for one in sorted(unit.owners) if one in self.of_items), unit.name or unit.path)

    def _names(self, owner: Owner, kind: OwnerKind) -> bool:
        return owner.kind is kind and owner in self.of_items


def _directories(study: FilesystemStudy) -> Iterable[Thing]:
    assert isinstance(study.occupancy, Exact)
    for directory in study.occupancy.value.largest_others:
        owner = Owner(OwnerKind.PATH, directory.path)
        yield Thing(owner, Category.OTHER_FILES, directory.path, directory.allocated_bytes)


def _open_files(study: FilesystemStudy) -> Iterable[Thing]:
    """Deleted files that are open; on btrfs the trees tell of them, as one unit."""
    if not isinstance(study.open_deleted, Exact) or any(unit.kind is UnitKind.UNLINKED for unit in study.units):
        return
    for file in study.open_deleted.value.files:
        owner = Owner(OwnerKind.OPEN, f"{file.device}:{file.inode}")
        yield Thing(owner, Category.DELETED_OPEN, file.path, file.allocated_bytes)
