"""The answer of a probe container: one line, written inside; and one snapshot out of its look and ours."""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path

from collectors import tool_version
from collectors.drivers import container_roots
from collectors.engine.endpoint import Endpoint
from collectors.engine.locality import own_container
from collectors.inventory import Request, assemble
from collectors.inventory.filesystem import Bound
from collectors.model import HOST_UNIT, ContainerId, Owner, OwnerKind, UnitId, dataclass
from collectors.model.encoding import FOREIGN, conforms, decode, encode, fingerprint
from collectors.model.filesystem import FsSpace, Occupancy
from collectors.model.reading import Exact, Reading, Unavailable, Why
from collectors.model.snapshot import Disk, FilesystemStudy, Snapshot
from collectors.model.store import Store, Unit, UnitKind
from collectors.system.deadline import Declined, Malformed, this_host

_MARK = "ullage_probe"


def written_answer(disk: Disk) -> str:
    """One line of ASCII, with its newline."""
    document = {_MARK: fingerprint(), "version": tool_version(), "disk": encode(disk)}
    return json.dumps(document, separators=(",", ":")) + "\n"


def read(line: bytes) -> Disk:
    """Raises Malformed for anything else, Declined for the answer of another version."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise Malformed(f"its answer is not JSON; it begins {line[:40]!r}") from None
    if not isinstance(document, dict) or _MARK not in document:
        raise Malformed("its answer is not that of a probe")
    if document[_MARK] != fingerprint():
        told = f"the image holds ullage {str(document.get('version'))[:40]}, this is {tool_version()}"
        raise Declined(Why.INCONSISTENT, f"{told}: what they write differs")
    try:
        disk = decode(document["disk"])
        fits = conforms(disk, Disk)
    except FOREIGN as error:
        raise Malformed(f"its answer cannot be decoded: {error}") from None
    if not isinstance(disk, Disk) or not fits or not _plausible(disk):
        raise Malformed("its answer holds what cannot be")
    return disk


def _plausible(disk: Disk) -> bool:
    for study in disk.studies:
        space = study.filesystem.space
        if isinstance(space, Exact) and not 0 <= space.value.free_bytes <= space.value.total_bytes:
            return False
        if isinstance(study.occupancy, Exact) and any(share.bytes < 0 for share in study.occupancy.value.shares):
            return False
    return True


_GRACE_S = 3.0
_NO_QUESTION, _LATE = 3, 4


@dataclass(frozen=True, slots=True)
class Question:
    """What the probe is to look at: the Docker root and the driver as the engine names them."""

    root: str
    driver: str
    deadline_s: float
    grace_s: float

    def text(self) -> str:
        """As an argument of a command line."""
        return json.dumps(asdict(self))


def run(question: str) -> int:
    """Look, print, exit status 0; 3 for what is no question."""
    try:
        asked = Question(**json.loads(question))
        deadline_s = float(asked.deadline_s)
    except (ValueError, TypeError):
        sys.stderr.write("ullage: --as-probe is what a probe container is started with, by ullage itself\n")
        return _NO_QUESTION
    watchdog = threading.Timer(deadline_s + _GRACE_S, os._exit, (_LATE,))
    watchdog.daemon = True  # SIGALRM would not do: the first process of a namespace ignores it
    watchdog.start()
    host = this_host(docker_root=Path(asked.root))
    nobody = Endpoint("", "a probe", False, None, "a probe asks no engine")
    request = Request(nobody, host, deadline_s, asked.grace_s, Bound(asked.driver, own_container(host)))
    found = assemble(request)
    lines = tuple(line for line in found.reports if not line.source.startswith("engine"))
    sys.stdout.write(written_answer(Disk(found.docker_root, found.store, found.studies, lines)))
    return 0


# An image that was removed meanwhile: its layers stay behind the container.
_OF_IMAGES = frozenset({UnitKind.IMAGE_LAYER, UnitKind.BUILD_SNAPSHOT, UnitKind.CONTENT})


def without(disk: Disk, container: ContainerId) -> Disk:
    """The same disk without the container that looked at it."""
    store = disk.store
    if isinstance(store, Exact):
        store = Exact(_store(store.value, container), store.origin)
    return replace(disk, store=store, studies=tuple(_study(one, container) for one in disk.studies))


def _owners(container: ContainerId) -> frozenset[Owner]:
    return frozenset({Owner(OwnerKind.CONTAINER, container), Owner(OwnerKind.LOG, container)})


def _parted(units: tuple[Unit, ...], container: ContainerId) -> tuple[tuple[Unit, ...], frozenset[UnitId]]:
    """The units of others, and the names of those that were the container's alone."""
    own = _owners(container)
    mine = frozenset(unit.id for unit in units if unit.owners and unit.owners <= own and unit.kind not in _OF_IMAGES)
    others = tuple(replace(unit, owners=unit.owners - own) for unit in units if unit.id not in mine)
    return others, mine


def _store(store: Store, container: ContainerId) -> Store:
    units, orphans = store.units, store.orphans
    if isinstance(units, Exact):
        others, mine = _parted(units.value, container)
        units = Exact(others, units.origin)
        if isinstance(orphans, Exact):
            orphans = Exact(tuple(proof for proof in orphans.value if proof.unit not in mine), orphans.origin)
    layers, logs = store.container_layers, store.logs
    if isinstance(layers, Exact):
        layers = Exact(tuple(one for one in layers.value if one.container_id != container), layers.origin)
    if isinstance(logs, Exact):
        logs = Exact(tuple(one for one in logs.value if one.container_id != container), logs.origin)
    return replace(store, units=units, orphans=orphans, container_layers=layers, logs=logs)


def _study(study: FilesystemStudy, container: ContainerId) -> FilesystemStudy:
    units, mine = _parted(study.units, container)
    if isinstance(study.occupancy, Exact):
        occupancy, own_bytes = _occupancy(study.occupancy.value, mine)
        space = _freed(study.filesystem.space, own_bytes)
        study = replace(
            study,
            occupancy=Exact(occupancy, study.occupancy.origin),
            filesystem=replace(study.filesystem, space=space),
        )
    return replace(study, units=units)


def _occupancy(occupancy: Occupancy, mine: frozenset[UnitId]) -> tuple[Occupancy, int]:
    own_bytes = sum(share.bytes for share in occupancy.shares if share.holders <= mine)
    shares = (replace(share, holders=share.holders - mine) for share in occupancy.shares if not share.holders <= mine)
    usages = {unit: usage for unit, usage in occupancy.usages.items() if unit not in mine}
    return replace(occupancy, usages=usages, shares=tuple(shares)), own_bytes


def _freed(space: Reading[FsSpace], count: int) -> Reading[FsSpace]:
    if not isinstance(space, Exact):
        return space
    here = space.value
    more = replace(
        here,
        free_bytes=min(here.total_bytes, here.free_bytes + count),
        available_bytes=min(here.total_bytes, here.available_bytes + count),
    )
    return Exact(more, space.origin)


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
    if here.mount.fstype in (_UNKNOWN, *container_roots()):
        here = there
    if here.mount.device != there.mount.device:
        raise Declined(Why.INCONSISTENT, "the Docker root that it saw is not on the filesystem that we see")
    lines = set(_BY_THE_PROBE)
    if isinstance(theirs.occupancy, Exact):
        here = replace(here, space=_room(here.space, there.space))
    if not isinstance(ours.occupancy, Exact):
        # We still ask where we asked before; which part of the filesystem was seen is what the probe was given.
        here = replace(here, mount=replace(here.mount, root=there.mount.root))
    own, own_inodes = ours.own, ours.own_inodes
    facts, opened = ours.filesystem_facts, ours.open_deleted
    if isinstance(own, Unavailable):
        own, own_inodes = theirs.own, theirs.own_inodes
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
        own_inodes,
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
