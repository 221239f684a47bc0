"""Extents and leaves of some subvolumes by directory: inode → the deepest rule above it.

What such a subvolume holds is kept back until all its leaves have been seen, for directories may come later than what
is in them. Then its holder is replaced in each set: by the rule's unit, or by itself for what no rule names.
About 24 bytes for each reference and 28 for each inode of the split subvolumes, not of the others; while the
directories are sorted, 40 more for each inode.

A leaf goes with a directory where everything in it lies below that one rule; one that two of them fill stays with the
subvolume, as do all blocks above the leaves.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from collectors.filesystems.btrfs import ioctl
from collectors.filesystems.btrfs.trees.extents import ExtentTable, SetCounts
from collectors.filesystems.btrfs.trees.sets import I64, U64, RootSets
from collectors.model import dataclass

U8 = NDArray[np.uint8]

Narrow = NDArray[np.unsignedinteger]


# How much of a leaf is looked at: no single inode; those that no directory names; the directory of each.
SUMS, INODES, NAMES = 0, 1, 2
_NO_INODE = np.uint64(0)


@dataclass(frozen=True, slots=True)
class PathSplit:
    """One subvolume to split. `rules`: inode → bit of the unit that everything below it goes to.

    `nameless`: inodes that no directory names (deleted files that are still open) → bit. Where there are only these,
    only their own items are kept back.
    """

    bit: int
    rules: Mapping[int, int]
    nameless: Mapping[int, int]


class Splitter:
    def __init__(self, splits: tuple[PathSplit, ...], sets: RootSets) -> None:
        self._splits = splits
        self._sets = sets
        self._whole = sum(1 << split.bit for split in splits if split.rules)
        self._partly = sum(1 << split.bit for split in splits if not split.rules)
        self._nameless = np.array(sorted({inode for split in splits for inode in split.nameless}), np.uint64)
        self._links: list[tuple[Narrow, Narrow, Narrow, U8]] = []
        self._inodes: list[tuple[Narrow, Narrow, Narrow]] = []
        self._extents: list[tuple[Narrow, Narrow, Narrow, Narrow, Narrow]] = []
        self._leaves: list[tuple[I64, U64, U64, U64]] = []

    def detail(self, sets: I64, first: U64, last: U64) -> U8:
        """SUMS, INODES or NAMES for each leaf, given its set and the object ids of its first and last item."""
        between = np.searchsorted(self._nameless, first) < np.searchsorted(self._nameless, last, "right")
        single = np.where(between & self._any_of(sets, self._partly), INODES, SUMS)
        return np.where(self._any_of(sets, self._whole), NAMES, single).astype(np.uint8)

    def late(self, sets: I64, rows: I64, inodes: U64) -> NDArray[np.bool_]:
        """Which items are to be kept back, given the set of each block and the block and inode of each item."""
        found = self._any_of(sets, self._whole)[rows]
        if self._partly:
            found |= self._any_of(sets, self._partly)[rows] & np.isin(inodes, self._nameless)
        return found

    def _any_of(self, sets: I64, bits: int) -> NDArray[np.bool_]:
        if not bits:
            return np.zeros(len(sets), np.bool_)
        distinct, back = np.unique(sets, return_inverse=True)
        chosen = [bool(self._sets.masks[number] & bits) for number in distinct.tolist()]
        return np.array(chosen, np.bool_)[back]

    def add_links(self, sets: I64, inodes: U64, parents: U64, ranks: U8) -> None:
        self._links.append((_narrow(sets), _narrow(inodes), _narrow(parents), ranks))

    def add_inodes(self, sets: I64, inodes: U64, apparent: U64) -> None:
        self._inodes.append((_narrow(sets), _narrow(inodes), _narrow(apparent)))

    def add_extents(self, sets: I64, inodes: U64, addresses: U64, disk: U64, ram: U64) -> None:
        columns = (sets, inodes, addresses, disk, ram)
        self._extents.append(tuple(map(_narrow, columns)))  # type: ignore[arg-type]  # five of them

    def add_leaves(self, sets: I64, first: U64, last: U64, copies: U64) -> None:
        """Leaves that were counted by these sets, by the object ids of their first and last item."""
        mine = self._any_of(sets, self._whole)
        if mine.any():
            self._leaves.append((sets[mine], first[mine], last[mine], copies[mine]))

    def settle(self, extents: ExtentTable, tally: SetCounts) -> None:
        """Hand what was kept back to the tables, under the names of the rules."""
        maps = [(split.bit, self._bits_by_inode(split)) for split in self._splits]
        while self._extents:  # piece by piece, so that no second copy of all of them exists
            sets, inodes, addresses, disk, ram = self._extents.pop()
            extents.add(_wide(addresses), _wide(disk), _wide(ram), self._renamed(sets, inodes, maps))
        while self._inodes:
            sets, inodes, apparent = self._inodes.pop()
            tally.add_inodes(self._renamed(sets, inodes, maps), _wide(apparent))
        if self._leaves:  # all at once: the inodes are gone through for each time
            leaves, first, last, copies = (np.concatenate(column) for column in zip(*self._leaves, strict=True))
            tally.move_blocks(leaves, self._of_leaves(leaves, first, last, maps), copies)

    def _of_leaves(self, sets: I64, first: U64, last: U64, maps: list[tuple[int, tuple[U64, I64]]]) -> I64:
        for split, (bit, (known, bits)) in zip(self._splits, maps, strict=True):
            whole = _alike(known, np.where(np.isin(bits, list(split.rules.values())), bits, bit), first, last)
            sets = self._renamed(sets, np.where(whole, first, _NO_INODE), [(bit, (known, bits))])
        return sets

    def _renamed(self, narrow_sets: Narrow | I64, inodes: Narrow, maps: list[tuple[int, tuple[U64, I64]]]) -> I64:
        sets = narrow_sets.astype(np.int64)
        holders = 0
        for number in np.unique(sets).tolist():
            holders |= self._sets.masks[number]
        for bit, (known, bits) in maps:
            if not holders >> bit & 1 or not len(known):
                continue
            inside = np.flatnonzero(self._any_of(sets, 1 << bit))
            at = np.minimum(np.searchsorted(known, inodes[inside]), len(known) - 1)
            target = np.where(known[at] == inodes[inside], bits[at], bit)
            pairs = sets[inside] << 24 | target
            distinct, back = np.unique(pairs, return_inverse=True)
            sets[inside] = np.array([self._replaced(pair, bit) for pair in distinct.tolist()], np.int64)[back]
        return sets

    def _replaced(self, pair: int, bit: int) -> int:
        mask = self._sets.masks[pair >> 24] & ~(1 << bit)
        return self._sets.number(mask | 1 << (pair & 0xFFFFFF))

    def _bits_by_inode(self, split: PathSplit) -> tuple[U64, I64]:
        """Inodes in ascending order, and the bit of the unit of each; inodes that are not there stay as they are."""
        inodes, bits = self._by_directory(split) if split.rules else (np.empty(0, np.uint64), np.empty(0, np.int64))
        nameless = {inode: bit for inode, bit in split.nameless.items() if not _has(inodes, inode)}
        inodes = np.concatenate((inodes, np.array(list(nameless), np.uint64)))
        bits = np.concatenate((bits, np.array(list(nameless.values()), np.int64)))
        order = np.argsort(inodes)
        return inodes[order], bits[order]

    def _by_directory(self, split: PathSplit) -> tuple[U64, I64]:
        inodes, parents = self._tree(split.bit)
        own = np.full(len(inodes), -1, np.int64)
        for inode, bit in split.rules.items():
            if _has(inodes, inode):
                own[np.searchsorted(inodes, np.uint64(inode))] = bit
        place = np.minimum(np.searchsorted(inodes, parents), max(0, len(inodes) - 1))
        itself = np.arange(len(inodes))
        # Ends of the climb: a rule, the subvolume's own directory, an inode whose directory is not there.
        ends = (own >= 0) | (inodes == ioctl.SUBVOLUME_DIRECTORY) | (inodes[place] != parents)
        above = np.where(ends, itself, place)
        for _ in range(64):  # each round doubles the distance; a loop of directories would not end otherwise
            higher = above[above]
            if (higher == above).all():
                break
            above = higher
        bits = own[above]
        return inodes, np.where(bits >= 0, bits, split.bit)

    def _tree(self, bit: int) -> tuple[U64, U64]:
        """Each inode of one subvolume with its first directory; the subvolume's own directory with itself."""
        mine = self._sets.containing(1 << bit)
        rows = [np.flatnonzero(mine[sets]) for sets, _, _, _ in self._links]
        columns = list(zip(self._links, rows, strict=True))
        inodes = np.concatenate([np.empty(0, np.uint64), *(link[1][row] for link, row in columns)])
        parents = np.concatenate([np.empty(0, np.uint64), *(link[2][row] for link, row in columns)])
        ranks = np.concatenate([np.empty(0, np.uint8), *(link[3][row] for link, row in columns)])
        order = np.lexsort((parents, ranks, inodes))
        inodes, parents = inodes[order], parents[order]
        first = np.ones(len(inodes), np.bool_)
        first[1:] = inodes[1:] != inodes[:-1]
        return inodes[first], parents[first]


def _alike(known: U64, bits: I64, first: U64, last: U64) -> NDArray[np.bool_]:
    """Whether both ends of each range of inodes are known, and all that lies between has the same bit."""
    if not len(known):
        return np.zeros(len(first), np.bool_)
    low, high = (np.minimum(np.searchsorted(known, end), len(known) - 1) for end in (first, last))
    changes = np.cumsum(np.diff(bits, prepend=bits[:1]) != 0)
    return np.asarray((known[low] == first) & (known[high] == last) & (changes[low] == changes[high]))


def _has(inodes: U64, inode: int) -> bool:
    at = int(np.searchsorted(inodes, np.uint64(inode)))
    return at < len(inodes) and int(inodes[at]) == inode


def _narrow(values: NDArray[np.integer]) -> Narrow:
    """Half the memory for numbers that fit, which nearly all inodes and sizes do."""
    return values.astype(np.uint32 if not len(values) or int(values.max()) < 1 << 32 else np.uint64)


def _wide(values: Narrow) -> U64:
    return values.astype(np.uint64)
