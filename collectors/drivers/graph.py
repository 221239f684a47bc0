"""A store of Docker's graph drivers (overlay2, btrfs, vfs, fuse-overlayfs …), and whose each of its directories is.

Image, container and build chains are pushed down the layer database: a layer belongs to every image whose chain
contains it, to every container that stands on it (also when its image was removed) and to every build record that
stands on it. Refuses to give a layer to nobody's chain by name alone.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from collectors.drivers import bolt_holders, layerdb, leftovers
from collectors.drivers.base import LINKS, Candidate, Layout, Parts, StorageDriver
from collectors.drivers.bolt_holders import CacheRecord, CacheSnapshot
from collectors.drivers.files import Rows, folders_if_there, followed
from collectors.drivers.layerdb import Removing, Write
from collectors.drivers.listing import NOBODY, Asker, Known, born_s, needs, unit_at, value
from collectors.model import ChainId, Owner, OwnerKind
from collectors.model.reading import Exact, Reading
from collectors.model.store import BuildSnapshot, ContainerLayers, ContainerLog, Layer, StoredImage, Unit, UnitKind


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


_METADATA_FILES = ("metadata_v2.db", "metadata.db")  # the second before Docker 20.10


class GraphDriver(StorageDriver):
    """A driver whose layers Docker's own layer database knows."""

    layer_name = re.compile(r"[0-9a-f]{64}(-init)?|[0-9a-z]{25}")
    mounts_below_root = True

    def __init__(self, name: str, layers: str | None, *, copies_layers: bool = False) -> None:
        """`layers`: where it keeps one directory per layer; None: not in directories (devices, datasets)."""
        self.name = self.folder = name
        self.copies_layers = copies_layers
        self._layers = layers

    def detect(self, root: Path, containerd_root: Path | None, meant: tuple[str, ...]) -> tuple[Candidate, ...]:
        """Its layer database."""
        database = followed(root / "image") / self.name
        if not (database / "layerdb").is_dir():
            return ()
        base = self._base(root)
        opened = opened_s(database / "layerdb", "", "tmp", "mounts", "sha256")
        return (Candidate(self, self.name, database, base, (root / self.name, database), opened),)

    def _base(self, root: Path) -> Path | None:
        if self._layers is None:
            return None
        first, _, rest = self._layers.partition("/")
        return followed(root / first) / rest

    def owners(self, layout: Layout, ask: Asker, grace_s: float) -> Parts:
        """By the layer database, the images and BuildKit."""
        return _owners(layout, ask, grace_s)

    def log_paths(self, container: Path) -> tuple[str, ...]:
        """The current file first, then its rotated siblings."""
        return leftovers.paths_of(container)

    def logs(self, layout: Layout) -> Rows[ContainerLog]:
        """By each container's configuration."""
        return leftovers.docker_logs(layout.root)


def unknown_drivers(root: Path, known: frozenset[str]) -> tuple[StorageDriver, ...]:
    """One for each layer database of a driver that is not among the `known`: its layers' place is not known."""
    return tuple(GraphDriver(name, None) for name in folders_if_there(root / "image") if name not in known)


def opened_s(folder: Path, *names: str) -> float:
    """The latest modification of any of them; what is not there does not count."""
    moments = [0.0]
    for name in names:
        try:
            moments.append((folder / name).stat().st_mtime)
        except FileNotFoundError:
            continue
    return max(moments)


def _owners(layout: Layout, ask: Asker, grace_s: float) -> Parts:
    """Everything that the databases of this store tell. A write touched within the last `grace_s` is taken to go on."""
    database = layout.database / "layerdb"
    bolts = layout.root / "buildkit"
    # A layer goes from a write to the database to a removal: asked in this order, none slips through in between.
    writes = value(ask.witness("layer writes", database, lambda: layerdb.writes(database)), ())
    layers = ask.witness_rows("layer database", database, lambda: layerdb.layers(database))
    removing = value(ask.witness("layer removals", database, lambda: layerdb.removing(database)), ())
    containers = ask.witness_rows("container layers", database, lambda: layerdb.container_layers(database))
    snapshots = ask.witness("BuildKit", bolts, lambda: _snapshots(bolts))
    records = ask.part("BuildKit records", bolts, lambda: _records(bolts))
    stored = ask.rows("images", layout.database, lambda: layerdb.images(layout.database))
    oldest_s = time.time() - grace_s
    live_writes = tuple(write for write in writes if write.touched_s > oldest_s)
    return Parts(
        images=stored,
        layers=layers,
        container_layers=containers,
        build_snapshots=_build_snapshots(snapshots, records),
        known=needs(
            known(
                layers=value(layers, ()),
                containers=value(containers, ()),
                images=value(stored, ()),
                records=value(records, ()),
                snapshots=value(snapshots, {}),
                removing=removing,
                live_writes=live_writes,
            ),
            layers,
            containers,
        ),
        names=frozenset(value(snapshots, {})),
        writes=writes,
        born_s=born_s(database),
        units=_units(
            layout,
            [write.path for write in writes if write.touched_s <= oldest_s]
            + [one.path for one in removing if one.touched_s <= oldest_s],
        ),
    )


def _snapshots(bolts: Path) -> Mapping[str, bolt_holders.CacheSnapshot]:
    """Empty where BuildKit never ran."""
    database = bolts / "snapshots.db"
    return bolt_holders.snapshots(database) if database.exists() else {}


def _records(bolts: Path) -> tuple[bolt_holders.CacheRecord, ...]:
    for name in _METADATA_FILES:
        if (bolts / name).exists():
            return bolt_holders.records(bolts / name)
    return ()


def _build_snapshots(
    snapshots: Reading[Mapping[str, bolt_holders.CacheSnapshot]], records: Reading[tuple[bolt_holders.CacheRecord, ...]]
) -> Reading[tuple[BuildSnapshot, ...]]:
    if not isinstance(snapshots, Exact):
        return snapshots
    if not isinstance(records, Exact):
        return records
    return Exact(build_snapshots(records.value, snapshots.value), snapshots.origin)


def _units(layout: Layout, interrupted: Iterable[str]) -> tuple[Unit, ...]:
    return (
        *unit_at(layout.database, UnitKind.LAYER_DATABASE, name=f"image/{layout.name}"),
        *(unit_at(layout.base / LINKS, UnitKind.LAYER_DATABASE) if layout.base is not None else ()),
        *(one for path in interrupted for one in unit_at(Path(path), UnitKind.INTERRUPTED_WRITE)),
    )


# vfs, which copies every layer whole, and the drivers of former years: nothing but a graph driver each.
VFS = GraphDriver("vfs", "vfs/dir", copies_layers=True)
AUFS = GraphDriver("aufs", "aufs/diff")
AUFS.mounted_as = frozenset({"aufs"})
ZFS = GraphDriver("zfs", None)
DEVICEMAPPER = GraphDriver("devicemapper", None)
