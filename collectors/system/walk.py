"""Who holds the bytes of one filesystem, by one pass over its directories in child processes that can be killed.

What the cache still holds true is not walked. Allocated bytes as lstat gives them: exact where no extents are shared;
where they are, each file is counted as if it were alone. What a time-out or a refused directory leaves out is said,
never guessed.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from collectors.model import UnitId, dataclass
from collectors.model.filesystem import Mount, Occupancy, PathUsage
from collectors.model.reading import Reading, Why
from collectors.model.store import Unit
from collectors.system import deadline, killable, largest_directories, layer_cache, mountinfo
from collectors.system.child import GONE
from collectors.system.deadline import Declined, Malformed
from collectors.system.hard_links import Links, LinkSplit, gather, hides_a_link, keep_links, names_of, split
from collectors.system.killable import Asking
from collectors.system.layer_cache import LayerCache, LayerFigure, part_id
from collectors.system.occupancy import Targets, occupancy, targets
from collectors.system.walk_result import Count, WalkResult

Kept = tuple[Mapping[int, LayerFigure], Mapping[bytes, LayerFigure]]  # of units by place, of the host's parts
Inside = Mapping[int, tuple[PathUsage, ...]]  # by the unit's place
_PLAIN_KEYS = 1 << 63  # keys beyond hold a device number, which is another one after the next mount


@dataclass(frozen=True, slots=True)
class Joined:
    """What one pass has counted, with every inode counted once."""

    counted: WalkResult
    names: Mapping[int, UnitId]  # of holders, by index
    links: Links
    split: LinkSplit


def join(counted: WalkResult, units: tuple[Unit, ...], before: LayerCache) -> Joined:
    """Raises Malformed where what is remembered of hard links cannot be read."""
    names = names_of(units, counted)
    links = gather(counted, names, before)
    counts = [(index, count) for index, count, _ in counted.counts()]
    return Joined(counted, names, links, split([*counts, (counted.host, counted.host_count())], links))


def candidate_parts(before: LayerCache) -> dict[bytes, LayerFigure]:
    """Figures of parts of the host that hold if the walker finds their evidence, by path below the root."""
    prefix = part_id(b"")
    return {
        os.fsencode(unit.removeprefix(prefix)): figure
        for unit, figure in before.layers.items()
        if unit.startswith(prefix) and figure.proofs
    }


def candidates(aims: Targets, units: tuple[Unit, ...], before: LayerCache) -> dict[int, LayerFigure]:
    """Figures that hold if the walker finds their evidence, by place in `units`."""
    found = {index: before.layers.get(units[index].id) for index in aims.immutable | aims.tracked}
    # What may change is only believed with a proof: it may have been called immutable when it was measured.
    return {
        index: figure
        for index, figure in found.items()
        if figure is not None and (index in aims.immutable or figure.proofs)
    }


def remember(found: Joined, inside: Inside, aims: Targets, before: LayerCache) -> LayerCache:
    """What to keep for the next run: what still holds, and what was measured whole."""
    counted, names = found.counted, found.names
    now = time.time()
    layers: dict[UnitId, LayerFigure] = {}
    for index, count, complete in counted.counts():
        if complete and (index in aims.immutable or (index in aims.tracked and _proved(count))) and _plain(count):
            layers[names[index]] = _figure(replace(count, rows=[], files=[], inside=inside[index]), now)
    for path, count, complete in counted.parts():
        if complete and _proved(count) and _plain(count):
            layers[part_id(path)] = _figure(count, now)
    unplaced = dict(before.unplaced) if counted.fsid == before.fsid else {}
    if counted.complete:
        unplaced = {inode: links for inode, links in found.split.unplaced.items() if inode < _PLAIN_KEYS}
    sets = keep_links(found.links, found.split, names, layers)
    return LayerCache(counted.fsid, layers, unplaced, sets, counted.settled)


def _figure(count: Count, now: float) -> LayerFigure:
    return LayerFigure(
        evidence=count.evidence or (),
        blocks=count.blocks,
        apparent=count.apparent,
        inodes=count.inodes,
        newest=count.newest,
        proofs=tuple(count.proofs),
        rows=tuple(count.rows),
        files=tuple(count.files),
        inside=count.inside or (),
        measured_at=count.measured_at or now,
    )


def _proved(count: Count) -> bool:
    return bool(count.proofs) and len(count.proofs) == count.parts


def _plain(count: Count) -> bool:
    return bool(count.evidence) and not count.errors and all(link[0] < _PLAIN_KEYS for link in count.links)


_MOUNTS = Path("/proc/self/mountinfo")  # paths of units are this process's own
# Before the deadline the walkers stop by themselves and send what they have; half of that time is for who does not.
_SPARE_SHARE, _SPARE_MOST_S = 0.1, 1.0
_Device = tuple[bytes, tuple[int, int]]  # node, and its number
_SYS, _DEV = Path("/sys"), Path("/dev")


@dataclass(frozen=True, slots=True)
class WalkTraits:
    """What a walk has to know of a kind of filesystem."""

    subvolumes: bool = False  # directories of the same filesystem may have another device number
    tells_alone: bool = False  # of one file can be asked what it alone holds
    # What proves that something has not changed:
    tables_prove: bool = False  # the inode tables on its device (the layout of ext4)
    bulk_proves: bool = False  # inodes as the kernel lists them in bulk (XFS)


def walk(
    mountpoint: Path,
    units: tuple[Unit, ...],
    *,
    deadline_s: float,
    cache: Path | None,
    traits: WalkTraits,
    top: int = 40,
) -> Reading[Occupancy]:
    """Who holds the bytes of the filesystem mounted at `mountpoint`: each of `units`, and HOST_UNIT for the rest.

    Every inode is charged to the deepest unit around it. Units on other filesystems are left out of the answer; one
    that is gone is an exact 0. At the deadline what was counted is kept, as AtLeast. `cache` is the folder for figures
    that need not be measured again: of layers, and of whatever provably did not change; None keeps none. `top`: how
    many host directories to name.
    """
    place = os.path.normpath(mountpoint)

    def work() -> Occupancy:
        return _walk(place, units, time.monotonic() + deadline_s, cache, traits, top)

    return deadline.read("filesystem.walk", f"walk of {place}", work, timeout_s=deadline_s + killable.GRACE_S)


def _walk(
    mountpoint: str, units: tuple[Unit, ...], deadline: float, cache: Path | None, traits: WalkTraits, top: int
) -> Occupancy:
    aims = targets(mountpoint, units, mountinfo.parse(_MOUNTS.read_bytes()))
    if aims is None:
        raise Declined(Why.NOT_REACHABLE, f"{mountpoint} is on no mount of this process")
    file = layer_cache.file_for(cache, mountpoint) if cache is not None else None
    before = layer_cache.load(file) if file is not None else layer_cache.EMPTY
    if file is None:
        traits = replace(traits, tables_prove=False, bulk_proves=False)  # for whom?
    device = _device(aims.mount) if traits.tables_prove else None

    def joined(kept: Kept) -> Joined:
        return join(_counted(mountpoint, aims, kept, (before, device, traits), deadline), units, before)

    try:
        found = joined((candidates(aims, units, before), candidate_parts(before)))
    except Malformed:
        found = joined(({}, {}))
    if hides_a_link(found.counted.kept_layers(), found.split, units, before):
        again = joined(({}, {}))
        if again.counted.complete or not found.counted.complete:
            found = again
    inside = _inside(aims, found.counted)
    if file is not None:
        after = remember(found, inside, aims, before)
        if replace(after, settled=before.settled) != before:
            layer_cache.save(file, after)
    return occupancy(mountpoint, units, aims, found.counted, found.split, inside, top)


def _inside(aims: Targets, counted: WalkResult) -> Inside:
    """The largest directories and files of each unit."""
    found: dict[int, tuple[PathUsage, ...]] = {}
    for index, count, complete in counted.counts():
        place = aims.units[index]
        root = None if place is None or place[1] is None else os.fsencode(place[1])
        found[index] = largest_directories.inside(count, root, complete, counted.room)
    return found


def _counted(
    mountpoint: str,
    aims: Targets,
    kept: Kept,
    filesystem: tuple[LayerCache, _Device | None, WalkTraits],
    deadline: float,
) -> WalkResult:
    """One pass.

    `kept`: figures, of units and of parts of the host, that need not be counted again if they hold. `filesystem`: the
    one that they are of, and the device that shall prove it.
    """
    spare_s = min(_SPARE_MOST_S, _SPARE_SHARE * (deadline - time.monotonic()))
    before, device, traits = filesystem
    counted = WalkResult(len(aims.units), *kept)
    request: dict[str, Any] = {
        "task": "walk",
        "mountpoint": os.fsencode(mountpoint),
        "stop_at": deadline - spare_s,
        "units": [
            None if unit is None else (os.fsencode(unit[0]), None if unit[1] is None else os.fsencode(unit[1]))
            for unit in aims.units
        ],
        "immutable": list(aims.immutable),
        "tracked": list(aims.tracked) if device is not None or traits.bulk_proves else [],
        "device": device,
        "bulk": traits.bulk_proves,
        "rotated": list(aims.rotated),
        "covered": [os.fsencode(path) for path in aims.covered],
        "subvolumes": traits.subvolumes,
        "fsid": before.fsid,
        "settled": before.settled,
        "kept": {index: (figure.evidence, list(figure.proofs)) for index, figure in kept[0].items()},
        "kept_parts": {path: (figure.evidence, list(figure.proofs)) for path, figure in kept[1].items()},
    }
    with shared_work() as shared, Asking(f"walk {mountpoint}", deadline - spare_s / 2) as asking:
        first = asking.start({**request, "lane": 0, "helper": bool(shared)}, shared)
        counted.started(first)
        for lane, frame in asking.frames():
            killable.check(frame)
            match frame:
                case ("more", tuple(known)):
                    helper = asking.start({**request, "lane": 1, "helper": False, "known": known}, shared)
                    counted.started(helper)
                case ("done",):
                    continue
                case ("ended",):
                    if shared:
                        leave(shared, 0 if lane == first else 1)
                case _:
                    counted.take(lane, frame)
    counted.broke_off = not counted.complete and time.monotonic() < request["stop_at"]
    if not counted.surveyed:
        if counted.broke_off:
            raise Declined(Why.FAILED, "the walker was ended before it had begun")
        raise Declined(Why.TIMED_OUT, "it did not even let itself be opened within the deadline")
    return counted


def _device(mount: Mount) -> _Device | None:
    """The disk whose tables can prove that nothing has changed; None where they cannot.

    With lazytime the kernel keeps times of change to itself for hours.
    """
    if "lazytime" in (*mount.options, *mount.super_options):
        return None
    try:
        return os.fsencode(mountinfo.node(mount.device, _SYS, _DEV)), mountinfo.number(mount.device)
    except (OSError, Malformed):
        return None


@contextlib.contextmanager
def shared_work() -> Iterator[tuple[int, ...]]:
    """Descriptors for a second walker to help the first; none where this machine has one processor only."""
    opened: list[int] = []
    try:
        if len(os.sched_getaffinity(0)) > 1:
            with contextlib.suppress(OSError):
                opened += os.pipe2(os.O_DIRECT | os.O_NONBLOCK | os.O_CLOEXEC)
                page = os.memfd_create("walkers")
                opened.append(page)
                os.ftruncate(page, mmap.PAGESIZE)
        yield tuple(opened) if len(opened) == 3 else ()
    finally:
        for fd in opened:
            os.close(fd)


def leave(shared: tuple[int, ...], lane: int) -> None:
    """Mark a walker as gone: one that was killed cannot do that itself, and the other would wait for it."""
    os.pwrite(shared[2], bytes([GONE]), lane)
