"""The largest files of all subvolumes, and where they lie: collected during the walk, named after it.

An item of an inode comes with every copy of its leaf, and a snapshot has copies of leaves whose files it shares with
its source. So a file is that of the subvolume in which it was made: its generation tells whether it is older than the
snapshot. Bytes are the file's own, as if it were alone: what it shares with others is not taken off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from collectors.filesystems.btrfs.trees.extents import I64, U64, RootSets
from collectors.filesystems.btrfs.trees.leaves import InodeRecords
from collectors.model.btrfs import LargeFile
from collectors.system.deadline import Malformed

_KEPT = 1024  # inodes that are remembered during the walk, and four times as many before the smaller ones go
_NAMED = 64  # files: each takes some look-ups
_LEAST_BYTES = 1 << 16


class LargeInodes:
    """The largest that were met: set of trees, inode, bytes, generation."""

    def __init__(self) -> None:
        self._found: list[tuple[I64, U64]] = []
        self._count = 0
        self._least = np.uint64(_LEAST_BYTES)

    def add(self, sets: I64, inodes: InodeRecords) -> None:
        """Enter a batch; `sets` by row of its blocks."""
        large = inodes.taken >= self._least
        if not large.any():
            return
        columns = (inodes.inodes[large], inodes.taken[large], inodes.apparent[large], inodes.made_in[large])
        self._found.append((sets[inodes.rows[large]], np.stack(columns)))
        self._count += int(large.sum())
        if self._count > 4 * _KEPT:
            self._keep()

    def _keep(self) -> None:
        sets = np.concatenate([one[0] for one in self._found])
        columns = np.concatenate([one[1] for one in self._found], axis=1)
        order = np.argsort(columns[1])[::-1][:_KEPT]
        self._found, self._count = [(sets[order], columns[:, order])], len(order)
        if len(order) == _KEPT:
            self._least = columns[1][order[-1]]

    def of_trees(self, sets: RootSets, made_after: Mapping[int, int]) -> Iterator[tuple[int, int, int, int]]:
        """(bit of the tree, inode, bytes, apparent bytes), largest first, each once.

        `made_after`: bit of a subvolume → the generation that it was made in; what is older is its source's, or the
        oldest snapshot's where the source is gone.
        """
        if not self._found:
            return
        self._keep()
        numbers, columns = self._found[0]
        holders: dict[tuple[int, int], int] = {}
        sizes: dict[tuple[int, int], tuple[int, int]] = {}
        for number, (inode, taken, apparent, made_in) in zip(numbers.tolist(), columns.T.tolist(), strict=True):
            key = inode, made_in
            holders[key] = holders.get(key, 0) | sets.masks[number]
            sizes.setdefault(key, (taken, apparent))
        for (inode, made_in), mask in holders.items():
            mine = [bit for bit in made_after if mask >> bit & 1]
            if mine:
                made = (bit for bit in mine if made_in > made_after[bit])
                bit = next(made, min(mine, key=made_after.__getitem__))
                yield bit, inode, *sizes[inode, made_in]


def named(
    found: Iterator[tuple[int, int, int, int]],
    subvolumes: Mapping[int, tuple[int, str]],
    path: Callable[[int, int], str | None],
) -> tuple[LargeFile, ...]:
    """The first of them with their paths below the top level. `subvolumes`: bit → (id, path)."""
    files: list[LargeFile] = []
    for bit, inode, taken, apparent in found:
        subvolume, above = subvolumes[bit]
        try:
            below = path(subvolume, inode)
        except Malformed:  # what is said beside the figures is no reason to have none
            continue
        if below:
            files.append(LargeFile(f"{above}/{below}".lstrip("/"), taken, apparent))
        if len(files) == _NAMED:
            break
    return tuple(files)
