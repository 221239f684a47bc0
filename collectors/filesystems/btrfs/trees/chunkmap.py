"""Logical addresses of tree blocks to places on devices: single, DUP, RAID0, RAID1, RAID10, RAID1C3, RAID1C4.

Refuses (Unsupported) blocks on RAID5/6, whose parity rotates and may have to be computed, and blocks that cross a
stripe, which old conversions left.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from collectors.filesystems.btrfs import layout
from collectors.filesystems.btrfs.items import ChunkItem
from collectors.filesystems.btrfs.trees.faults import Stale, Unsupported
from collectors.system.deadline import Malformed

U64 = NDArray[np.uint64]

_WHOLE_COPIES = layout.DUP | layout.RAID1 | layout.RAID1C3 | layout.RAID1C4
_KNOWN = _WHOLE_COPIES | layout.RAID0 | layout.RAID10


class ChunkMap:
    """The chunks of one filesystem, by logical start."""

    def __init__(self, chunks: Iterable[tuple[int, ChunkItem]], node_bytes: int) -> None:
        ordered = sorted(dict(chunks).items())
        for start, chunk in ordered:
            if chunk.logical_bytes < node_bytes or start + chunk.logical_bytes >= 1 << 63:
                raise Malformed(f"a chunk of {chunk.logical_bytes} bytes at {start}")
            if any(max(stripe) >= 1 << 63 for stripe in chunk.stripes):
                raise Malformed(f"the chunk at {start} lies on no device")
        self.chunks = tuple(ordered)
        self._starts = np.array([start for start, _ in ordered], np.uint64)
        self._ends = np.array([start + chunk.logical_bytes for start, chunk in ordered], np.uint64)
        self._node_bytes = node_bytes

    def copies(self, address: int) -> int:
        """How many copies there are of a block at this address."""
        chunk = self.chunks[int(self._index(np.array([address], np.uint64))[0])][1]
        if chunk.flags & layout.RAID10:
            return max(1, chunk.sub_stripes)
        return len(chunk.stripes) if chunk.flags & _WHOLE_COPIES else 1

    def locate(self, addresses: U64, copy: int) -> tuple[NDArray[np.int64], U64]:
        """devid and physical offset of one copy of each block; `addresses` in ascending order.

        Raises Stale for an address in no chunk: no pointer of these trees can be meant.
        """
        index = self._index(addresses)
        devids = np.empty(len(addresses), np.int64)
        places = np.empty(len(addresses), np.uint64)
        edges = np.flatnonzero(np.diff(index)) + 1
        for part in np.split(np.arange(len(addresses)), edges):
            if len(part):
                start, chunk = self.chunks[int(index[part[0]])]
                devids[part], places[part] = self._within(chunk, addresses[part] - np.uint64(start), copy)
        return devids, places

    def _index(self, addresses: U64) -> NDArray[np.int64]:
        index = np.searchsorted(self._starts, addresses, "right") - 1
        if not len(self._starts) or (index < 0).any():
            raise Stale("an address below all chunks")
        beyond = addresses > self._ends[index] - np.uint64(self._node_bytes)
        if beyond.any():
            raise Stale(f"address {int(addresses[beyond][0])} lies in no chunk")
        return np.asarray(index, np.int64)

    def _within(self, chunk: ChunkItem, offsets: U64, copy: int) -> tuple[NDArray[np.int64], U64]:
        profile = chunk.flags & ~(layout.DATA | layout.METADATA | layout.SYSTEM)
        if profile & ~_KNOWN:
            raise Unsupported(f"metadata on {layout.profile(chunk.flags)}")
        if not profile & (layout.RAID0 | layout.RAID10):
            devid, base = chunk.stripes[copy]
            return np.full(len(offsets), devid, np.int64), offsets + np.uint64(base)
        return self._striped(chunk, offsets, copy, chunk.sub_stripes if profile & layout.RAID10 else 1)

    def _striped(self, chunk: ChunkItem, offsets: U64, copy: int, group: int) -> tuple[NDArray[np.int64], U64]:
        """RAID0, and RAID10 as RAID0 over groups of `group` mirrored stripes."""
        if not group or len(chunk.stripes) % group:
            raise Unsupported(f"{len(chunk.stripes)} stripes in groups of {group}")
        size, groups = np.uint64(chunk.stripe_bytes), np.uint64(len(chunk.stripes) // group)
        number, rest = offsets // size, offsets % size
        if (rest + np.uint64(self._node_bytes) > size).any():
            raise Unsupported("a tree block crosses a stripe")
        stripe = (number % groups) * np.uint64(group) + np.uint64(copy)
        devids = np.array([devid for devid, _ in chunk.stripes], np.int64)[stripe]
        bases = np.array([base for _, base in chunk.stripes], np.uint64)[stripe]
        return devids, bases + (number // groups) * size + rest
