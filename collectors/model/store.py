"""What lies under the Docker root, and who knows it: the layer database, BuildKit's records, logs, leftovers.

All of it is read from disk, so it holds with the engine dead. A `Unit` is the atom of accounting: a directory tree or a
subvolume that is measured as one thing and belongs to a set of owners. It may be freed when the last owner goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from collectors.model import CacheId, ChainId, ContainerId, DiffId, ImageId, Owner, UnitId, dataclass
from collectors.model.reading import Reading


class UnitKind(StrEnum):
    IMAGE_LAYER = "image layer"
    WRITABLE_LAYER = "writable layer"
    INIT_LAYER = "init layer"
    BUILD_SNAPSHOT = "build snapshot"  # BuildKit's, also local sources and cache mounts
    CACHE_MOUNTS = "cache mounts of builds"  # of all builds together, in a folder outside the root (Podman, Buildah)
    BUILD_DATABASE = "build database"
    VOLUME = "volume"
    LOG = "container log"  # the log files of one container, rotated siblings included
    CONTAINER_FILES = "container files"  # config, hostname, hosts, shm … of one container
    CONTENT = "content"  # containerd content blobs
    LAYER_DATABASE = "layer database"
    ENGINE_FILES = "engine files"  # network, swarm, trust, runtimes, engine-id …
    FOREIGN = "not the engine's"  # under the Docker root, and no engine makes a thing of this name there
    PLUGIN = "plugin"
    TEMPORARY = "temporary"  # <root>/tmp
    CORE_DUMP = "core dump"  # in a writable layer
    NESTED_ROOT = "nested Docker root"  # an engine inside a container keeps its data in a volume or layer
    INTERRUPTED_WRITE = "interrupted write"  # layerdb/tmp/write-set-*, *-removing, unfinished ingests
    OTHER_DRIVER = "other driver"  # directories of a driver or store that is not in use
    FORMER_ROOT = "a former Docker root"  # anything in a Docker root that no engine was seen running on
    OTHER_ENGINE = "another engine's store"  # anything in it
    ORPHAN_CANDIDATE = "unknown layer"  # in the driver's directory, and no owner source names it
    BIND = "bind mount"  # a host directory mounted into a container
    SNAPSHOT = "snapshot"  # a btrfs snapshot outside Docker
    SUBVOLUME = "subvolume"  # any other btrfs subvolume outside Docker
    UNLINKED = "deleted, still open"  # btrfs: files without a name that a process keeps open
    DELETED = "deleted subvolume"  # dropped, waiting for the cleaner
    HOST = "host files"  # everything else on the filesystem


LIES_INSIDE = (UnitKind.CORE_DUMP, UnitKind.NESTED_ROOT)  # they lie in a container or a volume, and go with it


@dataclass(frozen=True, slots=True)
class Unit:
    id: UnitId  # its path
    kind: UnitKind
    path: str  # absolute, as this process can open it: a directory or one file, less what lies in a deeper unit
    name: str  # for people: the driver's directory name, volume name, container id …
    owners: frozenset[Owner]  # may go when the last of them goes; empty: nobody that was read knows it
    immutable: bool  # its bytes never change while it lives: may be measured once in its life
    created_at: datetime | None  # birth time where the filesystem tells; None: it does not


@dataclass(frozen=True, slots=True)
class Layer:
    """One row of the layer database."""

    chain_id: ChainId
    parent: ChainId | None  # None: base layer
    diff_id: DiffId
    cache_id: CacheId
    size_bytes: int  # logical bytes as the engine wrote them


@dataclass(frozen=True, slots=True)
class StoredImage:
    id: ImageId
    tags: tuple[str, ...]
    chain: tuple[ChainId, ...]  # base first
    parent: ImageId | None = None  # the untagged image of the step before, in a legacy build: goes with its last child
    users: tuple[str, ...] | None = None  # containers made from it, by name; None: only an engine knows


@dataclass(frozen=True, slots=True)
class ContainerLayers:
    """layerdb/mounts/<container>: the writable layer and its init layer."""

    container_id: ContainerId
    mount_id: CacheId
    init_id: CacheId | None
    parent: ChainId | None
    name: str = ""  # as the store itself has it, where it does


@dataclass(frozen=True, slots=True)
class BuildSnapshot:
    """One snapshot of BuildKit's bolt files and the directory or chain that it stands for."""

    record_id: str
    directory: CacheId | None
    chain_id: ChainId | None


@dataclass(frozen=True, slots=True)
class ContainerLog:
    container_id: ContainerId
    driver: str  # json-file, local, k8s-file …
    paths: tuple[str, ...]  # current file first, then rotated ones
    allocated_bytes: int
    apparent_bytes: int
    rotates: bool | None  # is a maximum size in force? None: not to be known from disk (Podman)


class Orphanhood(StrEnum):
    ORPHAN = "orphan"  # every owner source was read, none knows it, it is old enough, seen on two listings
    YOUNG = "young"  # nobody knows it, and it is younger than the grace period: may be being written
    UNKNOWN = "unknown"  # an owner source could not be read: no verdict


@dataclass(frozen=True, slots=True)
class OrphanProof:
    """Why a directory is (not) called an orphan. `checked` names each owner source that was read and is clean."""

    unit: UnitId
    verdict: Orphanhood
    checked: tuple[str, ...]
    unread: tuple[str, ...]
    age_s: float | None  # None: the filesystem gives no birth or change time
    note: str


@dataclass(frozen=True, slots=True)
class DriverFacts:
    """What holds for a storage driver whatever it keeps."""

    remove_command: tuple[str, ...]  # the words of a command that removes layers, before their paths
    clears_unfinished: bool  # does its engine remove by itself what it did not finish writing?
    contents: str  # the folder in a layer's directory that holds its files; "" for the directory itself
    build_cache: str = ""  # where builds keep their cache, if nothing of it is told apart; "": it has records


@dataclass(frozen=True, slots=True)
class OtherStore:
    """A store on the same filesystems that is not the studied engine's. Its units are units of ours, by its path."""

    path: str
    kind: str  # Docker root, rootless Docker root, containerd, Podman storage, BuildKit
    runs: str  # the process that works on it; "": none was seen
    ask: str  # what a person types to look into it; "": there is nobody to ask
    images: tuple[str, ...]
    volumes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Store:
    """The Docker root, read once. Each part arrives or says why not; units and proofs are joined from the parts."""

    root: str
    driver: str  # overlay2, btrfs, vfs, fuse-overlayfs, containerd:<snapshotter>, overlay (Podman)
    driver_facts: DriverFacts
    images: Reading[tuple[StoredImage, ...]]
    layers: Reading[tuple[Layer, ...]]
    container_layers: Reading[tuple[ContainerLayers, ...]]
    build_snapshots: Reading[tuple[BuildSnapshot, ...]]
    logs: Reading[tuple[ContainerLog, ...]]
    units: Reading[tuple[Unit, ...]]
    orphans: Reading[tuple[OrphanProof, ...]]
    others: tuple[OtherStore, ...] = ()  # beside it
    leases: Mapping[str, datetime] = field(default_factory=dict)  # of containerd, by owner id: those that end, and when
    address: str | None = None  # of the containerd that is asked, where no engine stands above it; "": its usual one
    notes: tuple[str, ...] = ()  # oddities, one sentence each; foreign text in them is not yet escaped
