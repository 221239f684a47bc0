"""The result of a walk in its smallest form: bytes by set of units; and what follows from it.

It is kept between runs, so nothing here loads numpy unless the table is so large that plain loops would take longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import compress
from typing import TypeVar

from collectors.filesystems.btrfs import ioctl
from collectors.model import UnitId, dataclass
from collectors.model.btrfs import Holding, LargeFile, Shared

T = TypeVar("T")

_LARGE = 300_000  # memberships (set, unit), summed by plain loops in a tenth of a second
_SPARSE = 8  # times as many bits as are set: to find each by itself is quicker than to look at all
_CHUNK = 1024  # sets at a time, when masks become a matrix of bits


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of one length; bit n of a mask means units[n]. `metadata` is None where tree blocks were not seen.

    `_disk` columns hold the same in all copies, as `Shared` has it.
    """

    units: tuple[UnitId, ...]
    masks: tuple[int, ...]
    data: tuple[int, ...]
    metadata: tuple[int, ...] | None
    apparent: tuple[int, ...]
    inodes: tuple[int, ...]
    data_disk: tuple[int, ...]
    metadata_disk: tuple[int, ...] | None


def rows(table: Table) -> tuple[Shared, ...]:
    """Every set that holds data or metadata, the largest first."""
    unseen = [None] * len(table.masks)
    metadata: Sequence[int | None] = table.metadata or unseen
    columns = (table.masks, table.data, metadata, table.data_disk, table.metadata_disk or unseen)
    found = [
        Shared(frozenset(_held_by(mask, table.units)), data, meta, data_disk, meta_disk)
        for mask, data, meta, data_disk, meta_disk in zip(*columns, strict=True)
        if data or meta
    ]
    return tuple(sorted(found, key=lambda row: -(row.data_bytes + (row.metadata_bytes or 0))))


def holdings(table: Table) -> tuple[Holding, ...]:
    """What each unit holds, and holds alone."""
    alone = {mask.bit_length() - 1: at for at, mask in enumerate(table.masks) if mask.bit_count() == 1}
    nothing = [0] * len(table.masks)
    columns = (table.data, table.metadata or nothing, table.apparent, table.inodes)
    data, metadata, apparent, inodes = _sums(table, columns)
    return tuple(
        Holding(
            unit=unit,
            referenced_data_bytes=data[bit],
            exclusive_data_bytes=table.data[alone[bit]] if bit in alone else 0,
            referenced_metadata_bytes=None if table.metadata is None else metadata[bit],
            exclusive_metadata_bytes=_exclusive(table.metadata, alone.get(bit)),
            apparent_bytes=apparent[bit],
            inodes=inodes[bit],
        )
        for bit, unit in enumerate(table.units)
    )


def _exclusive(column: Sequence[int] | None, row: int | None) -> int | None:
    if column is None:
        return None
    return 0 if row is None else column[row]


def _held_by(mask: int, things: Sequence[T]) -> Iterable[T]:
    """The things whose bits are set. Most sets have few of many: then bit by bit, else all that the mask spans."""
    if mask.bit_count() * _SPARSE < mask.bit_length():
        return _one_by_one(mask, things)
    return compress(things, (character == "1" for character in reversed(f"{mask:b}")))


def _one_by_one(mask: int, things: Sequence[T]) -> Iterator[T]:
    while mask:
        lowest = mask & -mask
        yield things[lowest.bit_length() - 1]
        mask ^= lowest


def _sums(table: Table, columns: Sequence[Sequence[int]]) -> list[list[int]]:
    """For each column and unit, the sum over the sets that contain the unit. Exact for integers of any size."""
    if sum(mask.bit_count() for mask in table.masks) > _LARGE:
        return _sums_by_matrix(table, columns)
    sums = [[0] * len(table.units) for _ in columns]
    numbers = range(len(table.units))
    for at, mask in enumerate(table.masks):
        for bit in _held_by(mask, numbers):
            for column, totals in zip(columns, sums, strict=True):
                totals[bit] += column[at]
    return sums


def _sums_by_matrix(table: Table, columns: Sequence[Sequence[int]]) -> list[list[int]]:
    """Digits of 32 bits are summed apart: 1,024 of them stay below 2^53, where floating point still counts in ones."""
    import numpy as np

    count = len(table.units)
    width = (count + 7) // 8
    sums = [[0] * count for _ in columns]
    for at in range(0, len(table.masks), _CHUNK):
        part = slice(at, at + _CHUNK)
        packed = b"".join(mask.to_bytes(width, "little") for mask in table.masks[part])
        raw = np.frombuffer(packed, np.uint8).reshape(-1, width)
        matrix = np.unpackbits(raw, axis=1, count=count, bitorder="little").astype(np.float64)
        for column, totals in zip(columns, sums, strict=True):
            shift, left = 0, list(column[part])
            while any(left):
                digits = np.array([value & 0xFFFFFFFF for value in left], np.float64)
                for bit, total in enumerate((digits @ matrix).tolist()):
                    totals[bit] += int(total) << shift
                shift, left = shift + 32, [value >> 32 for value in left]
    return sums


@dataclass(frozen=True, slots=True)
class ChunkFill:
    """Used bytes of all block groups by what they hold; one copy. The global reserve is a part of metadata."""

    data_bytes: int
    metadata_bytes: int
    system_bytes: int
    mixed_bytes: int

    @classmethod
    def of(cls, used: Mapping[str, int]) -> ChunkFill:
        """From bytes by kind, as `layout.kind` names them."""
        return cls(used.get("data", 0), used.get("metadata", 0), used.get("system", 0), used.get("mixed", 0))


def remainder(fill: ChunkFill, table: Table) -> tuple[int | None, int | None]:
    """(data, metadata with system) that is used and was not found; negative where more was found than is used.

    Mixed block groups do not tell data from metadata: there, both are checked as one sum, under data.
    Where the walk saw no tree blocks, metadata is not checked, and nothing is where data shares block groups with it.
    """
    data = sum(table.data)
    if table.metadata is None:
        return (None if fill.mixed_bytes else fill.data_bytes - data), None
    metadata = sum(table.metadata)
    chunk_bit = 1 << table.units.index(ioctl.TREE_NAMES[ioctl.CHUNK_TREE])
    chunk_tree = sum(held for mask, held in zip(table.masks, table.metadata, strict=True) if mask & chunk_bit)
    if fill.mixed_bytes:
        together = fill.mixed_bytes + fill.data_bytes + fill.metadata_bytes
        return together - (data + metadata - chunk_tree), fill.system_bytes - chunk_tree
    return fill.data_bytes - data, fill.metadata_bytes + fill.system_bytes - metadata


@dataclass(frozen=True, slots=True)
class Measured:
    """`fill` is of the same generation; None where only the running kernel's figures exist."""

    generation: int | None  # None: searched on a kernel before 5.10, which does not tell
    table: Table
    fill: ChunkFill | None
    fallback: str
    bookend_bytes: int
    compressed_bytes: int
    uncompressed_bytes: int
    unresolved: tuple[str, ...]
    blocks_read: int
    restarts: int
    large_files: tuple[LargeFile, ...]  # none where the trees were searched
    blocks_remembered: int  # leaves that the last look had read
    memory_lost: str  # why all was read although leaves had been remembered; "" where it was not so
