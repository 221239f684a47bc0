"""Leaves of subvolumes to arrays: file extents, inodes, and which directory an inode stands in. Whole batches at once.

Refuses items that reach beyond their block. Which block a record comes from is its `row`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collectors.sources.bounded import Malformed
from collectors.sources.btrfs import layout
from collectors.sources.btrfs.trees.blocks import HEADER_BYTES, ITEM_BYTES, U8, U64

I64 = NDArray[np.int64]

_EXTENT = np.dtype(
    [
        ("generation", "<u8"),
        ("ram", "<u8"),
        ("compression", "u1"),
        ("encryption", "u1"),
        ("encoding", "<u2"),
        ("type", "u1"),
        ("address", "<u8"),
        ("disk", "<u8"),
        ("offset", "<u8"),
        ("length", "<u8"),
    ]
)
_INLINE = 0
_INODE = np.dtype({"names": ["size", "mode"], "formats": ["<u8", "<u4"], "offsets": [16, 52], "itemsize": 56})
_ITEM = np.dtype([("objectid", "<u8"), ("type", "u1"), ("offset", "<u8"), ("at", "<u4"), ("size", "<u4")])
_PARENT = np.dtype([("parent", "<u8")])
_FORMAT, _FILE, _LINK = 0o170000, 0o100000, 0o120000


@dataclass(frozen=True, slots=True)
class Extents:
    """References to extents on disk: holes and inline data left out. Addresses and sizes are logical bytes."""

    rows: I64
    inodes: U64
    addresses: U64
    disk: U64
    ram: U64  # what the extent holds when decompressed
    compressed: NDArray[np.bool_]
    starts: U64  # the part that this reference uses, from the start of the (decompressed) extent
    lengths: U64


@dataclass(frozen=True, slots=True)
class Inodes:
    rows: I64
    inodes: U64
    apparent: U64  # st_size of regular files and symlinks, 0 for the rest


@dataclass(frozen=True, slots=True)
class Links:
    """Inode → directory. `ranks` orders the names of one inode: the lowest counts."""

    rows: I64
    inodes: U64
    parents: U64
    ranks: NDArray[np.uint8]


class Leaves:
    """One batch of checked leaves."""

    def __init__(self, blocks: U8) -> None:
        self._flat = blocks.reshape(-1)
        self._size = blocks.shape[1]
        counts = np.ascontiguousarray(blocks[:, 96:100]).view("<u4").ravel()
        most = int(counts.max(initial=0))
        self._kinds = np.ndarray(
            (len(blocks), most), np.uint8, self._flat.data, HEADER_BYTES + 8, (self._size, ITEM_BYTES)
        )
        self._there = np.arange(most, dtype=np.uint32) < counts[:, None]

    def extents(self) -> Extents:
        """EXTENT_DATA of real extents, preallocated ones included."""
        rows, items, starts = self._items(layout.EXTENT_DATA)
        whole = items["size"] >= _EXTENT.itemsize
        rows, items, starts = rows[whole], items[whole], starts[whole]
        found = self._gathered(starts, _EXTENT)
        real = (found["type"] != _INLINE) & (found["address"] != 0)
        found = found[real]
        return Extents(
            rows=rows[real],
            inodes=items["objectid"][real].astype(np.uint64),
            addresses=found["address"].astype(np.uint64),
            disk=found["disk"].astype(np.uint64),
            ram=found["ram"].astype(np.uint64),
            compressed=found["compression"] != 0,
            starts=found["offset"].astype(np.uint64),
            lengths=found["length"].astype(np.uint64),
        )

    def inodes(self) -> Inodes:
        """INODE_ITEM."""
        rows, items, starts = self._items(layout.INODE_ITEM)
        if (items["size"] < _INODE.itemsize).any():
            raise Malformed("an inode item is too short")
        found = self._gathered(starts, _INODE)
        form = found["mode"] & _FORMAT
        counted = (form == _FILE) | (form == _LINK)
        apparent = np.where(counted, found["size"], np.uint64(0)).astype(np.uint64)
        return Inodes(rows, items["objectid"].astype(np.uint64), apparent)

    def links(self, wanted: NDArray[np.bool_]) -> Links:
        """INODE_REF and INODE_EXTREF of the blocks that are `wanted`."""
        rows, items, _ = self._items(layout.INODE_REF, wanted)
        more_rows, more, starts = self._items(layout.INODE_EXTREF, wanted)
        if (more["size"] < _PARENT.itemsize).any():
            raise Malformed("an inode reference is too short")
        far = self._gathered(starts, _PARENT)["parent"].astype(np.uint64)
        return Links(
            rows=np.concatenate((rows, more_rows)),
            inodes=np.concatenate((items["objectid"], more["objectid"])).astype(np.uint64),
            parents=np.concatenate((items["offset"].astype(np.uint64), far)),
            ranks=np.repeat(np.array([0, 1], np.uint8), [len(rows), len(more_rows)]),
        )

    def _items(self, kind: int, wanted: NDArray[np.bool_] | None = None) -> tuple[I64, NDArray[np.void], I64]:
        """Rows, item headers, and where the data of each starts in the batch."""
        chosen = (self._kinds == kind) & self._there
        if wanted is not None:
            chosen &= wanted[:, None]
        rows, slots = np.nonzero(chosen)
        items = self._gathered(rows * self._size + HEADER_BYTES + slots * ITEM_BYTES, _ITEM)
        within = HEADER_BYTES + items["at"].astype(np.int64)
        if (within + items["size"] > self._size).any():
            raise Malformed("an item ends behind its block")
        return rows, items, rows * self._size + within

    def _gathered(self, places: I64, kind: np.dtype[np.void]) -> NDArray[np.void]:
        """Unaligned structs at these places; one copy for all their fields."""
        width = kind.itemsize
        windows = np.ndarray((len(self._flat) - width + 1,), np.dtype((np.void, width)), self._flat.data, 0, (1,))
        return windows[places].view(kind)
