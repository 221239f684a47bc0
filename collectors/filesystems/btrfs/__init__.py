"""btrfs as a kind of filesystem: its cheap figures, the exact table of who shares what, the units it tells of itself.

`filesystem` asks the kernel (ioctls, sysfs, small trees) and takes milliseconds; each part says which privilege it
lacked. `sharing` walks the committed trees. Neither writes anything but the cache file that the caller names. Both are
loaded when they are called: every run, on whatever disk, imports this package. Its units are subvolumes and snapshots,
and directories that the exact walk can split off.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from collectors.filesystems.base import KEEP_S, FilesystemHolders, Plain, ReportPart, StudyQuestion
from collectors.filesystems.btrfs import holders
from collectors.model import Owner, OwnerKind, UnitId
from collectors.model.btrfs import Btrfs, Sharing, SplitRule, Subvolume
from collectors.model.filesystem import Mount, Occupancy, OwnUse
from collectors.model.reading import Exact, Reading, Size, Unavailable, Why
from collectors.model.store import Unit, UnitKind
from collectors.system.deadline import Host
from collectors.system.mount_table import Places, within
from collectors.system.walk import WalkTraits


def filesystem(mountpoint: Path, host: Host, *, timeout_s: float) -> Reading[Btrfs]:
    """Everything that is cheap to ask of the btrfs that holds `mountpoint` (a directory or a file), `sharing` left out.

    NOT_APPLICABLE where the filesystem is no btrfs.
    """
    from collectors.filesystems.btrfs import figures

    return figures.filesystem(mountpoint, host, timeout_s=timeout_s)


def sharing(
    mountpoint: Path,
    host: Host,
    btrfs: Btrfs,
    units: tuple[SplitRule, ...],
    *,
    deadline_s: float,
    cache: Path | None,
) -> Reading[Sharing]:
    """Who holds which bytes, exactly. `cache` is a folder for the last result; None keeps nothing.

    Every subvolume is a holder, named by its path (`Subvolume.unit`); `units` splits directories off.
    When the deadline runs out: the last exact result with its age, else TIMED_OUT.
    """
    from collectors.filesystems.btrfs import trees

    return trees.answered(trees.SharingQuestion(mountpoint, host, btrfs, units, cache), deadline_s)


def subvolume_units(btrfs: Btrfs, mount: Mount, places: Places, units: Iterable[Unit]) -> tuple[Unit, ...]:
    """The subvolumes that no unit of Docker's names: snapshots, others, and those that wait for the cleaner."""
    if not isinstance(btrfs.subvolumes, Exact):
        return ()
    named = {places.inside(unit.path): unit for unit in units}
    former = {path: unit for path, unit in named.items() if unit.kind is UnitKind.OTHER_DRIVER}
    mounted = mounted_subvolumes(places.mounts)
    answer = []
    for subvolume in btrfs.subvolumes.value:
        if subvolume.deleted:
            owner = Owner(OwnerKind.DELETED, str(subvolume.id))
            name = f"subvolume {subvolume.id}"
            unit = Unit(subvolume.unit, UnitKind.DELETED, "", name, frozenset({owner}), False, subvolume.created_at)
            answer.append(unit)
        elif subvolume.path not in named:
            home = next((unit for path, unit in former.items() if within(subvolume.path, path)), None)
            answer.append(_of_former(subvolume, home) if home else _outside(subvolume, subvolume.path in mounted))
    return tuple(answer)


def mounted_subvolumes(mounts: Iterable[Mount]) -> frozenset[str]:
    """The paths, below their filesystem's top level, of what is mounted of any btrfs."""
    return frozenset(mount.root.strip("/") for mount in mounts if mount.fstype == "btrfs")


def _of_former(subvolume: Subvolume, home: Unit) -> Unit:
    """A layer of the btrfs driver that is not in use any more: it goes with its driver's directory."""
    name = f"{home.name}: {subvolume.path.rpartition('/')[2]}"
    return replace(home, id=subvolume.unit, path=subvolume.path, name=name, created_at=subvolume.created_at)


def _outside(subvolume: Subvolume, mounted: bool) -> Unit:
    """A snapshot that is mounted and writable is somebody's live tree (a rolled-back root), not a leftover copy."""
    is_snapshot = bool(subvolume.parent_uuid) and (subvolume.read_only or not mounted)
    kind = UnitKind.SNAPSHOT if is_snapshot else UnitKind.SUBVOLUME
    owners = frozenset({Owner(OwnerKind.SNAPSHOT, subvolume.path)}) if is_snapshot else frozenset[Owner]()
    name = subvolume.path or "top level"
    return Unit(subvolume.unit, kind, subvolume.path, name, owners, subvolume.read_only, subvolume.created_at)


def unlisted_units(sharing: Sharing, units: Iterable[Unit]) -> tuple[Unit, ...]:
    """The subvolumes that only the exact walk met, where they could not be listed: snapshots or not, nobody knows."""
    named = {unit.id for unit in units}
    answer = []
    for holding in sharing.holdings:
        name = holding.unit
        if name in named or name == holders.UNLINKED or holders.is_tree(name):
            continue
        number = name.removeprefix("<deleted>/")
        if number != name:
            owners = frozenset({Owner(OwnerKind.DELETED, number)})
            answer.append(Unit(name, UnitKind.DELETED, "", f"subvolume {number}", owners, False, None))
        elif name:  # the top level is no snapshot
            answer.append(Unit(name, UnitKind.SUBVOLUME, name, name, frozenset(), False, None))
    return tuple(answer)


def split_rules(units: Iterable[Unit], places: Places) -> tuple[SplitRule, ...]:
    """Directories of the filesystem for the exact walk, by their paths below its top level."""
    return tuple(SplitRule(places.inside(unit.path), unit.id) for unit in units)


def host_directories(mount: Mount, places: Places, docker_root: str, *, most: int = 400) -> tuple[Unit, ...]:
    """Directories outside Docker, two levels deep, so that the exact walk can name what fills `other_files`."""
    # The trees also tell what lies below a mountpoint, where no path leads any more.
    answer = [_host(path) for path in places.covered(mount)]
    home = _device(mount.mountpoint)  # each subvolume has a device number of its own: others are units already
    fringe = [(mount.mountpoint, 0)]
    while fringe and len(answer) < most:
        folder, depth = fringe.pop(0)
        for path in _folders(folder):
            if within(path, docker_root) or not places.under(path, mount) or _device(path) != home:
                continue
            if not within(docker_root, path):
                answer.append(_host(path))
            if depth < 2:
                fringe.append((path, depth + 1))
    return tuple(answer[:most])


def _host(path: str) -> Unit:
    return Unit(UnitId(path), UnitKind.HOST, path, path, frozenset(), False, None)


def _device(path: str) -> int | None:
    try:
        return os.lstat(path).st_dev
    except OSError:
        return None


def _folders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:  # vanished or not ours to read: the walk of the trees still counts it, unnamed
        return []


class BtrfsKind(Plain):
    """Exact where the trees can be read: a walk by name would count what is shared once for each of its holders."""

    fstypes = frozenset({"btrfs"})
    traits = WalkTraits(subvolumes=True, tells_alone=True)

    def holders(self, question: StudyQuestion) -> FilesystemHolders:
        """By the exact walk. Without it there are no figures: a walk by name would count copies."""
        from collectors.filesystems.btrfs import figures

        mountpoint, clock, host = Path(question.mount.mountpoint), question.clock, question.host
        facts = filesystem(mountpoint, host, timeout_s=clock.left(at_most=10.0))
        if isinstance(facts, Unavailable):
            return _answer(question.units, facts, facts, facts)
        units = (*question.units, *subvolume_units(facts.value, question.mount, question.places, question.units))
        named = {unit.id for unit in units}
        around = host_directories(question.mount, question.places, question.docker_root)
        units = (*units, *(unit for unit in around if unit.id not in named))
        rules = split_rules((u for u in units if u.path.startswith("/")), question.places)
        shared: Reading[Sharing] = sharing(
            mountpoint, host, facts.value, rules, deadline_s=clock.left(keep=KEEP_S), cache=question.cache
        )
        # The walk commits first, which moves metadata: the figures beside it are those after it.
        later = filesystem(mountpoint, host, timeout_s=clock.left(at_most=5.0))
        whole = replace(later.value if isinstance(later, Exact) else facts.value, sharing=shared)
        own = holders.own_bytes(whole, shared)
        left_s = clock.left(at_most=2.0)
        unlinked = figures.unlinked(mountpoint, whole, timeout_s=left_s)
        nameless = frozenset({Owner(OwnerKind.UNLINKED, "")})
        units = (*units, Unit(holders.UNLINKED, UnitKind.UNLINKED, "", "deleted, still open", nameless, False, None))
        if isinstance(shared, Unavailable):
            return _answer(units, shared, own, Exact(whole, facts.origin), unlinked)
        if isinstance(facts.value.subvolumes, Unavailable):
            units = (*units, *unlisted_units(shared.value, units))
        occupancy = holders.occupancy(shared, whole.statfs, holders.inside_units(shared.value, rules))
        return _answer(units, Exact(occupancy, shared.origin), own, Exact(whole, facts.origin), unlinked)

    def unopened(
        self, mount: Mount, path: Path, host: Host, why: Unavailable, *, timeout_s: float
    ) -> FilesystemHolders:
        """Its allocation, and from that what it takes for itself."""
        facts = filesystem(path, host, timeout_s=timeout_s)
        own = holders.own_bytes(facts.value, why) if isinstance(facts, Exact) else facts
        return _answer((), why, own, facts)

    def report_part(self) -> ReportPart | None:
        """The section `Docker Storage Btrfs`, the object `btrfs`."""
        from collectors.filesystems.btrfs.report_part import BtrfsPart

        return BtrfsPart()


def _answer(
    units: tuple[Unit, ...],
    occupancy: Reading[Occupancy],
    own: Size,
    facts: Reading[Btrfs],
    unlinked: tuple[int, ...] | None = None,
) -> FilesystemHolders:
    snapshots: Reading[bool] = facts if isinstance(facts, Unavailable) else Exact(True, facts.origin)
    if isinstance(facts, Exact) and isinstance(facts.value.subvolumes, Unavailable):
        snapshots = facts.value.subvolumes  # each may be a snapshot
    inodes = Unavailable(Why.NOT_APPLICABLE, "btrfs has no fixed number of inodes", facts.origin)
    return FilesystemHolders(units, occupancy, OwnUse(own, inodes, unlinked), facts, snapshots, beyond_mount=True)
