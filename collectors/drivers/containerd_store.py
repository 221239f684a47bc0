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
        """Those of each snapshotter in use, and the blobs."""
        base = layout.base
        if base is None:
            return ()
        blobs = f"{CONTENT}/blobs"
        shelves = (
            f"{SNAPSHOTTER_PREFIX}{name}/{shelf}" for name in _snapshotters(layout) for shelf in SNAPSHOT_SHELVES
        )
        return (
            *(shelf for shelf in shelves if (base / shelf).is_dir()),
            *(f"{blobs}/{algorithm}" for algorithm in folders_if_there(base / blobs)),
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


def _snapshotters(layout: Layout) -> tuple[str, ...]:
    """The one that is meant, then those beside it that nobody has given up: clients of one containerd may differ."""
    main, given_up = layout.name.removeprefix(_PREFIX), {path.name for path in layout.others}
    folders = (name for name in folders_if_there(layout.database) if name.startswith(SNAPSHOTTER_PREFIX))
    used = (
        name for name in folders if name not in given_up and (layout.database / name / SNAPSHOTTER_METADATA).is_file()
    )
    return tuple(dict.fromkeys((main, *(name.removeprefix(SNAPSHOTTER_PREFIX) for name in used))))


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
    snapshotters = _snapshotters(layout)
    rows = [layout.database / (SNAPSHOTTER_PREFIX + one) / SNAPSHOTTER_METADATA for one in snapshotters]
    metadata = layout.database / containerd.METADATA
    bolts = layout.root / "buildkit" / f"containerd-{snapshotters[0]}" / "metadata_v2.db"
    # A snapshot is numbered before its namespace names it: asked in the reverse order, each name finds its number.
    spaces = ask.witness("containerd metadata", metadata, lambda: containerd.namespaces(metadata))
    directories = ask.witness(
        "snapshotter metadata", rows[0], lambda: dict(zip(snapshotters, map(_rows, rows), strict=True))
    )
    containers = ask.part(
        "containers", layout.root / "containers", lambda: folders_if_there(layout.root / "containers")
    )
    records = ask.part("BuildKit records", bolts, lambda: bolt_holders.records(bolts) if bolts.exists() else ())
    own = layout.root == layout.database
    views = [
        containerd_images.View(layout.database, snapshotter, space, numbers, docker=not own)
        for snapshotter, numbers in value(directories, {}).items()
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
            {**_directories(holders, value(directories, {}), found), **_blobs(holders)},
            spaces,
            directories,
        ),
        names=frozenset(),
        writes=(),
        born_s=born_s(rows[0]),
        units=_units(layout, rows, grace_s),
        leases=bolt_holders.ends(value(spaces, ())),
    )


def _rows(database: Path) -> Mapping[str, SnapshotDirectory]:
    return containerd.directories(database) if database.exists() else {}


def _directories(
    holders: Iterable[tuple[Namespace, bolt_holders.NamespaceHolders]],
    directories: Mapping[str, Mapping[str, SnapshotDirectory]],
    records: Iterable[bolt_holders.CacheRecord],
) -> dict[str, Known]:
    """Every directory that a snapshotter has numbered. `directories` by snapshotter, then by key."""
    owners: defaultdict[bolt_holders.Node, frozenset[Owner]] = defaultdict(frozenset)
    keys: dict[bolt_holders.Node, str] = {}
    for space, held in holders:
        for (snapshotter, key), snapshot in space.snapshots.items():
            stored = (snapshotter, snapshot.stored_key)
            owners[stored] |= held.snapshots.get((snapshotter, key), NOBODY)
            keys[stored] = key
    building = frozenset(record.snapshot for record in records)
    found: dict[str, Known] = {}
    for snapshotter, row in ((name, row) for name, numbered in directories.items() for row in numbered.values()):
        stored = (snapshotter, row.key)
        kind = _kind(keys.get(stored, ""), row, owners[stored], building)
        one = Known(kind, owners[stored], row.kind is SnapshotKind.COMMITTED)
        for shelf in SNAPSHOT_SHELVES:
            found[f"{SNAPSHOTTER_PREFIX}{snapshotter}/{shelf}/{row.number}"] = one
    return found


def _kind(key: str, row: SnapshotDirectory, owners: frozenset[Owner], building: frozenset[str]) -> UnitKind:
    if any(owner.kind is OwnerKind.CONTAINERD for owner in owners):
        return UnitKind.IMAGE_LAYER  # another client's, a container's too: none of ours writes to it
    if any(owner.kind is OwnerKind.CONTAINER and key.startswith(owner.id.rpartition("/")[2]) for owner in owners):
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


def _units(layout: Layout, rows: Iterable[Path], grace_s: float) -> tuple[Unit, ...]:
    oldest_s = time.time() - grace_s
    ingests = entries_if_there(layout.database / CONTENT, "ingest")
    return (
        *unit_at((layout.database / containerd.METADATA).parent, UnitKind.LAYER_DATABASE, name="containerd metadata"),
        *(one for row in rows for one in unit_at(row, UnitKind.LAYER_DATABASE, name="snapshotter metadata")),
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
