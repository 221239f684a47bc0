"""One look at the machine: everything that was read, at one time, unjudged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from collectors.model.engine import DaemonConfig, EngineView
from collectors.model.facts import FilesystemFacts
from collectors.model.filesystem import Filesystem, Occupancy, OpenFiles
from collectors.model.reading import Exact, Reading, Size
from collectors.model.store import Store, Unit


class Outcome(StrEnum):
    READ = "read"
    PARTIAL = "partial"
    UNREAD = "unread"


@dataclass(frozen=True, slots=True)
class SourceReport:
    """One line of coverage: what a source did. `reason` is empty where it read everything."""

    source: str
    outcome: Outcome
    reason: str
    took_s: float


@dataclass(frozen=True, slots=True)
class FilesystemStudy:
    """One filesystem that holds Docker's data."""

    filesystem: Filesystem
    units: tuple[Unit, ...]
    occupancy: Reading[Occupancy]
    filesystem_facts: Reading[FilesystemFacts] | None  # None: this kind of filesystem has none of its own
    own: Size  # what the filesystem itself takes inside `used`: metadata, reserve, copies
    open_deleted: Reading[OpenFiles]
    covered: tuple[str, ...]  # directories of it that another mount lies over: what is in them is out of sight
    snapshots: Reading[bool]  # False: this kind has none, nor deletes that are pending; True: those it has are units
    beyond_mount: bool  # are bytes met that lie outside what is mounted here?
    own_inodes: Size  # what the filesystem itself takes of its inodes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`studies` starts with the Docker root's filesystem; empty where not even that could be found.

    `assumed`: no root was found, and the first study is of where one would usually be.
    """

    host: str
    began_at: datetime
    ended_at: datetime
    docker_root: Reading[str]
    engine: EngineView
    store: Reading[Store]
    daemon_config: Reading[DaemonConfig]
    studies: tuple[FilesystemStudy, ...]
    reports: tuple[SourceReport, ...]
    assumed: bool

    @property
    def alone(self) -> bool:
        """Is this the store of a containerd with no engine above it? What is in use there its own database says."""
        return isinstance(self.store, Exact) and self.store.value.address is not None


@dataclass(frozen=True, slots=True)
class Disk:
    """What a look at the disk alone found, without a word of the engine's: the answer of a probe container."""

    root: Reading[str]
    store: Reading[Store]
    studies: tuple[FilesystemStudy, ...]  # as in Snapshot
    reports: tuple[SourceReport, ...]
