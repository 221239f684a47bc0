"""One snapshot out of two looks: the disk by the probe, the engine and everything else by us. Pure.

What we saw ourselves stays: how full the filesystem is where the probe could not measure who holds it, files outside
Docker, what the filesystem itself takes. Refuses to join what are two filesystems.
"""

from __future__ import annotations

from dataclasses import replace

from collectors.model.filesystem import FsSpace, Occupancy
from collectors.model.reading import Exact, Reading, Unavailable, Why
from collectors.model.snapshot import Disk, FilesystemStudy, Snapshot
from collectors.system.deadline import Declined
from collectors.system.occupancy import HOST_UNIT

_UNKNOWN = "unknown"  # the kind of a filesystem that we could not even find
# Lines of coverage that the probe's own stand in for.
_BY_THE_PROBE = ("docker root", "orphans", "core dumps, nested roots", "bytes by holder")
_OWN, _OPEN = "filesystem's own bytes", "deleted but open"


def merged(snapshot: Snapshot, disk: Disk) -> Snapshot:
    """`disk` is the probe's, without the probe itself. Raises Declined where the two do not fit together."""
    if not snapshot.studies or not disk.studies:
        raise Declined(Why.NOT_REACHABLE, "no filesystem was found to join its answer with")
    ours, theirs = snapshot.studies[0], disk.studies[0]
    main, lines = _joined(ours, theirs)
    kept = tuple(line for line in snapshot.reports if line.source not in lines)
    taken = tuple(line for line in disk.reports if line.source in lines)
    return replace(snapshot, store=disk.store, studies=(main, *disk.studies[1:]), reports=(*kept, *taken))


def _joined(ours: FilesystemStudy, theirs: FilesystemStudy) -> tuple[FilesystemStudy, frozenset[str]]:
    """The study, and the lines of coverage that are the probe's."""
    here, there = ours.filesystem, theirs.filesystem
    if here.mount.fstype == _UNKNOWN:
        here = there
    if here.mount.device != there.mount.device:
        raise Declined(Why.INCONSISTENT, "the Docker root that it saw is not on the filesystem that we see")
    lines = set(_BY_THE_PROBE)
    if isinstance(theirs.occupancy, Exact):
        here = replace(here, space=_room(here.space, there.space))
    if not isinstance(ours.occupancy, Exact):
        # We still ask where we asked before; which part of the filesystem was seen is what the probe was given.
        here = replace(here, mount=replace(here.mount, root=there.mount.root))
    own, facts, opened = ours.own, ours.filesystem_facts, ours.open_deleted
    if isinstance(own, Unavailable):
        own = theirs.own
        lines.add(_OWN)
    if isinstance(opened, Unavailable):
        opened = theirs.open_deleted
        lines.add(_OPEN)
    if facts is None or isinstance(facts, Unavailable):
        facts = theirs.filesystem_facts
        lines.add(there.mount.fstype)
    joined = FilesystemStudy(
        here,
        (*theirs.units, *(unit for unit in ours.units if unit.id not in {one.id for one in theirs.units})),
        _holders(ours.occupancy, theirs.occupancy),
        facts,
        own,
        opened,
        tuple(dict.fromkeys((*ours.covered, *theirs.covered))),
        theirs.snapshots if isinstance(theirs.occupancy, Exact) else ours.snapshots,
        theirs.beyond_mount,
    )
    return joined, frozenset(lines)


def _room(ours: Reading[FsSpace], theirs: Reading[FsSpace]) -> Reading[FsSpace]:
    """That of the moment of the walk; but a read-only bind makes no filesystem read-only."""
    if isinstance(theirs, Unavailable):
        return ours
    read_only = isinstance(ours, Exact) and ours.value.read_only
    return Exact(replace(theirs.value, read_only=read_only), theirs.origin)


def _holders(ours: Reading[Occupancy], theirs: Reading[Occupancy]) -> Reading[Occupancy]:
    """Docker's bytes by the probe; those outside of Docker by us, where we could look around there."""
    if isinstance(ours, Unavailable) or isinstance(theirs, Unavailable):
        return theirs
    outside, inside = ours.value, theirs.value
    whole = replace(
        inside,
        # The Docker root itself is in both: an entry of the host's for either.
        usages={**outside.usages, **{unit: usage for unit, usage in inside.usages.items() if unit != HOST_UNIT}},
        shares=(*outside.shares, *(share for share in inside.shares if share.holders != {HOST_UNIT})),
        largest_others=outside.largest_others,
        unread=(*outside.unread, *inside.unread),
        errors_count=outside.errors_count + inside.errors_count,
    )
    return Exact(whole, theirs.origin)
