"""What the program asks of one kind of filesystem, and the kind of which nothing special is known.

`FILESYSTEMS` holds those that it knows. A kind that needs nothing special is `Plain`, and any other may start from it:
it is walked by name, and does not tell what it takes for itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from collectors.model import dataclass
from collectors.model.filesystem import Mount, Occupancy, OwnUse
from collectors.model.reading import Exact, Origin, Reading, Unavailable, Why
from collectors.model.snapshot import FilesystemFacts
from collectors.model.store import Unit
from collectors.system.deadline import Clock, Host
from collectors.system.mount_table import Places
from collectors.system.walk import WalkTraits, walk

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
    own: OwnUse | None  # what the filesystem takes for itself inside `used`; None: what the kind's `own` answers
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

    def own(self, mount: Mount, host: Host, *, timeout_s: float) -> OwnUse:
        """What the filesystem takes for itself inside statvfs `used`, as far as that can be told without a walk."""

    def holders(self, question: StudyQuestion) -> FilesystemHolders:
        """Who holds which bytes. Within the question's clock."""

    def unopened(
        self, mount: Mount, path: Path, host: Host, why: Unavailable, *, timeout_s: float
    ) -> FilesystemHolders:
        """What can be told through `path` where nobody's files can be seen: `why` says why not."""

    def report_part(self) -> ReportPart | None:
        """Its part of every report; None where it has none. Loaded when asked."""


OWN_SOURCE = "filesystem.own"


class Plain:
    """A kind without snapshots. What is different in another kind is overridden there."""

    fstypes: frozenset[str] = frozenset()
    traits = WalkTraits()

    def own(self, mount: Mount, host: Host, *, timeout_s: float) -> OwnUse:
        """Not to be told."""
        detail = f"{mount.fstype} does not tell what it takes for itself"
        unknown = Unavailable(Why.NOT_APPLICABLE, detail, Origin(OWN_SOURCE, call_of(mount), datetime.now(UTC), 0.0))
        return OwnUse(unknown, unknown, None)

    def holders(self, question: StudyQuestion) -> FilesystemHolders:
        """By a walk through the directories."""
        found = walk(
            Path(question.mount.mountpoint),
            question.units,
            deadline_s=question.clock.left(keep=KEEP_S),
            cache=question.cache,
            traits=self.traits,
        )
        return FilesystemHolders(question.units, found, None, None, self.snapshots(question.mount), beyond_mount=False)

    def unopened(
        self, mount: Mount, path: Path, host: Host, why: Unavailable, *, timeout_s: float
    ) -> FilesystemHolders:
        """What the filesystem takes for itself, from its device."""
        own = self.own(mount, host, timeout_s=timeout_s)
        return FilesystemHolders((), why, own, None, self.snapshots(mount), beyond_mount=False)

    def snapshots(self, mount: Mount) -> Reading[bool]:
        """None, whatever is on it."""
        return Exact(False, Origin("filesystem.kind", call_of(mount), datetime.now(UTC), 0.0))

    def report_part(self) -> ReportPart | None:
        """Nothing to report of its own."""
        return None


def call_of(mount: Mount) -> str:
    """What is asked, in the words of an origin."""
    return f"{mount.fstype} on {mount.source}"
