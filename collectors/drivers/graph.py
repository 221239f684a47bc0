"""A store of Docker's graph drivers (overlay2, btrfs, vfs, fuse-overlayfs …): layer database, images, mounts,
BuildKit.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from collectors.drivers import buildkit, layerdb, logs, ownership
from collectors.drivers.ask import Asker, needs, value
from collectors.drivers.base import LINKS, Candidate, Layout, Parts, StorageDriver
from collectors.drivers.files import Rows, folders_if_there
from collectors.drivers.listing import born_s, unit_at
from collectors.model.reading import Exact, Reading
from collectors.model.store import BuildSnapshot, ContainerLog, Unit, UnitKind

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
        database = root / "image" / self.name
        if not (database / "layerdb").is_dir():
            return ()
        base = root / self._layers if self._layers is not None else None
        opened = opened_s(database / "layerdb", "", "tmp", "mounts", "sha256")
        return (Candidate(self, self.name, database, base, (root / self.name, database), opened),)

    def owners(self, layout: Layout, ask: Asker, grace_s: float) -> Parts:
        """By the layer database, the images and BuildKit."""
        return _owners(layout, ask, grace_s)

    def log_paths(self, container: Path) -> tuple[str, ...]:
        """The current file first, then its rotated siblings."""
        return logs.paths_of(container)

    def logs(self, layout: Layout) -> Rows[ContainerLog]:
        """By each container's configuration."""
        return logs.docker_logs(layout.root)


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
            ownership.known(
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


def _snapshots(bolts: Path) -> Mapping[str, buildkit.CacheSnapshot]:
    """Empty where BuildKit never ran."""
    database = bolts / "snapshots.db"
    return buildkit.snapshots(database) if database.exists() else {}


def _records(bolts: Path) -> tuple[buildkit.CacheRecord, ...]:
    for name in _METADATA_FILES:
        if (bolts / name).exists():
            return buildkit.records(bolts / name)
    return ()


def _build_snapshots(
    snapshots: Reading[Mapping[str, buildkit.CacheSnapshot]], records: Reading[tuple[buildkit.CacheRecord, ...]]
) -> Reading[tuple[BuildSnapshot, ...]]:
    if not isinstance(snapshots, Exact):
        return snapshots
    if not isinstance(records, Exact):
        return records
    return Exact(ownership.build_snapshots(records.value, snapshots.value), snapshots.origin)


def _units(layout: Layout, interrupted: Iterable[str]) -> tuple[Unit, ...]:
    return (
        *unit_at(layout.database, UnitKind.LAYER_DATABASE, name=f"image/{layout.name}"),
        *(unit_at(layout.base / LINKS, UnitKind.LAYER_DATABASE) if layout.base is not None else ()),
        *(one for path in interrupted for one in unit_at(Path(path), UnitKind.INTERRUPTED_WRITE)),
    )
