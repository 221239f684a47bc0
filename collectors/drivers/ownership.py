"""Whose each directory of a graph driver is: image, container and build chains pushed down the layer database. Pure.

A layer belongs to every image whose chain contains it, to every container that stands on it (also when its image was
removed) and to every build record that stands on it. Refuses to give a layer to nobody's chain by name alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from collectors.drivers.ask import NOBODY, Known
from collectors.drivers.buildkit import CacheRecord, CacheSnapshot
from collectors.drivers.layerdb import Removing, Write
from collectors.model.ids import ChainId
from collectors.model.owner import Owner, OwnerKind
from collectors.model.store import BuildSnapshot, ContainerLayers, Layer, StoredImage, UnitKind


class Chains:
    """The layer database as chains, with the owners that were pushed down them."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        self._layers = {layer.chain_id: layer for layer in layers}
        self._owners: defaultdict[ChainId, set[Owner]] = defaultdict(set)

    def give(self, owner: Owner, top: ChainId | None) -> None:
        """`owner` holds `top` and every layer below it."""
        seen: set[ChainId] = set()
        while top is not None and top not in seen and (layer := self._layers.get(top)) is not None:
            seen.add(top)
            self._owners[top].add(owner)
            top = layer.parent

    def known(self, builds: Mapping[str, frozenset[Owner]]) -> dict[str, Known]:
        """Each layer by its directory; `builds` are the owners that BuildKit names for directories."""
        return {
            layer.cache_id: Known(
                UnitKind.IMAGE_LAYER,
                frozenset(self._owners.get(chain_id, ())) | builds.get(layer.cache_id, NOBODY),
                immutable=True,
            )
            for chain_id, layer in self._layers.items()
        }


def known(
    *,
    layers: Iterable[Layer],
    containers: Iterable[ContainerLayers],
    images: Iterable[StoredImage],
    records: Iterable[CacheRecord],
    snapshots: Mapping[str, CacheSnapshot],
    removing: Iterable[Removing],
    live_writes: Iterable[Write],
) -> dict[str, Known]:
    """Every directory that a database names, by its name."""
    chains = Chains(layers)
    for image in images:
        chains.give(Owner(OwnerKind.IMAGE, image.id), image.chain[-1] if image.chain else None)
    for container in containers:
        chains.give(Owner(OwnerKind.CONTAINER, container.container_id), container.parent)
    builds = _build_owners(records, snapshots, chains)
    found: dict[str, Known] = {}
    for one in removing:
        if one.cache_id is not None:  # the engine finishes this at its next start
            found[one.cache_id] = Known(UnitKind.INTERRUPTED_WRITE, NOBODY, immutable=False)
    for write in live_writes:
        if write.cache_id is not None:
            found[write.cache_id] = Known(UnitKind.IMAGE_LAYER, NOBODY, immutable=False)
    for snapshot in snapshots.values():
        if snapshot.directory is not None:
            owners = builds.get(snapshot.directory) or frozenset({Owner(OwnerKind.BUILD, snapshot.key)})
            found[snapshot.directory] = Known(UnitKind.BUILD_SNAPSHOT, owners, snapshot.committed)
    found.update(chains.known(builds))
    for container in containers:
        owner = frozenset({Owner(OwnerKind.CONTAINER, container.container_id)})
        found[container.mount_id] = Known(UnitKind.WRITABLE_LAYER, owner, immutable=False)
        if container.init_id is not None:
            found[container.init_id] = Known(UnitKind.INIT_LAYER, owner, immutable=False)
    return found


def build_snapshots(
    records: Iterable[CacheRecord], snapshots: Mapping[str, CacheSnapshot]
) -> tuple[BuildSnapshot, ...]:
    """One row for each record, and one for each directory of BuildKit that no record names."""
    rows: list[BuildSnapshot] = []
    named: set[str] = set()
    for record in records:
        snapshot = snapshots.get(record.snapshot)
        named.add(record.snapshot)
        if snapshot is not None:
            named.add(snapshot.directory or "")
        rows.append(
            BuildSnapshot(
                record.id,
                snapshot.directory if snapshot is not None else None,
                snapshot.chain_id if snapshot is not None else None,
            )
        )
    rows += [
        BuildSnapshot(snapshot.key, snapshot.directory, snapshot.chain_id)
        for snapshot in snapshots.values()
        if snapshot.key not in named and snapshot.directory is not None and snapshot.directory not in named
    ]
    return tuple(rows)


def _build_owners(
    records: Iterable[CacheRecord], snapshots: Mapping[str, CacheSnapshot], chains: Chains
) -> dict[str, frozenset[Owner]]:
    """Directory → the records that stand on it. Layers of images get theirs through `chains`."""
    by_id = {record.id: record for record in records}
    owners: defaultdict[str, set[Owner]] = defaultdict(set)
    for record in by_id.values():
        owner = Owner(OwnerKind.BUILD, record.id)
        for key in _lineage(record, by_id, snapshots):
            if (snapshot := snapshots.get(key)) is not None:
                chains.give(owner, snapshot.chain_id)
                if snapshot.directory is not None:
                    owners[snapshot.directory].add(owner)
    return {directory: frozenset(found) for directory, found in owners.items()}


def _lineage(record: CacheRecord, by_id: Mapping[str, CacheRecord], snapshots: Mapping[str, CacheSnapshot]) -> set[str]:
    """The snapshot keys that `record` stands on, its own included."""
    keys: set[str] = set()
    waiting = [record]
    seen: set[str] = set()
    while waiting:
        one = waiting.pop()
        if one.id in seen:
            continue
        seen.add(one.id)
        waiting += [by_id[parent] for parent in one.parents if parent in by_id]
        key: str | None = one.snapshot
        while key is not None and key not in keys:
            keys.add(key)
            key = snapshots[key].parent if key in snapshots else None
    return keys
