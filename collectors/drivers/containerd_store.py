"""The containerd image store: images, layers and blobs of Docker's namespace, and whose each directory and blob is.

Refuses to take what only a lease or another client's namespace holds for nobody's.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from collectors.drivers import bolt_holders, containerd, containerd_images, leftovers
from collectors.drivers.base import Candidate, Layout, Parts, StorageDriver
from collectors.drivers.containerd import (
    CONTENT,
    DOCKER_NAMESPACE,
    METADATA,
    SNAPSHOTTER_METADATA,
    SNAPSHOTTER_PREFIX,
    Namespace,
    SnapshotDirectory,
    SnapshotKind,
    main_snapshotter,
    namespaces,
)
from collectors.drivers.files import Rows, folders_if_there
from collectors.drivers.graph import opened_s
from collectors.drivers.listing import (
    NOBODY,
    Asker,
    Entry,
    Known,
    born_s,
    derived,
    entries_if_there,
    needs,
    unit,
    unit_at,
    value,
)
from collectors.model import Owner, OwnerKind
from collectors.model.reading import Exact
from collectors.model.store import ContainerLog, DriverFacts, Unit, UnitKind
from collectors.system.deadline import Declined, Malformed

_PREFIX = "containerd:"
_ROOT_FILES = frozenset({"lost+found", "tmpmounts"})
_INIT = "-init"
_STACKING = frozenset({"overlayfs", "fuse-overlayfs"})
SNAPSHOT_SHELVES = ("snapshots", "active", "view")  # the last two: the btrfs snapshotter's


class ContainerdDriver(StorageDriver):
    """Docker's images in containerd, by whatever snapshotter."""

    name = "containerd"
    layer_name = re.compile(r"[0-9]+|[0-9a-f]{64}|[0-9a-f]{128}")
    facts = DriverFacts(StorageDriver.facts.remove_command, clears_unfinished=True, contents="")
    collects_unknown = True

    def detect(self, root: Path, containerd_root: Path | None, meant: tuple[str, ...]) -> tuple[Candidate, ...]:
        """Each snapshotter that has ever held something, of the containerd that dockerd starts or of the host's own."""
        if (root / METADATA).is_file():
            return _alone(self, root, meant)
        daemons = (root / "containerd" / "daemon", *((containerd_root,) if containerd_root is not None else ()))
        return tuple(
            one
            for daemon in daemons
            if (daemon / METADATA).is_file()
            for one in _candidates(self, daemon, daemon == containerd_root, meant)
        )

    def owners(self, layout: Layout, ask: Asker, grace_s: float) -> Parts:
        """By containerd's databases."""
        return _owners(layout, ask, grace_s)

    def layer_folders(self, layout: Layout) -> tuple[str, ...]:
        """Those of the snapshotter, and the blobs."""
        if layout.base is None:
            return ()
        snapshotter = SNAPSHOTTER_PREFIX + layout.name.removeprefix(_PREFIX)
        blobs = f"{CONTENT}/blobs"
        return (
            *(f"{snapshotter}/{name}" for name in SNAPSHOT_SHELVES if (layout.base / snapshotter / name).is_dir()),
            *(f"{blobs}/{algorithm}" for algorithm in folders_if_there(layout.base / blobs)),
        )

    def facts_of(self, layout: Layout) -> DriverFacts:
        """Snapshotters that stack keep a layer's files apart from what the kernel works with."""
        stacks = layout.name.removeprefix(_PREFIX) in _STACKING
        return replace(self.facts, contents="fs") if stacks else self.facts

    def is_layer(self, one: Entry) -> bool:
        """Blobs are files."""
        return True

    def makes(self, name: str) -> bool:
        """Docker's names, and where the root is containerd's own, its plugins'."""
        return name.startswith("io.containerd.") or name in _ROOT_FILES or super().makes(name)

    def log_paths(self, container: Path) -> tuple[str, ...]:
        """Docker's own."""
        return leftovers.paths_of(container)

    def logs(self, layout: Layout) -> Rows[ContainerLog]:
        """Docker's own."""
        return leftovers.docker_logs(layout.root)


def _candidates(driver: ContainerdDriver, daemon: Path, elsewhere: bool, meant: tuple[str, ...]) -> Iterator[Candidate]:
    everybody = _users(daemon / METADATA)
    docker = frozenset(name for name in everybody if name.partition("_")[0] == DOCKER_NAMESPACE)
    for folder in (name for name in folders_if_there(daemon) if name.startswith(SNAPSHOTTER_PREFIX)):
        name = _PREFIX + folder.removeprefix(SNAPSHOTTER_PREFIX)
        # containerd makes an empty database for every snapshotter that the filesystem suits.
        opened = (daemon / folder / SNAPSHOTTER_METADATA).is_file() and bool(docker if elsewhere else everybody)
        if opened or name in meant:
            # A containerd of the host's own may serve Kubernetes as well: then nothing of it is Docker's leftover.
            alone = not elsewhere or docker == everybody
            folders = (daemon / CONTENT, daemon / folder) if alone else ()
            yield Candidate(driver, name, daemon, daemon, folders, opened_s(daemon / folder, SNAPSHOTTER_METADATA))


def _alone(driver: ContainerdDriver, root: Path, meant: tuple[str, ...]) -> tuple[Candidate, ...]:
    """A containerd that is itself the root: by the snapshotter that is meant, else its main one. The others are in use
    as well, for all that can be known.
    """
    named = next((name for name in meant if name.startswith(_PREFIX)), _PREFIX + main_snapshotter(root))
    opened = opened_s(root / (SNAPSHOTTER_PREFIX + named.removeprefix(_PREFIX)), SNAPSHOTTER_METADATA)
    return (Candidate(driver, named, root, root, (), opened),) if named != _PREFIX else ()


def _users(metadata: Path) -> frozenset[str]:
    """The namespaces with something in them; of a database that cannot be read now: Docker's, the safe side."""
    try:
        return frozenset(space.name for space in namespaces(metadata) if space.images or space.content)
    except (Declined, Malformed):
        return frozenset({DOCKER_NAMESPACE})


def serves_others(root: Path) -> bool:
    """Does somebody else than Docker keep images here? One that serves Docker alone has an engine above it."""
    return (root / METADATA).is_file() and any(
        name.partition("_")[0] != DOCKER_NAMESPACE for name in _users(root / METADATA)
    )


CONTAINERD = ContainerdDriver()


def _owners(layout: Layout, ask: Asker, grace_s: float) -> Parts:
    """Everything that containerd's databases tell. An ingest touched within the last `grace_s` is taken to go on."""
    snapshotter = layout.name.partition(":")[2]
    rows = layout.database / (SNAPSHOTTER_PREFIX + snapshotter) / containerd.SNAPSHOTTER_METADATA
    metadata = layout.database / containerd.METADATA
    bolts = layout.root / "buildkit" / f"containerd-{snapshotter}" / "metadata_v2.db"
    # A snapshot is numbered before its namespace names it: asked in the reverse order, each name finds its number.
    spaces = ask.witness("containerd metadata", metadata, lambda: containerd.namespaces(metadata))
    directories = ask.witness(
        "snapshotter metadata", rows, lambda: containerd.directories(rows) if rows.exists() else {}
    )
    containers = ask.part(
        "containers", layout.root / "containers", lambda: folders_if_there(layout.root / "containers")
    )
    records = ask.part("BuildKit records", bolts, lambda: bolt_holders.records(bolts) if bolts.exists() else ())
    own = layout.root == layout.database
    views = [
        containerd_images.View(layout.database, snapshotter, space, value(directories, {}), docker=not own)
        for space in value(spaces, ())
        if own or space.name == DOCKER_NAMESPACE
    ]
    unpacked = (
        ask.part("images", layout.database / CONTENT, lambda: containerd_images.unpacked(views))
        if isinstance(spaces, Exact)
        else spaces
    )
    found = value(records, ())
    holders = [
        (space, bolt_holders.holders(space, value(containers, ()), (record.id for record in found), own=own))
        for space in value(spaces, ())
    ]
    if isinstance(unpacked, Exact):
        ask.notes.extend(unpacked.value.images.broken)
    numbered = directories if isinstance(spaces, Exact) else spaces
    return Parts(
        images=derived(unpacked, lambda found: found.images.good),
        layers=derived(unpacked, lambda found: found.layers) if isinstance(directories, Exact) else directories,
        container_layers=derived(
            numbered, lambda _: tuple(one for view in views for one in view.container_layers(value(containers, ())))
        ),
        build_snapshots=derived(records, lambda rows: tuple(one for v in views for one in v.build_snapshots(rows))),
        known=needs(
            {**_directories(snapshotter, holders, value(directories, {}), found), **_blobs(holders)},
            spaces,
            directories,
        ),
        names=frozenset(),
        writes=(),
        born_s=born_s(rows),
        units=_units(layout, rows, grace_s),
        leases=bolt_holders.ends(value(spaces, ())),
    )


def _directories(
    snapshotter: str,
    holders: Iterable[tuple[Namespace, bolt_holders.NamespaceHolders]],
    directories: Mapping[str, SnapshotDirectory],
    records: Iterable[bolt_holders.CacheRecord],
) -> dict[str, Known]:
    """Every directory that the snapshotter has numbered."""
    owners: defaultdict[str, frozenset[Owner]] = defaultdict(frozenset)
    keys: dict[str, str] = {}
    for space, held in holders:
        for node, snapshot in space.snapshots.items():
            if node[0] == snapshotter:
                owners[snapshot.stored_key] |= held.snapshots.get(node, NOBODY)
                keys[snapshot.stored_key] = node[1]
    building = frozenset(record.snapshot for record in records)
    found: dict[str, Known] = {}
    for row in directories.values():
        key = keys.get(row.key, "")
        one = Known(_kind(key, row, owners[row.key], building), owners[row.key], row.kind is SnapshotKind.COMMITTED)
        for shelf in SNAPSHOT_SHELVES:
            found[f"{SNAPSHOTTER_PREFIX}{snapshotter}/{shelf}/{row.number}"] = one
    return found


def _kind(key: str, row: SnapshotDirectory, owners: frozenset[Owner], building: frozenset[str]) -> UnitKind:
    if any(owner.kind is OwnerKind.CONTAINER and key.startswith(owner.id) for owner in owners):
        return UnitKind.INIT_LAYER if key.endswith(_INIT) else UnitKind.WRITABLE_LAYER
    if any(owner.kind is OwnerKind.IMAGE for owner in owners):
        return UnitKind.IMAGE_LAYER
    if key in building or any(owner.kind is OwnerKind.BUILD for owner in owners):
        return UnitKind.BUILD_SNAPSHOT
    return UnitKind.WRITABLE_LAYER if row.kind is SnapshotKind.ACTIVE else UnitKind.IMAGE_LAYER


def _blobs(holders: Iterable[tuple[Namespace, bolt_holders.NamespaceHolders]]) -> dict[str, Known]:
    """Every blob that some namespace has."""
    owners: defaultdict[str, frozenset[Owner]] = defaultdict(frozenset)
    for space, held in holders:
        for digest in space.content:
            owners[digest] |= held.content.get(digest, NOBODY)
    return {
        f"{CONTENT}/blobs/{digest.replace(':', '/', 1)}": Known(UnitKind.CONTENT, held_by, immutable=True)
        for digest, held_by in owners.items()
    }


def _units(layout: Layout, rows: Path, grace_s: float) -> tuple[Unit, ...]:
    oldest_s = time.time() - grace_s
    ingests = entries_if_there(layout.database / CONTENT, "ingest")
    return (
        *unit_at((layout.database / containerd.METADATA).parent, UnitKind.LAYER_DATABASE, name="containerd metadata"),
        *unit_at(rows, UnitKind.LAYER_DATABASE, name="snapshotter metadata"),
        *(
            unit(one, UnitKind.INTERRUPTED_WRITE if _touched_s(one.path) < oldest_s else UnitKind.TEMPORARY)
            for one in ingests
        ),
    )


def _touched_s(ingest: str) -> float:
    """When the last byte of a download arrived, seconds since the epoch."""
    for name in ("data", ""):
        try:
            return (Path(ingest) / name).stat().st_mtime
        except FileNotFoundError:
            continue
    return time.time()  # gone: finished this moment
