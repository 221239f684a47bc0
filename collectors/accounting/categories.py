"""Which category a unit, and then a shared extent, is charged to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from collectors.model.ids import UnitId
from collectors.model.ledger import Category
from collectors.model.owner import OwnerKind
from collectors.model.store import Unit, UnitKind

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
_RANK = {category: rank for rank, category in enumerate(PRECEDENCE)}

_FIXED = {
    UnitKind.WRITABLE_LAYER: Category.CONTAINERS,
    UnitKind.INIT_LAYER: Category.CONTAINERS,
    UnitKind.CONTAINER_FILES: Category.CONTAINERS,
    UnitKind.CORE_DUMP: Category.CONTAINERS,
    UnitKind.LOG: Category.LOGS,
    UnitKind.VOLUME: Category.VOLUMES,
    UnitKind.SNAPSHOT: Category.SNAPSHOTS,
    UnitKind.DELETED: Category.DELETED_PENDING,
    UnitKind.UNLINKED: Category.DELETED_OPEN,
    UnitKind.SUBVOLUME: Category.OTHER_FILES,
    UnitKind.HOST: Category.OTHER_FILES,
    UnitKind.BIND: Category.OTHER_FILES,
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
    if unit.kind in _LAYERS:
        if OwnerKind.IMAGE in owners:
            return Category.IMAGES
        if OwnerKind.BUILD in owners or unit.kind is UnitKind.BUILD_SNAPSHOT:
            return Category.BUILD_CACHE
        return Category.CONTAINERS if OwnerKind.CONTAINER in owners else Category.DOCKER_OTHER
    return Category.DOCKER_OTHER


def first(categories: Iterable[Category]) -> Category:
    """The one of several that is charged."""
    return min(categories, key=_RANK.__getitem__)


def by_unit(units: Iterable[Unit]) -> Mapping[UnitId, Category]:
    """Every unit's category."""
    return {unit.id: category_of(unit) for unit in units}
