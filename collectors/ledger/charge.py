"""Each share of a filesystem charged to one category; what could not be read stays visible beside it. Pure.

An image that the engine does not list (each step of a build by the old builder is one) is removed with its last child.
So it is no holder of its own: whoever asks what removing images frees means the images that can be named, and their
unnamed parents with them.

The inode books are thirteen figures that sum to statfs's used inodes. An inode is charged by the same order as bytes,
once, whoever links to it. Where the bytes of a category are only a floor, so are its inodes; engines claim bytes, never
inodes. A filesystem that makes inodes as it goes has no such books.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace

from collectors.model import HOST_UNIT, ImageId, Owner, OwnerKind, UnitId, dataclass
from collectors.model.filesystem import FsSpace, Occupancy, Share, Usage
from collectors.model.ledger import Category
from collectors.model.reading import AtLeast, Between, Exact, Origin, Reading, Size, Unavailable, Why, charged, total
from collectors.model.snapshot import FilesystemStudy, Snapshot
from collectors.model.store import StoredImage, Unit, UnitKind

# Who is charged when several hold the same bytes: the first of these. Things that somebody wants come before
# things that are merely left over, so that a leftover's figure is what removing leftovers can bring.
PRECEDENCE = (
    Category.IMAGES,
    Category.BUILD_CACHE,
    Category.CONTAINERS,
    Category.LOGS,
    Category.VOLUMES,
    Category.ORPHANS,
    Category.DOCKER_OTHER,
    Category.OTHER_FILES,
    Category.SNAPSHOTS,
    Category.DELETED_PENDING,
    Category.DELETED_OPEN,
)
RANK = {category: rank for rank, category in enumerate(PRECEDENCE)}

_FIXED = {
    UnitKind.WRITABLE_LAYER: Category.CONTAINERS,
    UnitKind.INIT_LAYER: Category.CONTAINERS,
    UnitKind.CONTAINER_FILES: Category.CONTAINERS,
    UnitKind.CORE_DUMP: Category.CONTAINERS,
    UnitKind.LOG: Category.LOGS,
    UnitKind.VOLUME: Category.VOLUMES,
    UnitKind.CACHE_MOUNTS: Category.BUILD_CACHE,
    UnitKind.SNAPSHOT: Category.SNAPSHOTS,
    UnitKind.DELETED: Category.DELETED_PENDING,
    UnitKind.UNLINKED: Category.DELETED_OPEN,
    UnitKind.SUBVOLUME: Category.OTHER_FILES,
    UnitKind.HOST: Category.OTHER_FILES,
    UnitKind.BIND: Category.OTHER_FILES,
    UnitKind.OTHER_ENGINE: Category.OTHER_FILES,
    UnitKind.FORMER_ROOT: Category.DOCKER_OTHER,
}
# Content blobs belong to who refers to them; what nobody refers to is the engine's own.
_LAYERS = (UnitKind.IMAGE_LAYER, UnitKind.BUILD_SNAPSHOT, UnitKind.CONTENT)


def category_of(unit: Unit) -> Category:
    """The category that is charged for the bytes that only this unit holds."""
    fixed = _FIXED.get(unit.kind)
    if fixed is not None:
        return fixed
    owners = {owner.kind for owner in unit.owners}
    if unit.kind is UnitKind.ORPHAN_CANDIDATE:
        return Category.ORPHANS if OwnerKind.ORPHAN in owners else Category.DOCKER_OTHER
    if unit.kind is UnitKind.NESTED_ROOT:
        return Category.VOLUMES if OwnerKind.VOLUME in owners else Category.CONTAINERS
    return _of_layer(unit.kind, owners) if unit.kind in _LAYERS else Category.DOCKER_OTHER


def _of_layer(kind: UnitKind, owners: Set[OwnerKind]) -> Category:
    if OwnerKind.IMAGE in owners:
        return Category.IMAGES
    if OwnerKind.BUILD in owners or kind is UnitKind.BUILD_SNAPSHOT:
        return Category.BUILD_CACHE
    return Category.CONTAINERS if OwnerKind.CONTAINER in owners else Category.DOCKER_OTHER


def charged_to(share: Share, category_of: Mapping[UnitId, Category]) -> Category:
    """The category that is charged for a share, by those of the units."""
    return first(category_of.get(holder, Category.OTHER_FILES) for holder in share.holders)


def first(categories: Iterable[Category]) -> Category:
    """The one of several that is charged."""
    return min(categories, key=RANK.__getitem__)


def by_unit(units: Iterable[Unit]) -> Mapping[UnitId, Category]:
    """Every unit's category."""
    return {unit.id: category_of(unit) for unit in units}


def hidden_parents(snapshot: Snapshot) -> Mapping[Owner, frozenset[Owner]]:
    """Images on disk that the engine does not list → the listed images built on them.

    Where the parent is not recorded, all listed images that start with its layers stand for it: they hold the same
    layers anyway. A parent that nothing listed is built on is left out: what it holds stays its own.
    """
    stored, listing = snapshot.stored_images, snapshot.engine.images
    if isinstance(stored, Unavailable) or isinstance(listing, Unavailable):
        return {}
    return _stood_for(stored.value, frozenset(image.id for image in listing.value))


def _stood_for(stored: Sequence[StoredImage], listed: frozenset[ImageId]) -> Mapping[Owner, frozenset[Owner]]:
    unlisted = [image for image in stored if image.id not in listed and not image.tags and image.chain]
    if not unlisted:
        return {}
    by_record, by_layers = _by_record(stored, listed), _by_layers(stored, listed)
    above = {image.id: by_record.get(image.id) or by_layers.get(image.chain[-1]) for image in unlisted}
    return {_owner(parent): frozenset(map(_owner, images)) for parent, images in above.items() if images}


def without_parents(units: Iterable[Unit], parents: Mapping[Owner, frozenset[Owner]]) -> tuple[Unit, ...]:
    """The same units; where a parent owned one, the images that it goes with do."""
    if not parents:
        return tuple(units)
    return tuple(_settled(unit, parents) if unit.owners & parents.keys() else unit for unit in units)


def _settled(unit: Unit, parents: Mapping[Owner, frozenset[Owner]]) -> Unit:
    owners = frozenset().union(*(parents.get(owner, frozenset({owner})) for owner in unit.owners))
    return replace(unit, owners=owners)


def _by_record(stored: Iterable[StoredImage], listed: frozenset[ImageId]) -> Mapping[ImageId, set[ImageId]]:
    """Each image → the listed ones that name it as an ancestor."""
    parent = {image.id: image.parent for image in stored if image.parent is not None}
    found: defaultdict[ImageId, set[ImageId]] = defaultdict(set)
    for image in listed:
        seen, one = {image}, parent.get(image)
        while one is not None and one not in seen:
            seen.add(one)
            found[one].add(image)
            one = parent.get(one)
    return found


def _by_layers(stored: Iterable[StoredImage], listed: frozenset[ImageId]) -> Mapping[str, set[ImageId]]:
    """Each chain of layers, by its top → the listed images that stand on it. A chain id covers all that lies below."""
    found: defaultdict[str, set[ImageId]] = defaultdict(set)
    for image in stored:
        if image.id in listed:
            for layer in image.chain:
                found[layer].add(image.id)
    return found


def _owner(image: ImageId) -> Owner:
    return Owner(OwnerKind.IMAGE, image)


@dataclass(frozen=True, slots=True)
class Charges:
    charged: Mapping[Category, Size]
    apparent: Mapping[Category, Size]
    inodes: Mapping[Category, int]  # as far as they were counted; a category with none has no key


def charge(units: tuple[Unit, ...], occupancy: Occupancy, origin: Origin) -> Charges:
    """Allocated bytes and inodes (each once) and apparent bytes of every category that units can be charged to."""
    category = dict(by_unit(units))
    category.setdefault(HOST_UNIT, Category.OTHER_FILES)
    bytes_of: defaultdict[Category, int] = defaultdict(int)
    inodes_of: defaultdict[Category, int] = defaultdict(int)
    for share in occupancy.shares:
        its = charged_to(share, category)
        bytes_of[its] += share.bytes
        inodes_of[its] += share.inodes or 0

    missing, apparent = _gaps(category, occupancy), _apparent(category, occupancy)
    charged: dict[Category, Size] = {}
    for its in set(category.values()) | set(bytes_of) | {Category.OTHER_FILES}:
        count = bytes_of.get(its, 0)
        gaps = tuple(sorted(missing.get(its, ()), key=lambda u: (u.origin.source, u.detail)))
        charged[its] = AtLeast(count, gaps, origin) if gaps else Exact(count, origin)
    return Charges(charged, {its: total(parts, origin) for its, parts in apparent.items()}, inodes_of)


def _gaps(category: Mapping[UnitId, Category], occupancy: Occupancy) -> Mapping[Category, set[Unavailable]]:
    """What was not read of the units of each category."""
    missing: defaultdict[Category, set[Unavailable]] = defaultdict(set)
    for unit_id, its in category.items():
        usage = occupancy.usages.get(unit_id)
        if usage is not None:
            missing[its].update(_missing(usage))
        elif unit_id != HOST_UNIT:
            missing[its].update(occupancy.unread[:1])
    missing[Category.OTHER_FILES].update(occupancy.unread)
    return missing


def _apparent(category: Mapping[UnitId, Category], occupancy: Occupancy) -> Mapping[Category, list[Size]]:
    """The apparent sizes of the units of each category, of those that were met."""
    found: defaultdict[Category, list[Size]] = defaultdict(list)
    for unit_id, its in category.items():
        if unit_id in occupancy.usages:
            found[its].append(occupancy.usages[unit_id].apparent)
    return found


def _missing(usage: Usage) -> tuple[Unavailable, ...]:
    match usage.allocated:
        case AtLeast(missing=missing):
            return missing
        case Unavailable() as unread:
            return (unread,)
        case _:
            return ()


def nothing(why: str, origin: Origin) -> Unavailable:
    """A category that does not exist on this filesystem."""
    return Unavailable(Why.NOT_APPLICABLE, why, origin)


NO_FIXED_NUMBER = "this filesystem has no fixed number of inodes"


def used_inodes(space: Reading[FsSpace], origin: Origin) -> Reading[int]:
    """What all rows sum to; Unavailable where there is no such number."""
    if isinstance(space, Unavailable):
        return space
    used = space.value.inodes_used
    return Unavailable(Why.NOT_APPLICABLE, NO_FIXED_NUMBER, origin) if used is None else Exact(used, space.origin)


def inodes_by_category(
    study: FilesystemStudy,
    sizes: Mapping[Category, Size],
    counted: Mapping[Category, int],
    used: Reading[int],
    origin: Origin,
) -> Mapping[Category, Size]:
    """Inodes of every category, `unattributed` included.

    `sizes`: the bytes of every other category, which say how far each was read. `counted`: the inodes that were met.
    """
    if isinstance(used, Unavailable):
        return dict.fromkeys(Category, used)
    found = {category: _as_far_as(size, counted.get(category, 0), origin) for category, size in sizes.items()}
    found[Category.METADATA] = study.own_inodes
    found[Category.DELETED_OPEN] = _open_deleted(study, origin)
    left = used.value - sum(charged(size) for size in found.values())
    found[Category.UNATTRIBUTED] = Exact(left, origin)
    return found


def _as_far_as(size: Size, count: int, origin: Origin) -> Size:
    """What was counted, as sure as the bytes of the same files."""
    match size:
        case Exact():
            return Exact(count, origin)
        case AtLeast(missing=missing):
            return AtLeast(count, missing, origin)
        case Between() if count:  # its files were met all the same
            return Exact(count, origin)
        case Between(method=method):
            return Unavailable(Why.NOT_REPORTED, f"{method}: it counts no inodes", origin)
        case Unavailable():
            return size


def _open_deleted(study: FilesystemStudy, origin: Origin) -> Size:
    """Each deleted file that is still open keeps its inode."""
    files = study.open_deleted
    if isinstance(files, Unavailable):
        return files
    found = len(files.value.files)
    return AtLeast(found, files.value.unread, origin) if files.value.unread else Exact(found, origin)
