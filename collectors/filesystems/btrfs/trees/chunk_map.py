"""From the superblock to places on devices: where trees begin, where a logical address lies, whether a block is whole.

Checksums of tree blocks are crc32c, xxhash64, sha256 or blake2b; many blocks at once. And the reasons that end a walk.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable

import numpy as np
from crc32c import crc32c
from numpy.typing import NDArray

from collectors.filesystems.btrfs import allocator, decode, ioctl
from collectors.filesystems.btrfs.decode import ChunkItem
from collectors.model import dataclass
from collectors.system.deadline import Malformed


class Stale(Malformed):
    """A block is not what its pointer promised: overwritten since, or damaged. The walk starts again."""


class Unsupported(Exception):
    """This filesystem cannot be read from its devices; the kernel's tree search may do. The text says why."""

    def __init__(self, why: str, restarts: int = 0) -> None:
        super().__init__(why)
        self.restarts = restarts


Blocks = NDArray[np.uint8]
Verdicts = NDArray[np.bool_]

_FIELD = 32  # bytes at the head of a block, not covered
_P1, _P2, _P3, _P4, _P5 = (
    np.uint64(prime)
    for prime in (
        0x9E3779B185EBCA87,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0x85EBCA77C2B2AE63,
        0x27D4EB2F165667C5,
    )
)


def right(blocks: Blocks, kind: int) -> Verdicts:
    """For each row, whether its checksum field fits the rest of it. Unsupported for a checksum of the future."""
    check = _KINDS.get(kind)
    if check is None:
        raise Unsupported(f"checksum type {kind} is unknown")
    return check(blocks)


def crc32c_of_rows(blocks: Blocks) -> NDArray[np.uint32]:
    """The CRC-32C of each row behind its checksum field."""
    flat, size = np.ascontiguousarray(blocks).reshape(-1).data, blocks.shape[1]
    ends = range(size, len(flat) + 1, size)
    return np.fromiter((crc32c(flat[end - size + _FIELD : end]) for end in ends), np.uint32, len(blocks))


def name_hash(name: bytes) -> int:
    """The offset of a name's DIR_ITEM: a CRC-32C that starts at ~1 and is not inverted."""
    return crc32c(name, 1) ^ 0xFFFFFFFF


def _crc32c(blocks: Blocks) -> Verdicts:
    return np.asarray(crc32c_of_rows(blocks) == blocks.view("<u4")[:, 0])


def _xxhash64(blocks: Blocks) -> Verdicts:
    return np.asarray(_xxh64(blocks[:, _FIELD:]) == blocks.view("<u8")[:, 0])


def _sha256(blocks: Blocks) -> Verdicts:
    return _hashed(blocks, lambda data: hashlib.sha256(data).digest())


def _blake2b(blocks: Blocks) -> Verdicts:
    return _hashed(blocks, lambda data: hashlib.blake2b(data, digest_size=_FIELD).digest())


def _hashed(blocks: Blocks, digest: Callable[[memoryview], bytes]) -> Verdicts:
    rows = (row.data for row in blocks)
    return np.array([digest(row[_FIELD:]) == bytes(row[:_FIELD]) for row in rows], np.bool_)


def _xxh64(data: Blocks) -> NDArray[np.uint64]:
    """XXH64 with seed 0 of each row; rows are a multiple of 32 bytes, so that no remainder is to be mixed in."""
    rows, size = data.shape
    # Stripes first, so that what is added in one step lies in one piece.
    stripes = np.ascontiguousarray(np.ascontiguousarray(data).view("<u8").reshape(rows, -1, 4).transpose(1, 2, 0))
    with np.errstate(over="ignore"):
        start = np.array([_P1 + _P2, _P2, np.uint64(0), np.uint64(0) - _P1], np.uint64)
        lanes = np.repeat(start[:, None], rows, axis=1)
        for stripe in stripes:
            lanes += stripe * _P2
            lanes = _rotated(lanes, 31) * _P1
        mixed = sum((_rotated(lanes[n], by) for n, by in enumerate((1, 7, 12, 18))), np.zeros(rows, np.uint64))
        for lane in lanes:
            mixed = (mixed ^ (_rotated(lane * _P2, 31) * _P1)) * _P1 + _P4
        mixed += np.uint64(size)
        mixed = (mixed ^ (mixed >> np.uint64(33))) * _P2
        mixed = (mixed ^ (mixed >> np.uint64(29))) * _P3
    return mixed ^ (mixed >> np.uint64(32))


def _rotated(values: NDArray[np.uint64], by: int) -> NDArray[np.uint64]:
    return (values << np.uint64(by)) | (values >> np.uint64(64 - by))


_KINDS: dict[int, Callable[[Blocks], Verdicts]] = {0: _crc32c, 1: _xxhash64, 2: _sha256, 3: _blake2b}


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
    if not right(np.frombuffer(raw, np.uint8).reshape(1, SIZE), kind)[0]:
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

_WHOLE_COPIES = ioctl.DUP | ioctl.RAID1 | ioctl.RAID1C3 | ioctl.RAID1C4
_PARITY = ioctl.RAID5 | ioctl.RAID6
_KNOWN = _WHOLE_COPIES | ioctl.RAID0 | ioctl.RAID10 | _PARITY


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
        if chunk.flags & ioctl.RAID10:
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
        profile = chunk.flags & ~(ioctl.DATA | ioctl.METADATA | ioctl.SYSTEM)
        if profile & ~_KNOWN:
            raise Unsupported(f"metadata on {ioctl.profile(chunk.flags)}")
        if not profile & (ioctl.RAID0 | ioctl.RAID10 | _PARITY):
            devid, base = chunk.stripes[copy]
            return np.full(len(offsets), devid, np.int64), offsets + np.uint64(base)
        return self._striped(chunk, offsets, copy, chunk.sub_stripes if profile & ioctl.RAID10 else 1)

    def _striped(self, chunk: ChunkItem, offsets: U64, copy: int, group: int) -> tuple[NDArray[np.int64], U64]:
        """RAID0 and RAID5/6, and RAID10 as RAID0 over groups of `group` mirrored stripes."""
        if not group or len(chunk.stripes) % group:
            raise Unsupported(f"{len(chunk.stripes)} stripes in groups of {group}")
        parity = allocator.PROFILES[ioctl.profile(chunk.flags)].parity
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
