"""A batch of checked leaves: where its items are. Refuses items that reach beyond their block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collectors.filesystems.btrfs import layout
from collectors.filesystems.btrfs.layout import HEADER_BYTES, ITEM_BYTES
from collectors.filesystems.btrfs.trees import records
from collectors.filesystems.btrfs.trees.records import I64, U8, Heads
from collectors.system.deadline import Malformed

# What stands in trees with files, up to Linux 6.18: inodes, names, attributes, verity, orphans, extents.
_TYPES = np.zeros(256, np.bool_)
_TYPES[[1, 12, 13, 24, 36, 37, 48, 60, 72, 84, 96, 108]] = True
# In the root tree besides: roots, their references, what a balance notes.
_ROOT_TYPES = (layout.ROOT_ITEM, layout.ROOT_BACKREF, layout.ROOT_REF, 248, 249)
_FREE_SPACE = (2**64 - 11, 0)  # object and type of the old cache's heads, in the root tree
_OWNER = np.dtype([("owner", "<u8")])
_ITEM = np.dtype([("objectid", "<u8"), ("type", "u1"), ("offset", "<u8"), ("at", "<u4"), ("size", "<u4")])


class Leaves:
    def __init__(self, blocks: U8) -> None:
        self._flat = blocks.reshape(-1)
        self._size = blocks.shape[1]
        counts = np.ascontiguousarray(blocks[:, 96:100]).view("<u4").ravel()
        most = int(counts.max(initial=0))
        self._kinds = np.ndarray(
            (len(blocks), most), np.uint8, self._flat.data, HEADER_BYTES + 8, (self._size, ITEM_BYTES)
        )
        self._there = np.arange(most, dtype=np.uint32) < counts[:, None]
        strange = ~_TYPES[self._kinds] & self._there
        if strange.any():
            self._check(*np.nonzero(strange))

    def _check(self, rows: I64, slots: I64) -> None:
        heads = records.gathered(self._flat, rows * self._size + (HEADER_BYTES + slots * ITEM_BYTES), _ITEM)
        roots = np.isin(heads["type"], _ROOT_TYPES)
        roots |= (heads["objectid"] == _FREE_SPACE[0]) & (heads["type"] == _FREE_SPACE[1])
        owners = records.gathered(self._flat, rows * self._size + 88, _OWNER)["owner"]
        unknown = ~roots | (owners != layout.ROOT_TREE)
        if unknown.any():
            raise Malformed(f"an item of unknown type {int(heads['type'][unknown][0])}")

    def extents(self) -> records.Extents:
        return records.extents(self._flat, self._heads(layout.EXTENT_DATA))

    def inodes(self) -> records.InodeRecords:
        return records.inodes(self._flat, self._heads(layout.INODE_ITEM))

    def links(self, wanted: NDArray[np.bool_]) -> records.Links:
        """Of the blocks that are `wanted`."""
        near, far = self._heads(layout.INODE_REF, wanted), self._heads(layout.INODE_EXTREF, wanted)
        return records.links(self._flat, near, far)

    def _heads(self, kind: int, wanted: NDArray[np.bool_] | None = None) -> Heads:
        chosen = (self._kinds == kind) & self._there
        if wanted is not None:
            chosen &= wanted[:, None]
        rows, slots = np.nonzero(chosen)
        blocks = rows * self._size
        items = records.gathered(self._flat, blocks + (HEADER_BYTES + slots * ITEM_BYTES), _ITEM)
        within = HEADER_BYTES + items["at"].astype(np.int64)
        sizes = items["size"].astype(np.int64)
        if (within + sizes > self._size).any():
            raise Malformed("an item ends behind its block")
        return Heads(
            rows=rows,
            objectids=items["objectid"].astype(np.uint64),
            offsets=items["offset"].astype(np.uint64),
            starts=blocks + within,
            sizes=sizes,
        )
