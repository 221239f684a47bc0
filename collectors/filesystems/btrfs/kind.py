"""btrfs as a kind of filesystem: the exact walk of its trees says who holds what, and its own figures what it takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from collectors.filesystems import btrfs
from collectors.filesystems.base import KEEP_S, FilesystemHolders, ReportPart, StudyQuestion
from collectors.filesystems.btrfs import holders
from collectors.filesystems.btrfs.units import host_directories, split_rules, subvolume_units, unlisted_units
from collectors.filesystems.plain import Plain
from collectors.model.btrfs import Btrfs, Sharing
from collectors.model.filesystem import Mount, Occupancy
from collectors.model.owner import Owner, OwnerKind
from collectors.model.reading import Exact, Reading, Size, Unavailable
from collectors.model.store import Unit, UnitKind
from collectors.system.host import Host
from collectors.system.walk import WalkTraits


class BtrfsKind(Plain):
    """Exact where the trees can be read: a walk by name would count what is shared once for each of its holders."""

    fstypes = frozenset({"btrfs"})
    traits = WalkTraits(subvolumes=True)

    def holders(self, question: StudyQuestion) -> FilesystemHolders:
        """By the exact walk. Without it there are no figures: a walk by name would count copies."""
        mountpoint, clock, host = Path(question.mount.mountpoint), question.clock, question.host
        facts = btrfs.filesystem(mountpoint, host, timeout_s=clock.left(at_most=10.0))
        if isinstance(facts, Unavailable):
            return _answer(question.units, facts, facts, facts)
        units = (*question.units, *subvolume_units(facts.value, question.mount, question.places, question.units))
        units = (*units, *host_directories(question.mount, question.places, question.docker_root))
        rules = split_rules((u for u in units if u.path.startswith("/")), question.places)
        sharing: Reading[Sharing] = btrfs.sharing(
            mountpoint, host, facts.value, rules, deadline_s=clock.left(keep=KEEP_S), cache=question.cache
        )
        # The walk commits first, which moves metadata: the figures beside it are those after it.
        later = btrfs.filesystem(mountpoint, host, timeout_s=clock.left(at_most=5.0))
        whole = replace(later.value if isinstance(later, Exact) else facts.value, sharing=sharing)
        own = holders.own_bytes(whole, sharing)
        nameless = frozenset({Owner(OwnerKind.UNLINKED, "")})
        units = (*units, Unit(holders.UNLINKED, UnitKind.UNLINKED, "", "deleted, still open", nameless, False, None))
        if isinstance(sharing, Unavailable):
            return _answer(units, sharing, own, Exact(whole, facts.origin))
        if isinstance(facts.value.subvolumes, Unavailable):
            units = (*units, *unlisted_units(sharing.value, units))
        occupancy = holders.occupancy(sharing, whole.spaces)
        return _answer(units, Exact(occupancy, sharing.origin), own, Exact(whole, facts.origin))

    def unopened(
        self, mount: Mount, path: Path, host: Host, why: Unavailable, *, timeout_s: float
    ) -> FilesystemHolders:
        """Its allocation, and from that what it takes for itself."""
        facts = btrfs.filesystem(path, host, timeout_s=timeout_s)
        own = holders.own_bytes(facts.value, why) if isinstance(facts, Exact) else facts
        return _answer((), why, own, facts)

    def report_part(self) -> ReportPart | None:
        """The section `Docker Storage Btrfs`, the object `btrfs`."""
        from collectors.filesystems.btrfs.report_part import BtrfsPart

        return BtrfsPart()


def _answer(
    units: tuple[Unit, ...], occupancy: Reading[Occupancy], own: Size, facts: Reading[Btrfs]
) -> FilesystemHolders:
    snapshots: Reading[bool] = facts if isinstance(facts, Unavailable) else Exact(True, facts.origin)
    if isinstance(facts, Exact) and isinstance(facts.value.subvolumes, Unavailable):
        snapshots = facts.value.subvolumes  # each may be a snapshot
    return FilesystemHolders(units, occupancy, own, facts, snapshots, beyond_mount=True)
