"""How much more a btrfs can place (the kernel's allocator, played forward), and how its statfs counts."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Mapping, Sequence

from collectors.filesystems.btrfs import decode, ioctl, search
from collectors.filesystems.btrfs.decode import ChunkItem
from collectors.model import dataclass
from collectors.model.btrfs import RESERVED_NODES, Device, Room, Space, StatfsRule
from collectors.model.reading import Between, Exact, Origin, Size
from collectors.system.deadline import Declined, Malformed

_MIB, _GIB = 1 << 20, 1 << 30
_STRIPE = 64 * 1024
_FIRST_BYTES = _MIB  # at the start of each device, never allocated
_MOST_STRIPE = _GIB
_ROUNDED = 16 * _MIB
_SYSTEM_CHUNK = 32 * _MIB
_SMALL_FILESYSTEM = 50 * _GIB
# Steps of so many parts of the scarcest device: exact where room is short, never thousands of steps where it is not.
_STEPS = 64


@dataclass(frozen=True, slots=True)
class Profile:
    """`most` 0: as many devices as there are. `stripes` on each device; `copies` of each byte; `parity` stripes."""

    least: int
    most: int
    multiple: int  # of devices
    stripes: int
    copies: int
    parity: int


PROFILES: Mapping[str, Profile] = {
    "single": Profile(1, 1, 1, 1, 1, 0),
    "DUP": Profile(1, 1, 1, 2, 2, 0),
    "RAID0": Profile(1, 0, 1, 1, 1, 0),
    "RAID1": Profile(2, 2, 2, 1, 2, 0),
    "RAID1C3": Profile(3, 3, 3, 1, 3, 0),
    "RAID1C4": Profile(4, 4, 4, 1, 4, 0),
    "RAID10": Profile(2, 0, 2, 1, 2, 0),
    "RAID5": Profile(2, 0, 1, 1, 1, 1),
    "RAID6": Profile(3, 0, 1, 1, 1, 2),
}
# Where several are in use, the kernel makes new chunks of the first that it can.
_PREFERRED = ("RAID1C4", "RAID6", "RAID1C3", "RAID5", "RAID10", "RAID1", "DUP", "RAID0")


@dataclass(frozen=True, slots=True)
class DeviceRoom:
    """One device that takes new chunks. `holes` are the bytes of each stretch in no chunk, in order of place."""

    total_bytes: int
    holes: tuple[int, ...]


def new_profile(present: Iterable[str], devices: int, target: str = "") -> str | None:
    """The profile of the next chunk: a balance's `target`, else the best of those in use for which `devices` suffice.

    None for a profile of the future.
    """
    if target:
        return target if target in PROFILES else None
    names = set(present)
    if names - set(PROFILES):
        return None
    possible = [name for name in _PREFERRED if name in names and devices >= PROFILES[name].least]
    return possible[0] if possible else "single"


@dataclass(frozen=True, slots=True)
class ChunkLimits:
    """The most logical bytes of a new chunk, and the most of each of its stripes."""

    chunk_bytes: int
    stripe_bytes: int


def limits(kind: str, writable_bytes: int, told: int | None = None) -> ChunkLimits:
    """Of chunks of this kind on devices that have `writable_bytes`: as `told` by the kernel, or its default."""
    default = 10 * _GIB
    if kind == "system":
        default = _SYSTEM_CHUNK
    elif kind == "metadata":
        default = _GIB if writable_bytes > _SMALL_FILESYSTEM else _GIB // 4
    most = default if told is None else told
    return ChunkLimits(min(most, writable_bytes // 10), min(most, _MOST_STRIPE))


def placeable_bytes(name: str, devices: Sequence[DeviceRoom], most: ChunkLimits) -> int:
    """Logical bytes in all the chunks of this profile that still fit."""
    profile = PROFILES[name]
    left = [list(device.holes) for device in devices]
    placed = 0
    while True:
        made = _one_chunk(profile, left, most)
        if not made:
            return placed
        placed += made


def after_chunk(name: str, devices: Sequence[DeviceRoom], most: ChunkLimits) -> tuple[DeviceRoom, ...]:
    """What is left of the devices' free room once one more chunk of this profile is made."""
    left = [list(device.holes) for device in devices]
    _one_chunk(PROFILES[name], left, most, steps=1)
    return tuple(DeviceRoom(device.total_bytes, tuple(rest)) for device, rest in zip(devices, left, strict=True))


def _one_chunk(profile: Profile, left: list[list[int]], most: ChunkLimits, steps: int = _STEPS) -> int:
    """Take the next chunk out of the devices' holes, `left`; its logical bytes, 0 where none can be made.

    As many at once as `steps` of them leave no device short; with 1 step it is one.
    """
    least = _STRIPE * profile.stripes
    wanted = most.stripe_bytes * profile.stripes
    found = sorted((-min(max(holes), wanted), -sum(holes), at) for at, holes in enumerate(left) if holes)
    usable = [(-room, at) for room, total, at in found if -room >= least]
    count = len(usable) // profile.multiple * profile.multiple
    if count < profile.least:
        return 0
    count = min(count, profile.most or count)
    parts = (count * profile.stripes - profile.parity) // profile.copies  # that hold different bytes
    stripe = usable[count - 1][0] // profile.stripes
    if stripe * parts > most.chunk_bytes:
        stripe = min(-(-(most.chunk_bytes // parts) // _ROUNDED) * _ROUNDED, stripe)
    stripe = min(stripe, _MOST_STRIPE) // _STRIPE * _STRIPE
    chosen = [at for _, at in usable[:count]]
    # Many chunks at once, while every device has room for many.
    fitting = min(max(left[at]) for at in chosen) // (stripe * profile.stripes)
    times = max(1, fitting // steps) if steps > 1 else 1
    for at in chosen:
        _take(left[at], stripe * profile.stripes * times, wanted)
    return stripe * parts * times


def _take(holes: list[int], size: int, wanted: int) -> None:
    """From the first hole that has all that is wanted, else from the largest, as the kernel looks for it."""
    at = next((n for n, hole in enumerate(holes) if hole >= max(wanted, size)), holes.index(max(holes)))
    holes[at] -= size
    if not holes[at]:
        del holes[at]


def holes(devid: int, total_bytes: int, chunks: Iterable[ChunkItem]) -> tuple[int, ...]:
    """The stretches of one device in no chunk, in bytes and in order of place."""
    taken = sorted(
        (offset, stripe_bytes(chunk)) for chunk in chunks for device, offset in chunk.stripes if device == devid
    )
    found, at = [], _FIRST_BYTES
    for offset, size in (*taken, (total_bytes, 0)):
        if offset - at >= _STRIPE:
            found.append(offset - at)
        at = max(at, offset + size)
    return tuple(found)


def stripe_bytes(chunk: ChunkItem) -> int:
    """What a chunk takes on each of its devices, for each stripe there."""
    profile = PROFILES.get(ioctl.profile(chunk.flags))
    if profile is None:
        return chunk.logical_bytes
    return chunk.logical_bytes // max(1, (len(chunk.stripes) - profile.parity) // profile.copies)


def one_hole(total_bytes: int, allocated_bytes: int) -> tuple[int, ...]:
    """As `holes`, at best: where nobody tells how the free room of a device lies."""
    room = total_bytes - max(allocated_bytes, 0) - _FIRST_BYTES
    return (room,) if room >= _STRIPE else ()


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
        profile = new_profile(present, len(taking), target)
        if profile is None:
            raise Malformed(f"{kind} in chunks of {', '.join(present)}: how these are made is not known")
        most = limits(kind, total, chunk_bytes(kind))
        count = placeable_bytes(profile, placed, most)
        found.append(Room(kind, profile, ioctl.disk_copies(profile), _size(count, known, origin), most.chunk_bytes))
        if kind == "metadata" and _needs_a_chunk(spaces, node_bytes):
            placed = after_chunk(profile, placed, most)
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
        return [DeviceRoom(d.total_bytes, one_hole(d.total_bytes, d.allocated_bytes)) for d in devices], False
    return [DeviceRoom(d.total_bytes, holes(d.devid, d.total_bytes, chunks)) for d in devices], True


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
    disk = sum(s.logical_used_bytes * ioctl.disk_copies(s.profile) for s in after if s.kind != "global reserve")
    reserve = sum(s.logical_total_bytes for s in after if s.kind == "global reserve")
    beyond = (told.f_blocks - told.f_bfree) * block - disk // divisor
    return StatfsRule(divisor, abs(beyond - reserve) <= abs(beyond))


def _spaces(fd: int) -> tuple[Space, ...]:
    return decode.spaces(ioctl.space_info(fd), 1)
