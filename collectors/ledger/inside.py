"""Where inside a thing its bytes are: the largest directories and files of its units, as paths in the thing. Pure.

A layer's files are named as its container sees them, a volume's from the volume's own root. At most `MOST` are named,
and none that holds less than a twentieth of the thing.

And the things that used bytes are charged to, each byte to one of them. Items overlap: two images that share a layer
both hold it, and pulling one would seem to shrink another. So a layer is a thing by itself, whoever stands on it; what
one owner has in several places (a container's layers and files) is one thing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from collectors.ledger.charge import RANK, category_of
from collectors.model import HOST_UNIT, Owner, OwnerKind, UnitId, dataclass
from collectors.model.filesystem import Occupancy, PathUsage, Usage
from collectors.model.ledger import Category, Item, Thing
from collectors.model.reading import Exact, Origin, Unavailable, Why
from collectors.model.snapshot import FilesystemStudy
from collectors.model.store import Unit, UnitKind

MOST = 5
_LEAST_PART = 20
_MANY_INODES = 64
LAYERS = frozenset(
    {
        UnitKind.IMAGE_LAYER,
        UnitKind.WRITABLE_LAYER,
        UnitKind.INIT_LAYER,
        UnitKind.BUILD_SNAPSHOT,
        UnitKind.ORPHAN_CANDIDATE,
    }
)
VOLUME_DATA = "_data"  # of a local volume's directory, whichever engine keeps it


def inside_units(units: Iterable[Unit], usages: Mapping[UnitId, Usage], contents: str) -> tuple[PathUsage, ...]:
    """The largest of all `units` together. `contents`: the folder in a layer's directory that holds its files."""
    found: dict[tuple[str, bool], PathUsage] = {}
    for unit in units:
        usage = usages.get(unit.id)
        for place in _named(unit, usage, contents) if usage is not None else ():
            key = place.path, place.is_directory
            found[key] = _sum(found[key], place) if key in found else place
    return _largest(found.values())


def under(path: str, places: Iterable[PathUsage]) -> tuple[PathUsage, ...]:
    """The same as paths of the host: of a directory that is no container's root they are read there."""
    return tuple(replace(place, path=f"{path.rstrip('/')}{place.path}".rstrip("/") or "/") for place in places)


def host_directories(occupancy: Occupancy, origin: Origin) -> Iterator[tuple[str, Usage]]:
    """The host's largest directories like units, by path, each with those of the host's files that stand out in it."""
    host = occupancy.usages.get(HOST_UNIT)
    for directory in occupancy.largest_others:
        yield (
            directory.path,
            Usage(
                Exact(directory.allocated_bytes, origin),
                Exact(directory.apparent_bytes, origin),
                Exact(directory.inodes, origin),
                Unavailable(Why.NOT_ASKED, "one of many directories", origin),
                _files_in(directory, occupancy.largest_others, host.inside if host else ()),
            ),
        )


def _files_in(directory: PathUsage, others: Iterable[PathUsage], files: Iterable[PathUsage]) -> tuple[PathUsage, ...]:
    """Those of the host's `files` that stand out in `directory`, and lie in none of the `others` below it."""
    deeper = [one.path for one in others if one.path != directory.path and _within(one.path, directory.path)]
    mine = [
        file
        for file in files
        if _within(file.path, directory.path) and not any(_within(file.path, path) for path in deeper)
    ]
    return _largest(file for file in mine if file.allocated_bytes * _LEAST_PART >= directory.allocated_bytes)


def _named(unit: Unit, usage: Usage, contents: str) -> Iterator[PathUsage]:
    folder = contents if unit.kind in LAYERS else VOLUME_DATA if unit.kind is UnitKind.VOLUME else ""
    if not folder:
        yield from usage.inside
        return
    for place in usage.inside:  # what lies beside the folder is the engine's
        if _within(place.path, f"/{folder}"):
            yield replace(place, path=place.path.removeprefix(f"/{folder}") or "/")


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _sum(one: PathUsage, other: PathUsage) -> PathUsage:
    return replace(
        one,
        allocated_bytes=one.allocated_bytes + other.allocated_bytes,
        apparent_bytes=one.apparent_bytes + other.apparent_bytes,
        inodes=one.inodes + other.inodes,
    )


def _largest(places: Iterable[PathUsage]) -> tuple[PathUsage, ...]:
    """By bytes, and by inodes where they are many: which of the two is short, only who judges knows."""
    known = list(places)
    bytes_all, inodes_all = sum(one.allocated_bytes for one in known), sum(one.inodes for one in known)

    def part(place: PathUsage) -> float:
        inodes = place.inodes if place.inodes >= _MANY_INODES else 0
        return max(place.allocated_bytes / (bytes_all or 1), inodes / (inodes_all or 1))

    chosen = sorted(known, key=lambda place: (-part(place), place.path))[:MOST]
    return tuple(place for place in chosen if part(place) * _LEAST_PART >= 1)


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
    alone = len(unit.owners) == 1 and whole
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
