"""Down all trees at once, level by level: each block once, with the set of trees that it belongs to.

A level is complete when every block above it has been read; then the sets of its blocks are final. Leaves of trees that
hold no files are counted without being read.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from collectors.filesystems.btrfs import layout
from collectors.filesystems.btrfs.trees.blocks import U8, Blocks, Pointers
from collectors.filesystems.btrfs.trees.extents import ExtentHolders
from collectors.filesystems.btrfs.trees.faults import Stale
from collectors.filesystems.btrfs.trees.findings import Findings
from collectors.filesystems.btrfs.trees.forest import Forest
from collectors.filesystems.btrfs.trees.leaves import Leaves
from collectors.filesystems.btrfs.trees.rootsets import I64, U64
from collectors.system.deadline import Malformed

_POINTER = np.dtype([("objectid", "<u8"), ("type", "u1"), ("offset", "<u8"), ("address", "<u8"), ("generation", "<u8")])
_KEY = np.dtype([("objectid", "<u8"), ("type", "u1"), ("offset", "<u8")])
_MIX = np.uint64(0x9E3779B97F4A7C15)
_RECENT = 16  # commits
# Leaves of any subvolume, and those of the root tree, which keeps the old free space cache in files.
_WITH_FILES = np.array([0, layout.ROOT_TREE], np.uint64)


class Walk:
    """One walk over one forest. Raises TimeoutError when `ends` (time.monotonic) has passed."""

    def __init__(self, blocks: Blocks, forest: Forest, findings: Findings, ends: float) -> None:
        self._blocks = blocks
        self._forest = forest
        self._found = findings
        self._ends = ends
        self._owners: dict[int, int] = {}  # bit of a tree that is no subvolume → its id
        self._alone = 0  # bits of those

    def run(self) -> None:
        levels = self._roots()
        for level in range(max(levels), -1, -1):
            self._level(level, levels)

    def _roots(self) -> dict[int, ExtentHolders]:
        levels: dict[int, ExtentHolders] = {}
        for bit, tree in enumerate(self._forest.trees):
            if tree.pointer.owner:
                self._owners[bit] = tree.pointer.owner
                self._alone |= 1 << bit
            number = np.array([self._found.sets.number(1 << bit)], np.int64)
            address, generation = (np.array([part], np.uint64) for part in tree.pointer[:2])
            unmarked = generation  # no parent has a key for a root
            for at in range(tree.pointer.level + 1):
                levels.setdefault(at, ExtentHolders(self._found.sets))
            levels[tree.pointer.level].add(number, address, unmarked, generation)
        return levels

    def _level(self, level: int, levels: dict[int, ExtentHolders]) -> None:
        sets, columns = levels.pop(level).whole()
        if not columns:
            return
        addresses, marks, generations = columns
        self._found.tally.add_blocks(sets)
        owners = self._expected_owners(sets)
        if level == 0:
            read = np.isin(owners, _WITH_FILES)
            addresses, marks, generations = addresses[read], marks[read], generations[read]
            sets, owners = sets[read], owners[read]
        # What changed lately is likely to change next: it is read while it still is what the commit left.
        recent = generations + np.uint64(_RECENT) > self._blocks.top.generation
        for chosen in (recent, ~recent):
            wanted = Pointers(addresses[chosen], generations[chosen], owners[chosen], level)
            self._read(wanted, marks[chosen], sets[chosen], levels)

    def _read(self, wanted: Pointers, marks: U64, sets: I64, levels: dict[int, ExtentHolders]) -> None:
        for part, blocks in self._blocks.batches(wanted):
            if time.monotonic() > self._ends:
                raise TimeoutError("the deadline ran out during the walk")
            generations = wanted.generations[part]
            begins = np.ascontiguousarray(blocks[:, layout.HEADER_BYTES : layout.HEADER_BYTES + _KEY.itemsize])
            expected = _marks(begins.view(_KEY).ravel(), generations)
            if ((marks[part] != expected) & (marks[part] != generations)).any():
                raise Stale("a block does not begin where its parent says")
            if wanted.level:
                levels[wanted.level - 1].add(*self._children(blocks, wanted.addresses[part], sets[part]))
            else:
                self._found.take(Leaves(blocks), sets[part])

    def _expected_owners(self, sets: I64) -> U64:
        """The tree that each block must belong to; 0 for any subvolume. Only subvolumes share blocks."""
        expected = np.zeros(len(self._found.sets.masks), np.uint64)
        for number in np.unique(sets).tolist():
            mask = self._found.sets.masks[number]
            if mask & self._alone:
                bit = mask.bit_length() - 1
                if mask != 1 << bit:
                    raise Malformed("a tree that is no subvolume shares a block with another one")
                expected[number] = self._owners[bit]
        return expected[sets]

    def _children(self, blocks: U8, addresses: U64, sets: I64) -> tuple[I64, U64, U64, U64]:
        counts = np.ascontiguousarray(blocks[:, 96:100]).view("<u4").ravel()
        most = int(counts.max())
        there = np.arange(most, dtype=np.uint32) < counts[:, None]
        for row in np.flatnonzero(np.isin(addresses, list(self._forest.live_from))).tolist():
            there[row, : self._forest.live_from[int(addresses[row])]] = False
        packed = blocks[:, layout.HEADER_BYTES : layout.HEADER_BYTES + most * layout.POINTER_BYTES]
        found = np.ascontiguousarray(packed).view(_POINTER)[there]
        rows = np.nonzero(there)[0]
        generations = found["generation"].astype(np.uint64)
        return sets[rows], found["address"].astype(np.uint64), _marks(found, generations), generations


def _marks(keys: NDArray[np.void], generations: U64) -> U64:
    """One number for a block's first key and generation: what all pointers to a block, and the block, must agree on."""
    mixed = keys["objectid"].astype(np.uint64) * _MIX + keys["offset"].astype(np.uint64)
    return mixed * _MIX + keys["type"].astype(np.uint64) * _MIX + generations
