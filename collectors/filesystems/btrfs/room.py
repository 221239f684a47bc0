"""What a btrfs could still allocate, and how its statfs counts: both derived from the figures, never from a version.

Which profile statfs divides by, and whether it calls the global reserve used, has changed from kernel to kernel, and
depends on what a conversion left behind. What it answers tells.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Sequence

from collectors.filesystems.btrfs import allocator, decode, ioctl, layout, search
from collectors.filesystems.btrfs.allocator import DeviceRoom
from collectors.model.btrfs import RESERVED_NODES, Device, Room, Space, StatfsRule
from collectors.model.reading import Between, Exact, Origin, Size
from collectors.system.deadline import Declined, Malformed

_KINDS = ("metadata", "data", "mixed")  # in the order in which they find room
_TRIES = 4  # of reading two counters that belong to one moment
_MOST_COPIES = 4


def rooms(
    fd: int,
    devices: Sequence[Device],
    spaces: Sequence[Space],
    node_bytes: int,
    chunk_bytes: Callable[[str], int | None],
    origin: Origin,
) -> tuple[Room, ...]:
    """What new chunks could hold, for each kind that there is. `chunk_bytes` tells the kernel's own limit for a kind.

    Data comes after the chunk of metadata that the kernel makes next, where what metadata has is too little already.
    Without CAP_SYS_ADMIN nobody tells where the chunks lie: then no more fits than if each device's room were in one
    piece. Malformed for a profile of the future.
    """
    taking = [device for device in devices if device.takes_chunks]
    placed, known = _free_room(fd, taking)
    targets, total = _targets(fd), sum(device.total_bytes for device in taking)
    found = []
    for kind in _KINDS:
        present = [space.profile for space in spaces if space.kind == kind]
        if not present:
            continue
        target = targets.get("data" if kind == "mixed" else kind, "")
        profile = allocator.new_profile(present, len(taking), target)
        if profile is None:
            raise Malformed(f"{kind} in chunks of {', '.join(present)}: how these are made is not known")
        most = allocator.limits(kind, total, chunk_bytes(kind))
        count = allocator.placeable_bytes(profile, placed, most)
        found.append(Room(kind, profile, layout.disk_copies(profile), _size(count, known, origin), most.chunk_bytes))
        if kind == "metadata" and _needs_a_chunk(spaces, node_bytes):
            placed = allocator.after_chunk(profile, placed, most)
    return tuple(found)


def _needs_a_chunk(spaces: Sequence[Space], node_bytes: int) -> bool:
    """Whether metadata has less left, the reserve aside, than the kernel sets aside for its larger transactions."""
    free = sum(space.free_bytes for space in spaces if space.kind == "metadata")
    reserve = sum(space.logical_total_bytes for space in spaces if space.kind == "global reserve")
    return free - reserve < RESERVED_NODES * node_bytes


def _free_room(fd: int, devices: Sequence[Device]) -> tuple[Sequence[DeviceRoom], bool]:
    """How each device's free room lies, and whether that is known."""
    try:
        chunks = [chunk for _, chunk in search.chunk_items(fd)]
    except Declined:
        return [DeviceRoom(d.total_bytes, allocator.one_hole(d.total_bytes, d.allocated_bytes)) for d in devices], False
    return [DeviceRoom(d.total_bytes, allocator.holes(d.devid, d.total_bytes, chunks)) for d in devices], True


def _size(count: int, known: bool, origin: Origin) -> Size:
    if known or not count:
        return Exact(count, origin)
    return Between(count, 0, count, 0.9, "as if the free room of each device were in one piece", origin)


def _targets(fd: int) -> dict[str, str]:
    """The profiles that a balance converts to, running or paused: new chunks are made of these."""
    try:
        return decode.balance_targets(ioctl.balance_progress(fd))
    except OSError as error:
        if error.errno not in (errno.ENOTCONN, errno.EPERM, errno.EACCES, errno.ENOTTY):
            raise
        return {}


def statfs_rule(fd: int, devices: Iterable[Device]) -> StatfsRule:
    """How statfs counts here, from what it and the block groups say at the same moment.

    Malformed where no rule explains it.
    """
    total = sum(device.total_bytes for device in devices)
    before, told, after = _spaces(fd), os.fstatvfs(fd), _spaces(fd)
    for _ in range(_TRIES):
        if before == after:
            break
        before, told, after = after, os.fstatvfs(fd), _spaces(fd)
    block = told.f_frsize
    divisor = min(range(1, _MOST_COPIES + 1), key=lambda copies: abs(total // copies - told.f_blocks * block))
    if abs(total // divisor - told.f_blocks * block) > total // 100:
        raise Malformed(f"statfs has {told.f_blocks * block} bytes, the devices {total}")
    disk = sum(s.logical_used_bytes * layout.disk_copies(s.profile) for s in after if s.kind != "global reserve")
    reserve = sum(s.logical_total_bytes for s in after if s.kind == "global reserve")
    beyond = (told.f_blocks - told.f_bfree) * block - disk // divisor
    return StatfsRule(divisor, abs(beyond - reserve) <= abs(beyond))


def _spaces(fd: int) -> tuple[Space, ...]:
    return decode.spaces(ioctl.space_info(fd), 1)
