"""A probe's own bytes, taken out of what it saw: its layers, its files, its row in the layer database. Pure.

They are there while it looks and gone a moment later. So they leave every share, and `used` is less by what they took:
the books close on the disk as it is without the probe. On btrfs nothing is taken out, as nothing was measured.
"""

from __future__ import annotations

from dataclasses import replace

from collectors.model.filesystem import FsSpace, Occupancy
from collectors.model.ids import ContainerId, UnitId
from collectors.model.owner import Owner, OwnerKind
from collectors.model.reading import Exact, Reading
from collectors.model.snapshot import Disk, FilesystemStudy
from collectors.model.store import Store, Unit, UnitKind

# An image that was removed meanwhile: its layers stay behind the container.
_OF_IMAGES = frozenset({UnitKind.IMAGE_LAYER, UnitKind.BUILD_SNAPSHOT, UnitKind.CONTENT})


def without(disk: Disk, container: ContainerId) -> Disk:
    """The same disk without the container that looked at it."""
    store = disk.store
    if isinstance(store, Exact):
        store = Exact(_store(store.value, container), store.origin)
    return replace(disk, store=store, studies=tuple(_study(one, container) for one in disk.studies))


def _owners(container: ContainerId) -> frozenset[Owner]:
    return frozenset({Owner(OwnerKind.CONTAINER, container), Owner(OwnerKind.LOG, container)})


def _parted(units: tuple[Unit, ...], container: ContainerId) -> tuple[tuple[Unit, ...], frozenset[UnitId]]:
    """The units of others, and the names of those that were the container's alone."""
    own = _owners(container)
    mine = frozenset(unit.id for unit in units if unit.owners and unit.owners <= own and unit.kind not in _OF_IMAGES)
    others = tuple(replace(unit, owners=unit.owners - own) for unit in units if unit.id not in mine)
    return others, mine


def _store(store: Store, container: ContainerId) -> Store:
    units, orphans = store.units, store.orphans
    if isinstance(units, Exact):
        others, mine = _parted(units.value, container)
        units = Exact(others, units.origin)
        if isinstance(orphans, Exact):
            orphans = Exact(tuple(proof for proof in orphans.value if proof.unit not in mine), orphans.origin)
    layers, logs = store.container_layers, store.logs
    if isinstance(layers, Exact):
        layers = Exact(tuple(one for one in layers.value if one.container_id != container), layers.origin)
    if isinstance(logs, Exact):
        logs = Exact(tuple(one for one in logs.value if one.container_id != container), logs.origin)
    return replace(store, units=units, orphans=orphans, container_layers=layers, logs=logs)


def _study(study: FilesystemStudy, container: ContainerId) -> FilesystemStudy:
    units, mine = _parted(study.units, container)
    if isinstance(study.occupancy, Exact):
        occupancy, own_bytes = _occupancy(study.occupancy.value, mine)
        space = _freed(study.filesystem.space, own_bytes)
        study = replace(
            study,
            occupancy=Exact(occupancy, study.occupancy.origin),
            filesystem=replace(study.filesystem, space=space),
        )
    return replace(study, units=units)


def _occupancy(occupancy: Occupancy, mine: frozenset[UnitId]) -> tuple[Occupancy, int]:
    own_bytes = sum(share.bytes for share in occupancy.shares if share.holders <= mine)
    shares = (replace(share, holders=share.holders - mine) for share in occupancy.shares if not share.holders <= mine)
    usages = {unit: usage for unit, usage in occupancy.usages.items() if unit not in mine}
    return replace(occupancy, usages=usages, shares=tuple(shares)), own_bytes


def _freed(space: Reading[FsSpace], count: int) -> Reading[FsSpace]:
    if not isinstance(space, Exact):
        return space
    here = space.value
    more = replace(
        here,
        free_bytes=min(here.total_bytes, here.free_bytes + count),
        available_bytes=min(here.total_bytes, here.available_bytes + count),
    )
    return Exact(more, space.origin)
