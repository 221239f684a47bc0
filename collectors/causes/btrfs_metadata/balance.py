"""When btrfs has no unallocated room left for metadata: which data chunks to compact, and whether that can work at all.

Used by the plan and once more just before the balance runs, on fresh figures. Frees no byte of statfs `used`: it turns
half-empty data chunks back into unallocated space, which is what metadata needs to grow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from collectors.model.btrfs import Btrfs, Chunk, Space
from collectors.model.reading import Exact
from collectors.model.settings import GIB, MIB

METADATA_CHUNK_SMALL = GIB // 4  # the kernel's choice up to 50 GiB
SMALL_FILESYSTEM = 50 * GIB
HIGH_METADATA_FILL = 0.75  # below that metadata still has room to grow where it is
# Relocation reserves 256 nodes before it starts, and its transactions come on top: with 16 KiB nodes a balance failed
# at 5.25 MiB of free metadata and worked at 6.8 MiB (kernel 6.18). Twice the reservation is on the safe side.
RELOCATION_NODES = 2 * 256


@dataclass(frozen=True, slots=True)
class Pressure:
    """Bytes are logical unless they say raw (physical, all copies)."""

    unallocated_raw_bytes: int
    wanted_raw_bytes: int  # unallocated after the balance: room for one more metadata chunk in all its copies
    metadata_fill: float
    headroom_bytes: int  # metadata that a relocation may use: free, or still to be allocated
    headroom_needed_bytes: int
    copies: tuple[int, int]  # of metadata: (2, 1) for DUP and RAID1

    @property
    def lacking_bytes(self) -> int:
        """Metadata to free first; above 0, a balance ends in ENOSPC before it moved anything."""
        return max(0, self.headroom_needed_bytes - self.headroom_bytes)


@dataclass(frozen=True, slots=True)
class Squeeze:
    """A balance filter: data chunks filled to less than `usage_percent`, at most `limit` of them."""

    usage_percent: int
    limit: int
    gains_raw_bytes: int


def pressure(btrfs: Btrfs, *, decided: bool = False) -> Pressure | None:
    """None where there is no need, or where the figures to tell are missing (a mixed filesystem has no such split).

    The need: too little unallocated for another metadata chunk, and either metadata is nearly full already, or so much
    room lies idle inside data chunks that giving some of it back in time costs little. `decided`: a plan has found that
    need, and what it did since made metadata emptier; only whether unallocated is still short counts.
    """
    if not (isinstance(btrfs.spaces, Exact) and isinstance(btrfs.unallocated_bytes, Exact)):
        return None
    metadata = _sum(btrfs.spaces.value, "metadata")
    if metadata is None or not metadata.total:
        return None
    reserve = sum(s.logical_total_bytes for s in btrfs.spaces.value if s.kind == "global reserve")
    devices = btrfs.devices.value if isinstance(btrfs.devices, Exact) else ()
    device = sum(d.total_bytes for d in devices)
    chunk = GIB if device > SMALL_FILESYSTEM else METADATA_CHUNK_SMALL
    if device:
        chunk = min(chunk, device // 10)
    wanted = chunk * metadata.copies // metadata.copies_of
    fill = metadata.used / metadata.total
    # The first MiB of a device is never allocated; a full filesystem still reports it.
    unallocated = max(0, btrfs.unallocated_bytes.value - max(1, len(devices)) * MIB)
    data = _sum(btrfs.spaces.value, "data")
    slack = data.total - data.used if data is not None else 0
    if unallocated >= wanted or (not decided and fill < HIGH_METADATA_FILL and slack <= 2 * wanted):
        return None
    return Pressure(
        unallocated_raw_bytes=unallocated,
        wanted_raw_bytes=wanted,
        metadata_fill=fill,
        headroom_bytes=metadata.total - metadata.used - reserve + unallocated * metadata.copies_of // metadata.copies,
        headroom_needed_bytes=RELOCATION_NODES * btrfs.node_bytes,
        copies=(metadata.copies, metadata.copies_of),
    )


def squeeze(chunks: Iterable[Chunk], spaces: Iterable[Space], now: Pressure) -> Squeeze | None:
    """The gentlest filter that brings unallocated to what is wanted, or as near as the free room in other data chunks
    allows. None where no chunk can be emptied into the others.
    """
    ratio = _ratio(spaces)
    data = sorted(
        (c for c in chunks if c.kind == "data"),
        key=lambda c: (c.used_bytes * 1000 // c.logical_bytes, c.logical_start),
    )
    best: Squeeze | None = None
    for count in range(1, len(data) + 1):
        usage = data[count - 1].used_bytes * 100 // data[count - 1].logical_bytes + 1
        if usage > 100:
            break
        found = _filter(data, usage, count, ratio)
        if found is None:
            break
        best = found
        if now.unallocated_raw_bytes + found.gains_raw_bytes >= now.wanted_raw_bytes:
            break
    return best


def _filter(data: list[Chunk], usage: int, limit: int, ratio: tuple[int, int]) -> Squeeze | None:
    """None where the fullest chunks that the filter may pick do not fit into the free room of the rest.

    The kernel takes the matching chunks in its own order, so the worst choice has to fit.
    """
    matching = [c for c in data if c.used_bytes * 100 < usage * c.logical_bytes]
    fullest = sorted(matching, key=lambda c: -c.used_bytes)[:limit]
    moved = sum(c.used_bytes for c in fullest)
    picked = {c.logical_start for c in fullest}
    room = sum(c.logical_bytes - c.used_bytes for c in data if c.logical_start not in picked)
    if moved > room:
        return None
    smallest = sorted(c.logical_bytes for c in matching)[:limit]
    return Squeeze(usage, limit, sum(smallest) * ratio[0] // ratio[1])


def _ratio(spaces: Iterable[Space]) -> tuple[int, int]:
    """Copies of a data byte on the devices; of the profile that holds most, where a conversion was left half done."""
    data = [s for s in spaces if s.kind == "data"]
    if not data:
        return (1, 1)
    main = max(data, key=lambda s: s.logical_total_bytes)
    return (main.copies, main.copies_of)


@dataclass(frozen=True, slots=True)
class _Total:
    total: int
    used: int
    copies: int
    copies_of: int


def _sum(spaces: Iterable[Space], kind: str) -> _Total | None:
    mine = [s for s in spaces if s.kind == kind]
    if not mine:
        return None
    main = max(mine, key=lambda s: s.logical_total_bytes)
    return _Total(
        sum(s.logical_total_bytes for s in mine), sum(s.logical_used_bytes for s in mine), main.copies, main.copies_of
    )
