"""What is summed up on the way, by set of holders: inodes, their apparent sizes, tree blocks. Exact integers."""

from __future__ import annotations

from collections import Counter

import numpy as np

from collectors.filesystems.btrfs.trees.rootsets import I64, U64

_LOW = np.uint64(0xFFFFFFFF)


class Tally:
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
