"""The result of a walk in its smallest form: bytes by set of units. What follows from it is worked out here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collectors.model.btrfs import Holding, Shared
from collectors.model.ids import UnitId
from collectors.sources.btrfs.trees.findings import Findings

_CHUNK = 4096  # sets at a time, when masks become a matrix of bits


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
    found = [
        Shared(_holders(mask, table.units), data, meta)
        for mask, data, meta in zip(table.masks, table.data, metadata, strict=True)
        if data or meta
    ]
    return tuple(sorted(found, key=lambda row: -(row.data_bytes + (row.metadata_bytes or 0))))


def holdings(table: Table) -> tuple[Holding, ...]:
    """What each unit holds, and holds alone."""
    exclusive = {mask.bit_length() - 1: at for at, mask in enumerate(table.masks) if mask.bit_count() == 1}
    data, metadata = _sums(table, table.data), _sums(table, table.metadata or ())
    apparent, inodes = _sums(table, table.apparent), _sums(table, table.inodes)
    found = []
    for bit, unit in enumerate(table.units):
        alone = exclusive.get(bit)
        found.append(
            Holding(
                unit=unit,
                referenced_data_bytes=data[bit],
                exclusive_data_bytes=0 if alone is None else table.data[alone],
                referenced_metadata_bytes=None if table.metadata is None else metadata[bit],
                exclusive_metadata_bytes=(
                    None if table.metadata is None else 0 if alone is None else table.metadata[alone]
                ),
                apparent_bytes=apparent[bit],
                inodes=inodes[bit],
            )
        )
    return tuple(found)


def _by_unit(mask: int, meanings: Sequence[UnitId], units: Sequence[UnitId]) -> int:
    """The mask by unit, where several bits may have meant the same one."""
    if len(meanings) == len(units):
        return mask
    number = {unit: bit for bit, unit in enumerate(units)}
    return sum(1 << number[unit] for unit in _holders(mask, meanings))


def _holders(mask: int, units: Sequence[UnitId]) -> frozenset[UnitId]:
    found = []
    while mask:
        low = mask & -mask
        found.append(units[low.bit_length() - 1])
        mask ^= low
    return frozenset(found)


def _sums(table: Table, values: Sequence[int]) -> list[int]:
    """For each unit, the sum over the sets that contain it. Integers of any size: halves are summed apart."""
    count = len(table.units)
    if not values:
        return [0] * count
    width = (count + 7) // 8
    low, high = np.zeros(count, np.uint64), np.zeros(count, np.uint64)
    for at in range(0, len(values), _CHUNK):
        part = values[at : at + _CHUNK]
        packed = b"".join(mask.to_bytes(width, "little") for mask in table.masks[at : at + _CHUNK])
        raw = np.frombuffer(packed, np.uint8).reshape(len(part), width)
        bits = np.unpackbits(raw, axis=1, count=count, bitorder="little")
        low += _weighted(bits, [value & 0xFFFFFFFF for value in part])
        high += _weighted(bits, [value >> 32 for value in part])
    return [int(one) + (int(other) << 32) for one, other in zip(low, high, strict=True)]


def _weighted(bits: NDArray[np.uint8], weights: Sequence[int]) -> NDArray[np.uint64]:
    found: NDArray[np.uint64] = np.array(weights, np.uint64) @ bits.astype(np.uint64)
    return found
