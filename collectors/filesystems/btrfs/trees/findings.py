"""What a walk fills: tables by set of holders. The same for both ways to walk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from collectors.filesystems.btrfs import layout
from collectors.filesystems.btrfs.trees import records
from collectors.filesystems.btrfs.trees.extents import ExtentTable, SetCounts
from collectors.filesystems.btrfs.trees.rootsets import I64, RootSets
from collectors.filesystems.btrfs.trees.splitting import PathSplit, Splitter
from collectors.filesystems.btrfs.trees.table import Table
from collectors.model.btrfs import SplitRule
from collectors.model.ids import UnitId


class Batch(Protocol):
    """Some items of subvolumes."""

    def extents(self) -> records.Extents: ...
    def inodes(self) -> records.InodeRecords: ...
    def links(self, wanted: NDArray[np.bool_]) -> records.Links: ...


class Inodes(Protocol):
    """(subvolume, inode) of a path, or None; and the inodes that have no path, by subvolume."""

    def inode(self, path: str) -> tuple[int, int] | None: ...
    def unlinked(self, subvolumes: Sequence[int]) -> Mapping[int, Sequence[int]]: ...


@dataclass(frozen=True, slots=True)
class Findings:
    """Tables by set number. `units` gives the meaning of a bit; two bits may mean the same unit."""

    units: tuple[UnitId, ...]
    unresolved: tuple[str, ...]
    sets: RootSets
    extents: ExtentTable
    tally: SetCounts
    referenced: Intervals  # of uncompressed extents
    splitter: Splitter

    def take(self, batch: Batch, sets: I64) -> None:
        """Enter a batch whose rows belong to these sets."""
        inodes = batch.inodes()
        late = self.splitter.late(sets, inodes.rows, inodes.inodes)
        self.splitter.add_inodes(sets[inodes.rows[late]], inodes.inodes[late], inodes.apparent[late])
        self.tally.add_inodes(sets[inodes.rows[~late]], inodes.apparent[~late])
        named = self.splitter.named(sets)
        if named.any():
            links = batch.links(named)
            self.splitter.add_links(sets[links.rows], links.inodes, links.parents, links.ranks)
        extents = batch.extents()
        plain = extents.ram == 0
        begin = extents.addresses[plain] + extents.starts[plain]
        self.referenced.add(begin, begin + extents.lengths[plain])
        holders, addresses, disk, ram = sets[extents.rows], extents.addresses, extents.disk, extents.ram
        late = self.splitter.late(sets, extents.rows, extents.inodes)
        if late.any():
            self.splitter.add_extents(holders[late], extents.inodes[late], addresses[late], disk[late], ram[late])
            addresses, disk, ram, holders = addresses[~late], disk[~late], ram[~late], holders[~late]
        self.extents.add(addresses, disk, ram, holders)

    def settle(self) -> None:
        """All items have been seen: what was kept back finds its holders."""
        self.splitter.settle(self.extents, self.tally)


def empty(trees: Mapping[int, int], units: Sequence[UnitId], names: Inodes, rules: Sequence[SplitRule]) -> Findings:
    """Tables for these holders. `trees`: subvolume → its bit; `units`: what each bit means before the rules."""
    meanings = list(units)
    bits: dict[UnitId, int] = {}
    inside: dict[int, dict[int, int]] = {}
    nameless: dict[int, dict[int, int]] = {}
    unresolved = []

    def bit_of(unit: UnitId) -> int:
        return bits.setdefault(unit, len(units) + len(bits))

    for rule in rules:
        place = names.inode(rule.path)
        if place is None or place[0] not in trees:
            unresolved.append(rule.path)
        elif place[1] == layout.SUBVOLUME_DIRECTORY:
            meanings[trees[place[0]]] = rule.unit
        else:
            inside.setdefault(trees[place[0]], {})[place[1]] = bit_of(rule.unit)
    living = [tree for tree, bit in trees.items() if layout.is_subvolume(tree) and not units[bit].startswith("<")]
    for tree, inodes in names.unlinked(living).items():
        nameless[trees[tree]] = dict.fromkeys(inodes, bit_of(UnitId(layout.UNLINKED)))
    sets = RootSets()
    splits = tuple(PathSplit(bit, inside.get(bit, {}), nameless.get(bit, {})) for bit in sorted({*inside, *nameless}))
    return Findings(
        (*meanings, *bits), tuple(unresolved), sets, ExtentTable(sets), SetCounts(), Intervals(), Splitter(splits, sets)
    )


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


U64 = NDArray[np.uint64]

_MANY = 1 << 20  # intervals, before they are united


class Intervals:
    """A growing union of intervals [start, end)."""

    def __init__(self) -> None:
        self._starts: list[U64] = []
        self._ends: list[U64] = []
        self._count = 0
        self._bound = _MANY

    def add(self, starts: U64, ends: U64) -> None:
        """More intervals, in any order."""
        starts, ends = _united(starts, ends)
        self._starts.append(starts)
        self._ends.append(ends)
        self._count += len(starts)
        if self._count > self._bound:
            self._unite()
            self._bound = max(_MANY, 2 * self._count)

    def total(self) -> int:
        """Bytes in the union."""
        self._unite()
        return sum(int((end - start).sum()) for start, end in zip(self._starts, self._ends, strict=True))

    def _unite(self) -> None:
        if len(self._starts) > 1:
            starts, ends = _united(np.concatenate(self._starts), np.concatenate(self._ends))
            self._starts, self._ends, self._count = [starts], [ends], len(starts)


def _united(starts: U64, ends: U64) -> tuple[U64, U64]:
    if not len(starts):
        return starts, ends
    order = np.argsort(starts)
    starts = starts[order]
    reach = np.maximum.accumulate(ends[order])
    first = np.ones(len(starts), np.bool_)
    first[1:] = starts[1:] > reach[:-1]
    last = np.append(np.flatnonzero(first)[1:] - 1, len(starts) - 1)
    return starts[first], reach[last]
