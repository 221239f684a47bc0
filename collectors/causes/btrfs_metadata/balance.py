"""When btrfs has no room left for another metadata chunk: which data chunks to compact, and whether that can work.

Used by the plan and once more just before the balance runs, on fresh figures. Frees no byte of statfs `used`: it turns
half-empty data chunks back into unallocated space, which is what metadata needs to grow.
"""

from __future__ import annotations

from collections.abc import Iterable

from collectors.model import dataclass
from collectors.model.btrfs import RESERVED_NODES, Btrfs, Chunk, Device, Space
from collectors.model.reading import Exact, Size, Unavailable, charged

HIGH_METADATA_FILL = 0.75  # below that metadata still has room to grow where it is


@dataclass(frozen=True, slots=True)
class MetadataRoom:
    """What tree blocks have and may still get, in logical bytes; of mixed chunks, what they have with data."""

    total_bytes: int
    used_bytes: int
    reserve_bytes: int  # of the free ones, for the kernel alone
    allocatable: Size  # by new chunks
    chunk_bytes: int  # the most of one
    node_bytes: int
    copies: tuple[int, int]  # (2, 1) for DUP and RAID1

    @property
    def free_bytes(self) -> int:
        """In the chunks that there are, for anybody."""
        return max(0, self.total_bytes - self.used_bytes - self.reserve_bytes)

    @property
    def allocatable_bytes(self) -> int:
        return 0 if isinstance(self.allocatable, Unavailable) else charged(self.allocatable)

    @property
    def no_whole_chunk(self) -> bool:
        """Whether there is too little room for another chunk of the usual size."""
        return self.allocatable_bytes < self.chunk_bytes

    @property
    def fill(self) -> float:
        """0 to 1: what is used or reserved, of all that there is and can be."""
        most = self.total_bytes + self.allocatable_bytes
        return min(1.0, (self.used_bytes + self.reserve_bytes) / most) if most else 0.0

    def presses(self, share: float) -> bool:
        """Whether no whole chunk fits any more, and that share is taken, or a large transaction finds too little.

        Measured: the kernel refused with 4 MiB left.
        """
        short = self.free_bytes + self.allocatable_bytes < RESERVED_NODES * self.node_bytes
        return self.no_whole_chunk and (short or self.fill >= share)


def metadata_room(btrfs: Btrfs) -> MetadataRoom | None:
    """None where the figures to tell are missing."""
    room = btrfs.room("metadata")
    found = _sum(btrfs.usable("metadata"), room.kind) if room is not None else None
    if found is None or room is None:
        return None
    reserve = btrfs.reserve_bytes
    limit, node, copies = room.chunk_bytes, btrfs.node_bytes, (found.copies, found.copies_of)
    return MetadataRoom(found.total, found.used, reserve, room.allocatable, limit, node, copies)


@dataclass(frozen=True, slots=True)
class Pressure:
    """Metadata that needs another chunk and finds no room for one; bytes are logical."""

    room: MetadataRoom

    @property
    def lacking_bytes(self) -> int:
        """Metadata to free first; above 0, a balance ends in ENOSPC before it moved anything."""
        free = self.room.total_bytes - self.room.used_bytes - self.room.reserve_bytes
        return max(0, RESERVED_NODES * self.room.node_bytes - free - self.room.allocatable_bytes)


@dataclass(frozen=True, slots=True)
class Squeeze:
    """A balance filter: data chunks filled to less than `usage_percent`, at most `limit` of them."""

    usage_percent: int
    limit: int
    gains_raw_bytes: int


def pressure(btrfs: Btrfs, *, decided: bool = False) -> Pressure | None:
    """None where there is no need, or where the figures to tell are missing (a mixed filesystem has no such split).

    The need: no room for another metadata chunk, and either metadata is nearly full already, or so much room lies idle
    inside data chunks that giving some of it back in time costs little. `decided`: a plan has found that need, and what
    it did since made metadata emptier; only whether room is still short counts.
    """
    room = metadata_room(btrfs)
    if room is None or not room.no_whole_chunk or _sum(btrfs.known_spaces, "mixed") is not None:
        return None
    slack = sum(space.free_bytes for space in btrfs.known_spaces if space.kind == "data")
    wanted = room.chunk_bytes * room.copies[0] // room.copies[1]
    if not decided and room.used_bytes < HIGH_METADATA_FILL * room.total_bytes and slack <= 2 * wanted:
        return None
    return Pressure(room)


def squeeze(chunks: Iterable[Chunk], spaces: Iterable[Space], now: Pressure) -> Squeeze | None:
    """The gentlest filter that makes room for a metadata chunk, or as near as the free room in other data chunks
    allows. None where no chunk can be emptied into the others.
    """
    wanted = now.room.chunk_bytes * now.room.copies[0] // now.room.copies[1]
    here = now.room.allocatable_bytes * now.room.copies[0] // now.room.copies[1]
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
        if here + found.gains_raw_bytes >= wanted:
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


def refused(btrfs: Btrfs) -> str:
    """Why nothing must be balanced now, as one sentence; "" where nothing speaks against it."""
    if any(device.missing for device in btrfs.known_devices):
        return "Balance: a device is missing, and what is moved now is written without it; replace it first."
    failing = next((device for device in btrfs.known_devices if writes_failed(device)), None)
    if failing is not None:
        return f"Balance: device {failing.devid} fails to write; replace it first."
    if isinstance(btrfs.operation, Exact) and btrfs.operation.value != "none":
        return f"Balance: {btrfs.operation.value} has this filesystem; nothing else that moves chunks can run."
    return ""


def writes_failed(device: Device) -> bool:
    """Whether it has lost what was written to it."""
    errors = dict(device.errors.value) if isinstance(device.errors, Exact) else {}
    return bool(errors.get("write_errs") or errors.get("flush_errs"))


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
