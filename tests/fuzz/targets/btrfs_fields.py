"""Where the fields of a tree block or superblock lie. Written from the format, not with the readers' own structs."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

HEADER, ITEM, POINTER = 101, 25, 33

Layout = tuple[tuple[str, int], ...]  # (name, bytes), in order

_KEY: Layout = (("key.objectid", 8), ("key.type", 1), ("key.offset", 8))
_HEAD: Layout = (
    *(("csum", 32), ("fsid", 16), ("bytenr", 8), ("flags", 8), ("chunk_tree_uuid", 16)),
    *(("generation", 8), ("owner", 8), ("nritems", 4), ("level", 1)),
)
_STAMPS: Layout = tuple((f"{name}time", 12) for name in "acmo")
_INODE: Layout = (
    *(("generation", 8), ("transid", 8), ("size", 8), ("nbytes", 8), ("block_group", 8), ("nlink", 4), ("uid", 4)),
    *(("gid", 4), ("mode", 4), ("rdev", 8), ("flags", 8), ("sequence", 8), ("reserved", 32), *_STAMPS),
)
_ROOT: Layout = (
    *(("inode", 160), ("generation", 8), ("dirid", 8), ("bytenr", 8), ("byte_limit", 8), ("bytes_used", 8)),
    *(("last_snapshot", 8), ("flags", 8), ("refs", 4), ("drop_key", 17), ("drop_level", 1), ("level", 1)),
    *(("generation_v2", 8), ("uuid", 16), ("parent_uuid", 16), ("received_uuid", 16), ("transids", 32), ("times", 48)),
)
_ENTRY: Layout = (
    *(("target.objectid", 8), ("target.type", 1), ("target.offset", 8), ("transid", 8)),
    *(("data_len", 2), ("name_len", 2), ("type", 1)),
)
_CHUNK: Layout = (
    *(("length", 8), ("owner", 8), ("stripe_len", 8), ("type", 8), ("io_align", 4), ("io_width", 4)),
    *(("sector_size", 4), ("num_stripes", 2), ("sub_stripes", 2)),
)
_STRIPE: Layout = (("stripe.devid", 8), ("stripe.offset", 8), ("stripe.uuid", 16))
_EXTENT: Layout = (
    *(("generation", 8), ("ram_bytes", 8), ("compression", 1), ("encryption", 1), ("encoding", 2), ("type", 1)),
    *(("disk_bytenr", 8), ("disk_num_bytes", 8), ("offset", 8), ("num_bytes", 8)),
)
_REFERENCE: Layout = (("dirid", 8), ("sequence", 8), ("name_len", 2))
BODIES: dict[int, tuple[str, Layout]] = {
    1: ("INODE_ITEM", _INODE),
    12: ("INODE_REF", (("index", 8), ("name_len", 2))),
    84: ("DIR_ITEM", _ENTRY),
    96: ("DIR_INDEX", _ENTRY),
    108: ("EXTENT_DATA", _EXTENT),
    132: ("ROOT_ITEM", _ROOT),
    144: ("ROOT_BACKREF", _REFERENCE),
    156: ("ROOT_REF", _REFERENCE),
    192: ("BLOCK_GROUP_ITEM", (("used", 8), ("chunk_objectid", 8), ("flags", 8))),
    228: ("CHUNK_ITEM", (*_CHUNK, *_STRIPE * 4)),
}
_SUPERBLOCK: Layout = (
    *(("csum", 32), ("fsid", 16), ("bytenr", 8), ("flags", 8), ("magic", 8), ("generation", 8), ("root", 8)),
    *(("chunk_root", 8), ("log_root", 8), ("log_root_transid", 8), ("total_bytes", 8), ("bytes_used", 8)),
    *(("root_dir", 8), ("num_devices", 8), ("sectorsize", 4), ("nodesize", 4), ("leafsize", 4), ("stripesize", 4)),
    *(("sys_chunk_array_size", 4), ("chunk_root_generation", 8), ("compat_flags", 8), ("compat_ro_flags", 8)),
    *(("incompat_flags", 8), ("csum_type", 2), ("root_level", 1), ("chunk_root_level", 1), ("log_root_level", 1)),
    *(("dev_item.devid", 8), ("dev_item.rest", 90), ("label", 256), ("cache_generation", 8), ("uuid_tree", 8)),
    *(("metadata_uuid", 16), ("reserved", 224), ("sys_chunk.key", 17)),
    *((f"sys_chunk.{name}", size) for name, size in (*_CHUNK, *_STRIPE * 2)),
)


class Field(NamedTuple):
    name: str
    at: int
    size: int


def of_superblock() -> list[Field]:
    return list(_placed("superblock", 0, _SUPERBLOCK))


def of_block(block: bytes) -> list[Field]:
    """Every field of a tree block that is whole."""
    count, level = struct.unpack_from("<IB", block, 96)
    found = list(_placed("header", 0, _HEAD))
    for number in range(count):
        if level:
            at = HEADER + number * POINTER
            found += _placed("pointer", at, (*_KEY, ("blockptr", 8), ("generation", 8)))
            continue
        at = HEADER + number * ITEM
        kind, where, size = block[at + 8], *struct.unpack_from("<II", block, at + 17)
        name, body = BODIES.get(kind, ("another item", ()))
        found += _placed(name, at, (*_KEY, ("item offset", 4), ("item size", 4)))
        found += _body(name, HEADER + where, size, body)
    return found


def _body(name: str, start: int, size: int, layout: Sequence[tuple[str, int]]) -> Iterator[Field]:
    end = start + size
    for field in _placed(name, start, layout):
        if field.at + field.size > end:
            break
        yield field
        start = field.at + field.size
    if start < end:
        yield Field(f"{name}.the rest", start, end - start)


def _placed(owner: str, at: int, layout: Sequence[tuple[str, int]]) -> Iterator[Field]:
    for name, size in layout:
        yield Field(f"{owner}.{name}", at, size)
        at += size
