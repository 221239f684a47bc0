"""The result of a walk in its smallest form: bytes by set of units. What follows from it is worked out here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collectors.model.btrfs import Holding, Shared
from collectors.model.ids import UnitId
from collectors.sources.btrfs.trees.findings import Findings

_CHUNK = 1024  # sets at a time, when masks become a matrix of bits


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of one length; bit n of a mask means units[n]. `metadata` is None where tree blocks were not seen."""

    units: tuple[UnitId, ...]
    masks: tuple[int, ...]
    data: tuple[int, ...]
    metadata: tuple[int, ...] | None
    apparent: tuple[int, ...]
    inodes: tuple[int, ...]


def tabled(findings: Findings, node_bytes: int | None) -> Table:
    """The sets that hold anything; settles `findings`. Without a node size, tree blocks were not seen."""
    findings.settle()
    data = findings.extents.bytes_by_set()
    tally = findings.tally
    units = tuple(dict.fromkeys(findings.units))
    merged: dict[int, list[int]] = {}
    for number, mask in enumerate(findings.sets.masks):
        found = (data[number], tally.blocks[number] * (node_bytes or 0), tally.apparent[number], tally.inodes[number])
        if any(found):
            row = merged.setdefault(_by_unit(mask, findings.units, units), [0, 0, 0, 0])
            row[:] = map(sum, zip(row, found, strict=True))
    columns = [tuple(column) for column in zip(*merged.values(), strict=True)] or [()] * 4
    return Table(units, tuple(merged), columns[0], columns[1] if node_bytes else None, columns[2], columns[3])


def rows(table: Table) -> tuple[Shared, ...]:
    """Every set that holds data or metadata, the largest first."""
    metadata: Sequence[int | None] = table.metadata or [None] * len(table.masks)
    found = []
    for part, bits in _bits(table):
        for row, data, meta in zip(bits, table.data[part], metadata[part], strict=True):
            if data or meta:
                holders = frozenset(map(table.units.__getitem__, np.flatnonzero(row).tolist()))
                found.append(Shared(holders, data, meta))
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


def _by_unit(mask: int, meanings: Sequence[UnitId], units: Sequence[UnitId]) -> int:
    """The mask by unit, where several bits may have meant the same one."""
    if len(meanings) == len(units):
        return mask
    number = {unit: bit for bit, unit in enumerate(units)}
    found = 0
    for bit, unit in enumerate(meanings):
        if mask >> bit & 1:
            found |= 1 << number[unit]
    return found


def _bits(table: Table) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
    """Some rows at a time, and a matrix of rows × units with a 1 for each holder."""
    count = len(table.units)
    width = (count + 7) // 8
    for at in range(0, len(table.masks), _CHUNK):
        part = slice(at, at + _CHUNK)
        packed = b"".join(mask.to_bytes(width, "little") for mask in table.masks[part])
        raw = np.frombuffer(packed, np.uint8).reshape(-1, width)
        yield part, np.unpackbits(raw, axis=1, count=count, bitorder="little")


def _sums(table: Table, columns: Sequence[Sequence[int]]) -> list[list[int]]:
    """For each column and unit, the sum over the sets that contain the unit. Exact for integers of any size.

    Digits of 32 bits are summed apart: 1,024 of them stay below 2^53, where floating point still counts in ones.
    """
    sums = [[0] * len(table.units) for _ in columns]
    for part, bits in _bits(table):
        matrix = bits.astype(np.float64)
        for column, totals in zip(columns, sums, strict=True):
            shift, left = 0, list(column[part])
            while any(left):
                digits = np.array([value & 0xFFFFFFFF for value in left], np.float64)
                for bit, total in enumerate((digits @ matrix).tolist()):
                    totals[bit] += int(total) << shift
                shift, left = shift + 32, [value >> 32 for value in left]
    return sums
