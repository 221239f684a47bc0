"""A filesystem of which nothing special is known: it is walked by name, and does not tell what it takes for itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from collectors.filesystems.base import KEEP_S, FilesystemHolders, ReportPart, StudyQuestion
from collectors.model.filesystem import Mount
from collectors.model.reading import Exact, Origin, Reading, Size, Unavailable, Why
from collectors.system.host import Host
from collectors.system.walk import WalkTraits, walk

OWN_SOURCE = "filesystem.own"


class Plain:
    """A kind without snapshots. What is different in another kind is overridden there."""

    fstypes: frozenset[str] = frozenset()
    traits = WalkTraits()

    def own_bytes(self, mount: Mount, host: Host, *, timeout_s: float) -> Size:
        """Not to be told."""
        detail = f"{mount.fstype} does not tell what it takes for itself"
        return Unavailable(Why.NOT_APPLICABLE, detail, Origin(OWN_SOURCE, call_of(mount), datetime.now(UTC), 0.0))

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
        own = self.own_bytes(mount, host, timeout_s=timeout_s)
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
