"""From the superblock to places on devices: where trees begin, and where a logical address lies.

The superblock: where the trees of a committed generation begin, and whether this package understands them.

Logical addresses of tree blocks to places on devices, for every profile. On RAID5/6 only where they lie: what a missing
device held is not computed from parity. Refuses (Unsupported) blocks that cross a stripe, which old conversions left.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from collectors.filesystems.btrfs import allocator, decode, layout
from collectors.filesystems.btrfs.decode import ChunkItem
from collectors.filesystems.btrfs.trees import checksum
from collectors.filesystems.btrfs.trees.checksum import Stale, Unsupported
from collectors.model.records import dataclass
from collectors.system.deadline import Malformed

AT = 64 * 1024
SIZE = 4096

_MAGIC = b"_BHRfS_M"
_TREES = struct.Struct("<QQQQ")  # generation, root, chunk root, log root: from 72
_SIZES = struct.Struct("<II")  # sector, node: from 144
_FLAGS = struct.Struct("<QQQHBB")  # compat, compat read-only, incompat, checksum, root level, chunk level: from 172
_DISK_KEY = struct.Struct("<QBQ")
_CHUNKS_AT = 811
_CHUNKS_MOST = 2048
_SEEDING = 1 << 32
_METADATA_UUID = 1 << 10
_ZONED = 1 << 12
_EXTENT_TREE_V2 = 1 << 13
# Everything up to simple quotas (1 << 16): what they add does not change how subvolumes are read.
_UNDERSTOOD = (1 << 17) - 1 & ~_ZONED & ~_EXTENT_TREE_V2


@dataclass(frozen=True, slots=True)
class BtrfsSuperblock:
    fsid: bytes
    metadata_fsid: bytes  # what tree blocks carry; another one after `btrfstune -m`
    generation: int
    root: int
    root_level: int
    chunk_root: int
    chunk_level: int
    chunk_generation: int
    used_bytes: int  # of all block groups, one copy
    sector_bytes: int
    node_bytes: int
    checksum: int
    incompat: int
    devid: int
    seeding: bool  # of a device that other filesystems have sprouted from
    seed_fsids: tuple[bytes, ...]  # what blocks carry that still lie on a seed of this filesystem
    system_chunks: tuple[tuple[int, decode.ChunkItem], ...]  # (logical start, chunk): enough to read the chunk tree


def parse(raw: bytes) -> BtrfsSuperblock:
    """4,096 bytes from offset 64 KiB of a device. Raises Malformed, or Unsupported where a feature is unknown."""
    if len(raw) != SIZE or raw[64:72] != _MAGIC:
        raise Malformed("no btrfs superblock")
    compat = _FLAGS.unpack_from(raw, 172)
    _, _, incompat, kind, root_level, chunk_level = compat
    if not checksum.right(np.frombuffer(raw, np.uint8).reshape(1, SIZE), kind)[0]:
        raise Malformed("the superblock's checksum is wrong")
    if unknown := incompat & ~_UNDERSTOOD:
        raise Unsupported(f"incompatible feature {unknown:#x} is unknown")
    sector, node = _SIZES.unpack_from(raw, 144)
    if node not in (4096, 8192, 16384, 32768, 65536) or not 512 <= sector <= node or sector & (sector - 1):
        raise Malformed(f"node size {node}, sector size {sector}")
    generation, root, chunk_root, _ = _TREES.unpack_from(raw, 72)
    return BtrfsSuperblock(
        fsid=raw[32:48],
        metadata_fsid=raw[571:587] if incompat & _METADATA_UUID else raw[32:48],
        generation=generation,
        root=root,
        root_level=root_level,
        chunk_root=chunk_root,
        chunk_level=chunk_level,
        chunk_generation=int.from_bytes(raw[164:172], "little"),
        used_bytes=int.from_bytes(raw[120:128], "little"),
        sector_bytes=sector,
        node_bytes=node,
        checksum=kind,
        incompat=incompat,
        devid=int.from_bytes(raw[201:209], "little"),
        seeding=bool(int.from_bytes(raw[56:64], "little") & _SEEDING),
        seed_fsids=(),
        system_chunks=_system_chunks(raw),
    )


def _system_chunks(raw: bytes) -> tuple[tuple[int, decode.ChunkItem], ...]:
    size = int.from_bytes(raw[160:164], "little")
    if size > _CHUNKS_MOST:
        raise Malformed(f"{size} bytes of system chunks")
    packed = raw[_CHUNKS_AT : _CHUNKS_AT + size]
    found = []
    at = 0
    while at < size:
        if at + _DISK_KEY.size > size:
            raise Malformed("the system chunks end in the middle of a key")
        logical = _DISK_KEY.unpack_from(packed, at)[2]
        chunk = decode.chunk(packed[at + _DISK_KEY.size :])
        found.append((logical, chunk))
        at += _DISK_KEY.size + chunk.item_bytes
    return tuple(found)


U64 = NDArray[np.uint64]

_WHOLE_COPIES = layout.DUP | layout.RAID1 | layout.RAID1C3 | layout.RAID1C4
_PARITY = layout.RAID5 | layout.RAID6
_KNOWN = _WHOLE_COPIES | layout.RAID0 | layout.RAID10 | _PARITY


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
        if not profile & (layout.RAID0 | layout.RAID10 | _PARITY):
            devid, base = chunk.stripes[copy]
            return np.full(len(offsets), devid, np.int64), offsets + np.uint64(base)
        return self._striped(chunk, offsets, copy, chunk.sub_stripes if profile & layout.RAID10 else 1)

    def _striped(self, chunk: ChunkItem, offsets: U64, copy: int, group: int) -> tuple[NDArray[np.int64], U64]:
        """RAID0 and RAID5/6, and RAID10 as RAID0 over groups of `group` mirrored stripes."""
        if not group or len(chunk.stripes) % group:
            raise Unsupported(f"{len(chunk.stripes)} stripes in groups of {group}")
        parity = allocator.PROFILES[layout.profile(chunk.flags)].parity
        size, groups = np.uint64(chunk.stripe_bytes), np.uint64((len(chunk.stripes) - parity) // group)
        number, rest = offsets // size, offsets % size
        if (rest + np.uint64(self._node_bytes) > size).any():
            raise Unsupported("a tree block crosses a stripe")
        stripe = (number % groups) * np.uint64(group) + np.uint64(copy)
        if parity:  # which moves on by one device with every row of stripes
            stripe = (stripe + number // groups) % np.uint64(len(chunk.stripes))
        devids = np.array([devid for devid, _ in chunk.stripes], np.int64)[stripe]
        bases = np.array([base for _, base in chunk.stripes], np.uint64)[stripe]
        return devids, bases + (number // groups) * size + rest
