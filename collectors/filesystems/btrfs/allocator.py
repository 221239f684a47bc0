"""How much more a btrfs can place: the kernel's chunk allocator, played forward on the free room of each device. Pure.

A chunk needs room on as many devices as its profile has stripes, so a sum over devices says nothing: RAID1 on 1 GiB and
3 GiB can place 1 GiB. What is asked for here is logical: bytes of data or of tree blocks, each counted once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from collectors.filesystems.btrfs import layout
from collectors.filesystems.btrfs.decode import ChunkItem

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
    profile = PROFILES.get(layout.profile(chunk.flags))
    if profile is None:
        return chunk.logical_bytes
    return chunk.logical_bytes // max(1, (len(chunk.stripes) - profile.parity) // profile.copies)


def one_hole(total_bytes: int, allocated_bytes: int) -> tuple[int, ...]:
    """As `holes`, at best: where nobody tells how the free room of a device lies."""
    room = total_bytes - max(allocated_bytes, 0) - _FIRST_BYTES
    return (room,) if room >= _STRIPE else ()
