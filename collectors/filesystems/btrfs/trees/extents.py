"""The growing table of extents: address → size on disk, size decompressed, set of holders."""

from __future__ import annotations

from collections import Counter

import numpy as np

from collectors.filesystems.btrfs.trees.root_sets import I64, U64, RootSets


class ExtentTable:
    """32 bytes for each distinct extent, and up to three times that while references wait and are reduced."""

    def __init__(self, sets: RootSets) -> None:
        self._sets = sets
        self._held = ExtentHolders(sets)

    def add(self, addresses: U64, disk: U64, ram: U64, sets: I64) -> None:
        """References to extents. `ram` is 0 for extents that are not compressed."""
        self._held.add(sets, addresses, disk, ram)

    def bytes_by_set(self) -> list[int]:
        """Bytes on disk held by each set, by its number."""
        sets, disk, _ = self._whole()  # may find new sets
        totals = np.zeros(len(self._sets.masks), np.uint64)
        np.add.at(totals, sets, disk)
        return [int(total) for total in totals]

    def apart(self) -> bool:
        """Whether no two extents lie on each other, as on a device none do."""
        _, columns = self._held.whole()
        if not columns:
            return True
        addresses, disk, _ = columns
        return not (addresses[:-1] + disk[:-1] > addresses[1:]).any()

    def plain_bytes(self) -> int:
        """Bytes on disk of extents that are not compressed."""
        _, disk, ram = self._whole()
        return int(disk[ram == 0].sum())

    def compressed_bytes(self) -> tuple[int, int]:
        """Of the compressed extents: bytes on disk, and bytes that they hold."""
        _, disk, ram = self._whole()
        return int(disk[ram != 0].sum()), int(ram.sum())

    def _whole(self) -> tuple[I64, U64, U64]:
        sets, columns = self._held.whole()
        nothing = np.empty(0, np.uint64)
        _, disk, ram = columns or (nothing, nothing, nothing)
        return sets, disk, ram


_MANY = 1 << 19  # rows that wait before they are reduced; as many as there are keys, where those are more


class ExtentHolders:
    """8 bytes for each column and the set of each key, as much for what waits, twice that while it is reduced."""

    def __init__(self, sets: RootSets) -> None:
        self._sets = sets
        self._parts: list[tuple[U64, ...]] = []
        self._holders: list[I64] = []
        self._count = self._reduced = 0

    def add(self, holders: I64, *columns: U64) -> None:
        """Rows in any order. The first column is the key; rows of one key agree on the second, or Malformed is raised.

        The others are taken from any of the rows.
        """
        self._holders.append(holders)
        self._parts.append(columns)
        self._count += len(holders)
        if self._count - self._reduced > max(_MANY, self._reduced):
            self._reduce()

    def whole(self) -> tuple[I64, tuple[U64, ...]]:
        """The union of holders for each key, and the columns, in order of key. Nothing at all has no columns."""
        self._reduce()
        return (self._holders[0], self._parts[0]) if self._parts else (np.empty(0, np.int64), ())

    def _reduce(self) -> None:
        if self._count == self._reduced:
            return
        # What is copied is let go at once, column by column: at ten million extents each column is 80 MB.
        parts, holders = self._parts, np.concatenate(self._holders)
        self._parts, self._holders = [], []
        columns = [np.concatenate([part[number] for part in parts]) for number in range(len(parts[0]))]
        parts.clear()
        rows, unions = self._sets.united(columns[0], holders, agreed=columns[1])
        del holders
        kept: list[U64] = []
        while columns:
            kept.append(columns.pop(0)[rows])
        self._parts, self._holders = [tuple(kept)], [unions]
        self._count = self._reduced = len(unions)


_LOW = np.uint64(0xFFFFFFFF)


class SetCounts:
    def __init__(self) -> None:
        self.inodes: Counter[int] = Counter()
        self.apparent: Counter[int] = Counter()
        self.blocks: Counter[int] = Counter()

    def add_inodes(self, sets: I64, apparent: U64) -> None:
        """One row for each inode. Sparse files can be exabytes long: halves are summed apart, so nothing overflows."""
        _count(self.inodes, sets)
        low, high = (apparent & _LOW).astype(np.float64), (apparent >> np.uint64(32)).astype(np.float64)
        lows, highs = np.bincount(sets, low), np.bincount(sets, high)
        for number in np.flatnonzero((lows > 0) | (highs > 0)).tolist():
            self.apparent[number] += int(lows[number]) + (int(highs[number]) << 32)

    def add_blocks(self, sets: I64) -> None:
        """One row for each tree block."""
        _count(self.blocks, sets)


def _count(counter: Counter[int], sets: I64) -> None:
    found = np.bincount(sets)
    for number in np.flatnonzero(found).tolist():
        counter[number] += int(found[number])
