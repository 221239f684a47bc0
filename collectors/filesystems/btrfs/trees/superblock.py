"""The superblock: where the trees of a committed generation begin, and whether this package understands them."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from collectors.filesystems.btrfs import items
from collectors.filesystems.btrfs.trees import checksum
from collectors.filesystems.btrfs.trees.faults import Unsupported
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
    system_chunks: tuple[tuple[int, items.ChunkItem], ...]  # (logical start, chunk): enough to read the chunk tree


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
        system_chunks=_system_chunks(raw),
    )


def _system_chunks(raw: bytes) -> tuple[tuple[int, items.ChunkItem], ...]:
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
        chunk = items.chunk(packed[at + _DISK_KEY.size :])
        found.append((logical, chunk))
        at += _DISK_KEY.size + chunk.item_bytes
    return tuple(found)
