"""Extents of some subvolumes by directory: inode → the deepest rule above it.

What such a subvolume holds is kept back until all its leaves have been seen, for directories may come later than what
is in them. Then its holder is replaced in each set: by the rule's unit, or by itself for what no rule names.
About 40 bytes for each reference and 24 for each inode of the split subvolumes, not of the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collectors.sources.btrfs import layout
from collectors.sources.btrfs.trees.extents import ExtentTable
from collectors.sources.btrfs.trees.rootsets import I64, U64, RootSets
from collectors.sources.btrfs.trees.tally import Tally

U8 = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Split:
    """One subvolume to split. `rules`: inode → bit of the unit that everything below it goes to."""

    bit: int
    rules: Mapping[int, int]


class Splitter:
    def __init__(self, splits: tuple[Split, ...], sets: RootSets) -> None:
        self._splits = splits
        self._sets = sets
        self._bits = sum(1 << split.bit for split in splits)
        self._links: list[tuple[I64, U64, U64, U8]] = []
        self._inodes: list[tuple[I64, U64, U64]] = []
        self._extents: list[tuple[I64, U64, U64, U64, U64]] = []

    def concerned(self, sets: I64) -> NDArray[np.bool_]:
        """Which of these sets contain a subvolume that is split."""
        if not self._bits:
            return np.zeros(len(sets), np.bool_)
        distinct, back = np.unique(sets, return_inverse=True)
        chosen = [bool(self._sets.masks[number] & self._bits) for number in distinct.tolist()]
        return np.array(chosen, np.bool_)[back]

    def add_links(self, sets: I64, inodes: U64, parents: U64, ranks: U8) -> None:
        self._links.append((sets, inodes, parents, ranks))

    def add_inodes(self, sets: I64, inodes: U64, apparent: U64) -> None:
        self._inodes.append((sets, inodes, apparent))

    def add_extents(self, sets: I64, inodes: U64, addresses: U64, disk: U64, ram: U64) -> None:
        self._extents.append((sets, inodes, addresses, disk, ram))

    def settle(self, extents: ExtentTable, tally: Tally) -> None:
        """Hand what was kept back to the tables, under the names of the rules."""
        maps = [(split.bit, self._bits_by_inode(split)) for split in self._splits]
        while self._extents:  # piece by piece, so that no second copy of all of them exists
            sets, inodes, addresses, disk, ram = self._extents.pop()
            extents.add(addresses, disk, ram, self._renamed(sets, inodes, maps))
        while self._inodes:
            sets, inodes, apparent = self._inodes.pop()
            tally.add_inodes(self._renamed(sets, inodes, maps), apparent)

    def _renamed(self, sets: I64, inodes: U64, maps: list[tuple[int, tuple[U64, I64]]]) -> I64:
        for bit, (known, bits) in maps:
            inside = np.flatnonzero(self._sets.containing(1 << bit)[sets]) if len(sets) else np.empty(0, np.intp)
            if not len(inside) or not len(known):
                continue
            at = np.minimum(np.searchsorted(known, inodes[inside]), len(known) - 1)
            target = np.where(known[at] == inodes[inside], bits[at], bit)
            pairs = sets[inside] << 24 | target
            distinct, back = np.unique(pairs, return_inverse=True)
            sets = sets.copy()
            sets[inside] = np.array([self._replaced(pair, bit) for pair in distinct.tolist()], np.int64)[back]
        return sets

    def _replaced(self, pair: int, bit: int) -> int:
        mask = self._sets.masks[pair >> 24] & ~(1 << bit)
        return self._sets.number(mask | 1 << (pair & 0xFFFFFF))

    def _bits_by_inode(self, split: Split) -> tuple[U64, I64]:
        """Inodes in ascending order, and the bit of the unit of each."""
        inodes, parents = self._tree(split.bit)
        own = np.full(len(inodes), -1, np.int64)
        for inode, bit in split.rules.items():
            at = int(np.searchsorted(inodes, np.uint64(inode)))
            if at < len(inodes) and int(inodes[at]) == inode:
                own[at] = bit
        place = np.minimum(np.searchsorted(inodes, parents), max(0, len(inodes) - 1))
        itself = np.arange(len(inodes))
        # Ends of the climb: a rule, the subvolume's own directory, an inode whose directory is not there.
        ends = (own >= 0) | (inodes == layout.SUBVOLUME_DIRECTORY) | (inodes[place] != parents)
        above = np.where(ends, itself, place)
        for _ in range(64):  # each round doubles the distance; a loop of directories would not end otherwise
            higher = above[above]
            if (higher == above).all():
                break
            above = higher
        bits = own[above]
        return _with_nameless(inodes, np.where(bits >= 0, bits, split.bit), split)

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


def _with_nameless(inodes: U64, bits: I64, split: Split) -> tuple[U64, I64]:
    """Inodes that a rule names though no directory does: deleted files that are still open."""
    named = np.fromiter(split.rules.keys(), np.uint64, len(split.rules))
    nameless = named[~np.isin(named, inodes)]
    if not len(nameless):
        return inodes, bits
    targets = np.array([split.rules[int(inode)] for inode in nameless], np.int64)
    inodes, bits = np.concatenate((inodes, nameless)), np.concatenate((bits, targets))
    order = np.argsort(inodes)
    return inodes[order], bits[order]
