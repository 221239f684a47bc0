"""What the program asks of one kind of filesystem; `FILESYSTEMS` holds those that it knows.

A kind that needs nothing special is `Plain`, and any other may start from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from collectors.model.facts import FilesystemFacts
from collectors.model.filesystem import Mount, Occupancy
from collectors.model.reading import Reading, Size, Unavailable
from collectors.model.store import Unit
from collectors.system.deadline import Clock
from collectors.system.host import Host
from collectors.system.places import Places
from collectors.system.walk import WalkTraits

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from collectors.model.report import Report

# What comes after the walk (joining, judging, printing) needs a moment of the deadline too.
KEEP_S = 0.6


@dataclass(frozen=True, slots=True)
class StudyQuestion:
    """Who holds the bytes of the filesystem at `mount`? `units` are those that Docker makes on it."""

    mount: Mount
    host: Host
    places: Places
    units: tuple[Unit, ...]
    docker_root: str
    clock: Clock
    cache: Path | None  # the folder for figures that need not be measured again; None keeps none


@dataclass(frozen=True, slots=True)
class FilesystemHolders:
    """Who holds the bytes, and what the filesystem tells of itself."""

    units: tuple[Unit, ...]  # those of the question, and what the filesystem itself tells of
    occupancy: Reading[Occupancy]
    own: Size | None  # the filesystem's own bytes inside `used`; None: what `own_bytes` answers
    facts: Reading[FilesystemFacts] | None
    snapshots: Reading[bool]  # as FilesystemStudy.snapshots
    beyond_mount: bool  # as FilesystemStudy.beyond_mount


class ReportPart(Protocol):
    """What a kind of filesystem adds to every report, also where the filesystem is of another kind."""

    title: str  # of its section of the text, after "Docker Storage "
    key: str  # of its object in the JSON document

    def section(self, report: Report, si: bool) -> list[str]:
        """The lines of its section."""

    def document(self, facts: Reading[FilesystemFacts] | None) -> dict[str, object] | None:
        """Its object in the JSON document; None where the filesystem is of another kind."""

    def metrics(self, facts: Reading[FilesystemFacts] | None) -> Iterator[Metric]:
        """Its samples."""


class FilesystemKind(Protocol):
    """One kind of filesystem."""

    fstypes: frozenset[str]  # as the kernel's mount table names it
    traits: WalkTraits

    def own_bytes(self, mount: Mount, host: Host, *, timeout_s: float) -> Size:
        """What the filesystem takes for itself inside statvfs `used`, as far as that can be told without a walk."""

    def holders(self, question: StudyQuestion) -> FilesystemHolders:
        """Who holds which bytes. Within the question's clock."""

    def unopened(
        self, mount: Mount, path: Path, host: Host, why: Unavailable, *, timeout_s: float
    ) -> FilesystemHolders:
        """What can be told through `path` where nobody's files can be seen: `why` says why not."""

    def report_part(self) -> ReportPart | None:
        """Its part of every report; None where it has none. Loaded when asked."""
