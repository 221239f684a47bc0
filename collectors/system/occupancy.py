"""A walk's question and its answer: where units lie in the tree, what other mounts cover, and what each unit holds.

The answer is in the words of the model: readings with their reasons. Pure but for the clock.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise

from collectors.model import HOST_UNIT, UnitId, dataclass
from collectors.model.filesystem import Mount, Occupancy, PathUsage, Share, Usage
from collectors.model.reading import AtLeast, Exact, Origin, Reading, Size, Unavailable, Why
from collectors.model.store import Unit, UnitKind
from collectors.system import deadline
from collectors.system.hard_links import LinkSplit, SharedCount
from collectors.system.largest_directories import largest
from collectors.system.mount_table import MountTree, below, path_within, within
from collectors.system.walk_result import BLOCK_BYTES, Count, WalkResult

# Filesystems that ask somebody else, who may not answer. A unit on one of these is not looked up by its path.
_REMOTE = (
    "nfs",
    "cifs",
    "smb",
    "fuse",
    "9p",
    "ceph",
    "glusterfs",
    "lustre",
    "afs",
    "autofs",
    "virtiofs",
    "ocfs",
    "gfs",
)


@dataclass(frozen=True, slots=True)
class Targets:
    """Units are known by their place in `units`; paths in the tree are relative to the walk's root."""

    mount: Mount
    units: tuple[tuple[str, str | None] | None, ...]  # (path, path in the tree); None: not to be looked up
    immutable: frozenset[int]
    tracked: frozenset[int]  # may change, and are to be remembered for as long as they do not
    rotated: frozenset[int]  # a log and the files that it was rotated to
    covered: tuple[str, ...]  # directories that other mounts lie on


def targets(mountpoint: str, units: tuple[Unit, ...], mounts: tuple[Mount, ...]) -> Targets | None:
    """None where `mountpoint` is on no mount of the table.

    A unit may be reached through another mount of the same filesystem (a bind mount, a subvolume's): both paths are
    compared as paths from the filesystem's root. One that a symbolic link leads to is found by its inode, on the way.
    """
    tree = MountTree(mounts)
    mount = tree.of(mountpoint)
    if mount is None:
        return None
    root = path_within(mountpoint, mount)
    # In this order, what lies below a path comes right behind it.
    paths = sorted((os.path.normpath(unit.path) for unit in units), key=lambda path: path.replace("/", "\0"))
    holds_another = {one for one, other in pairwise(paths) if within(other, one)}
    alone = [index for index, unit in enumerate(units) if os.path.normpath(unit.path) not in holds_another]
    return Targets(
        mount=mount,
        units=tuple(_place(os.path.normpath(unit.path), mount, root, tree) for unit in units),
        # Figures of a unit that holds another one would change with the other's place.
        immutable=frozenset(index for index in alone if units[index].immutable),
        tracked=frozenset(index for index in alone if not units[index].immutable),
        rotated=frozenset(index for index, unit in enumerate(units) if unit.kind is UnitKind.LOG),
        covered=tuple(sorted(set(_covered(mount, mountpoint, tree)))),
    )


def _place(path: str, mount: Mount, root: str, tree: MountTree) -> tuple[str, str | None] | None:
    if not path.startswith("/"):
        return None  # a deleted subvolume has no path any more
    on = tree.of(path)
    if on is None:
        return (path, None)
    if on.device == mount.device:
        inside = path_within(path, on)
        return (path, below(inside, root) if within(inside, root) else None)
    return None if on.fstype.startswith(_REMOTE) else (path, None)


def _covered(mount: Mount, mountpoint: str, tree: MountTree) -> Iterator[str]:
    for child in tree.children(mount):
        if not within(child.mountpoint, mountpoint) or child.mountpoint == mountpoint:
            continue
        # Engines bind their own directory onto itself: that hides nothing and is the same directory.
        if child.device == mount.device and child.root == path_within(child.mountpoint, mount):
            yield from _covered(child, mountpoint, tree)
        else:
            yield below(child.mountpoint, mountpoint)


def occupancy(
    mountpoint: str,
    units: tuple[Unit, ...],
    aims: Targets,
    counted: WalkResult,
    result: LinkSplit,
    inside: Mapping[int, tuple[PathUsage, ...]],
    top: int,
) -> Occupancy:
    """`result` is the counted's split; units are known by their place in `units`, the host by the place behind them.

    `inside`: the largest directories and files of units. `top`: how many of the host's to name.
    """
    words = _Words(mountpoint, counted.broke_off)
    ids = [*(unit.id for unit in units), HOST_UNIT]
    host = counted.host_count()
    named = largest(host, counted.host_rows(), mountpoint, aims.covered, counted.room, top)
    inside = {**inside, counted.host: named.files}
    counts = [*counted.counts(), (counted.host, host, counted.complete)]
    hidden = words.hidden(aims, counted)
    usages: dict[UnitId, Usage] = {}
    for index, count, complete in counts:
        missing = words.missing(count, complete)
        if index == counted.host:
            missing += hidden
        usages[ids[index]] = words.usage(result.charged[index], count, missing, inside.get(index, ()))
    nothing = words.origin
    for index in (*counted.gone, *counted.same):
        gone = Unavailable(Why.NOT_REACHABLE, "nothing is there any more", nothing)
        usages[ids[index]] = Usage(Exact(0, nothing), Exact(0, nothing), Exact(0, nothing), gone, ())
    errors: Counter[int] = Counter()
    for _, count, _ in counts:
        errors.update({number: often for number, (often, _) in count.errors.items()})
    unread = [*hidden, *([] if counted.complete else [words.late()])]
    unread += [words.refused(number, often) for number, often in sorted(errors.items())]
    return Occupancy(
        method="walk",
        usages=usages,
        shares=_shares(ids, counted, result),
        largest_others=named.directories,
        unread=tuple(unread),
        errors_count=errors.total(),
        age_s=0.0,
        inodes_read=sum(count.inodes for _, count, _ in counts),
    )


def _shares(ids: list[UnitId], counted: WalkResult, result: LinkSplit) -> tuple[Share, ...]:
    twins: dict[int, set[int]] = {}
    for index, holder in counted.same.items():
        twins.setdefault(holder, {holder}).add(index)

    def named(indexes: frozenset[int]) -> frozenset[UnitId]:
        return frozenset(ids[twin] for index in indexes for twin in twins.get(index, {index}))

    table: defaultdict[frozenset[UnitId], SharedCount] = defaultdict(SharedCount)
    for index, count in result.own.items():
        table[named(frozenset({index}))].add(count.blocks, count.inodes)
    for indexes, together in result.shared.items():
        table[named(indexes)].add(together.blocks, together.inodes)
    return tuple(
        Share(holders, found.blocks * BLOCK_BYTES, 0, found.inodes if counted.room[1] else None)
        for holders, found in table.items()
        if found.blocks or found.inodes
    )


class _Words:
    """Readings of one walk, with one origin."""

    def __init__(self, mountpoint: str, broke_off: bool) -> None:
        self._broke_off = broke_off
        self._call = f"walk of {mountpoint}"
        self.origin = Origin("filesystem.walk", self._call, datetime.now(UTC), 0.0)

    def usage(
        self, charged: Count, count: Count, missing: tuple[Unavailable, ...], inside: tuple[PathUsage, ...]
    ) -> Usage:
        at = self.origin
        if count.measured_at is not None:
            at = Origin("filesystem.walk", f"{self._call}, kept", datetime.fromtimestamp(count.measured_at, UTC), 0.0)
        newest: Reading[float] = Exact(count.newest, at)
        if not count.newest:
            newest = missing[0] if missing else Unavailable(Why.NOT_APPLICABLE, "no directory of its own", at)
        return Usage(
            allocated=_size(charged.blocks * BLOCK_BYTES, missing, at),
            apparent=_size(charged.apparent, missing, at),
            inodes=missing[0] if missing else Exact(charged.inodes, at),
            modified_at=newest,
            inside=inside,
        )

    def missing(self, count: Count, complete: bool) -> tuple[Unavailable, ...]:
        """Why a unit's figures are not all of it."""
        found = () if complete else (self.late(),)
        return found + tuple(
            self.refused(number, often, os.fsdecode(where)) for number, (often, where) in sorted(count.errors.items())
        )

    def late(self) -> Unavailable:
        if self._broke_off:
            return Unavailable(Why.FAILED, "a walker was ended before it was done", self.origin)
        return Unavailable(Why.TIMED_OUT, "the walk was not finished in time", self.origin)

    def refused(self, number: int, often: int, where: str = "") -> Unavailable:
        why, detail = deadline.reason(OSError(number, os.strerror(number)))
        first = f", the first: {where}" if where else ""
        return Unavailable(
            why, f"{detail}: {often} {'entry' if often == 1 else 'entries'} not read{first}", self.origin
        )

    def hidden(self, aims: Targets, counted: WalkResult) -> tuple[Unavailable, ...]:
        """What lies below mountpoints, where it cannot be seen."""
        if counted.whole_view or not aims.covered:
            return ()
        count = len(aims.covered)
        detail = f"what {count} mount{'s' if count > 1 else ''} may hide cannot be seen without CAP_SYS_ADMIN"
        return (Unavailable(Why.NOT_PERMITTED, detail, self.origin),)


def _size(value: int, missing: tuple[Unavailable, ...], origin: Origin) -> Size:
    return AtLeast(value, missing, origin) if missing else Exact(value, origin)
