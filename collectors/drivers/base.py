"""What the program asks of one storage driver, and what the answer consists of. `DRIVERS` holds those that it knows.

A driver says whether it has a store under a Docker root, where its layers lie, whose they are and how one is removed.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from collectors.drivers.files import Rows, followed
from collectors.drivers.layerdb import Write
from collectors.drivers.listing import Asker, Entry, Known
from collectors.model import dataclass
from collectors.model.reading import Reading
from collectors.model.store import BuildSnapshot, ContainerLayers, ContainerLog, DriverFacts, Layer, StoredImage, Unit

LINKS = "l"  # the overlay drivers' folder of short links
# What Docker has ever made below its root, the folders of its drivers among them; the last: of a user namespace.
_DOCKERS = re.compile(
    r"builder|buildkit|containers|containerd|engine-id|graph|image|init|key\.json|linkgraph\.db|lost\+found|network|nri"
    r"|nuke-graph-directory\.sh|plugins|repositories-\w+|rootfs|runtimes|swarm|tmp|tmp-old|trust|volumes"
    r"|aufs|btrfs|devicemapper|fuse-overlayfs|overlay|overlay2|vfs|windowsfilter|zfs|check-overlayfs-support\d+"
    r"|[0-9]+\.[0-9]+"
)
_REMOVE = ("rm", "-rf", "--one-file-system", "--")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the databases of one family of stores tell."""

    images: Reading[tuple[StoredImage, ...]]
    layers: Reading[tuple[Layer, ...]]
    container_layers: Reading[tuple[ContainerLayers, ...]]
    build_snapshots: Reading[tuple[BuildSnapshot, ...]]
    known: Reading[Mapping[str, Known]]  # by path below Layout.base; not there when what is a layer cannot be told
    names: frozenset[str]  # further names that some database uses, whatever they stand for
    writes: tuple[Write, ...]  # registrations of layers, going on or interrupted
    born_s: float | None  # when the main database came into being, seconds since the epoch; None: cannot be known
    units: tuple[Unit, ...]  # the databases themselves, and what an interruption left in them
    leases: Mapping[str, datetime] = field(default_factory=dict)  # as Store.leases


@dataclass(frozen=True, slots=True)
class Candidate:
    """A store that lies under a Docker root, in use or not."""

    driver: StorageDriver
    name: str  # as Store.driver
    database: Path
    base: Path | None  # what its folders of layers lie below; None: this driver keeps no directories
    folders: tuple[Path, ...]  # all that would be left behind after a switch away from it
    opened_s: float  # last sign of life, seconds since the epoch


@dataclass(frozen=True, slots=True)
class Layout:
    """The store in use, and what lies beside it."""

    root: Path
    driver: StorageDriver
    name: str  # as Store.driver
    base: Path | None  # what its folders of layers lie below; None: this driver keeps no directories
    database: Path  # image/<driver>, the containerd root, or the Podman root
    others: tuple[Path, ...]  # folders of drivers and stores that are not in use
    notes: tuple[str, ...]


class LayerRemover(Protocol):
    """What reclaim lends a driver to remove a layer with: nothing in here changes a machine by itself."""

    def remove_whole(self, path: Path) -> None:
        """Remove a directory with everything in it, or a subvolume. OSError as the kernel gives it."""


class StorageDriver(ABC):
    """One storage driver. What is not asked of most of them has an answer here."""

    name: str  # as the engine calls it
    layer_name: re.Pattern[str]  # the names that its engine gives to directories of layers
    folder: str | None = None  # of the root, that is this driver's whatever else lies there
    facts = DriverFacts(remove_command=_REMOVE, clears_unfinished=False, contents="")
    copies_layers = False  # a container gets a copy of its whole image
    collects_unknown = False  # its engine will itself remove a layer that nobody knows
    mounts_below_root = False  # it mounts layers nowhere but below the root
    mounted_as: frozenset[str] = frozenset()  # the kernel's name of a container's root
    stacks = False  # it keeps short links, and `lower` files that say what a layer stands on

    @abstractmethod
    def detect(self, root: Path, containerd_root: Path | None, meant: tuple[str, ...]) -> tuple[Candidate, ...]:
        """Its stores under `root`, or in a containerd of the host's own. `meant`: what the engine's word stands for."""

    @abstractmethod
    def owners(self, layout: Layout, ask: Asker, grace_s: float) -> Parts:
        """Everything that its databases tell. A write that was touched within the last `grace_s` is taken to go on."""

    def layer_folders(self, layout: Layout) -> tuple[str, ...]:
        """The folders below `layout.base` that hold one directory (or blob) for each unit. OSError: unlistable."""
        return ("",) if layout.base is not None else ()

    def is_layer(self, one: Entry) -> bool:
        """Is this entry a unit of the driver, rather than a lock, a folder of links or a probe of its own?"""
        return one.is_folder and one.name != LINKS and not one.name.startswith(".")

    def facts_of(self, layout: Layout) -> DriverFacts:
        """What holds for this store whatever it keeps."""
        return self.facts

    def links(self, base: Path) -> dict[str, str]:
        """Short link → name of the directory that it stands for."""
        return {}

    def stood_on(self, base: Path, known: Iterable[str], links: Mapping[str, str]) -> Mapping[str, str]:
        """Directory → one of the `known` directories that is stacked on it."""
        return {}

    def makes(self, name: str) -> bool:
        """Does its engine make a file or folder of this name below the root?"""
        return _DOCKERS.fullmatch(name) is not None

    def containers(self, layout: Layout) -> Path:
        """The folder with one folder for each container."""
        return followed(layout.root / "containers")

    @abstractmethod
    def log_paths(self, container: Path) -> tuple[str, ...]:
        """The log files of a container, by its folder."""

    @abstractmethod
    def logs(self, layout: Layout) -> Rows[ContainerLog]:
        """The logs of every container."""

    def remove_layer(self, path: Path, remover: LayerRemover) -> None:
        """Remove one layer, whole, with whatever else stands for it. OSError as the kernel gives it."""
        remover.remove_whole(path)
