"""A minimal reader of bbolt files, the format of containerd's and BuildKit's metadata.

Works on a copy taken at once and needs no lock: of the two meta pages, the valid one with the higher transaction is a
consistent tree. Refuses to write, and anything but buckets, keys and values. The lab's own, beside the product's.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

Tree = dict[bytes, "bytes | Tree"]

_MAGIC = 0xED0CDAED
_META = struct.Struct("<IIIIQQQQQQ")
_BRANCH, _LEAF = 1, 2


def read(path: Path) -> Tree:
    """The whole file as nested dictionaries: a bucket is a dictionary, a value is bytes. Raises OSError, ValueError."""
    data = path.read_bytes()
    page_bytes = _META.unpack_from(data, 16)[2]
    metas = []
    for offset in (0, page_bytes):
        magic, _, _, _, root, _, _, _, transaction, checksum = _META.unpack_from(data, offset + 16)
        if magic == _MAGIC and checksum == _fnv(data[offset + 16 : offset + 16 + 56]):
            metas.append((transaction, root))
    if not metas:
        raise ValueError(f"{path} is not a bbolt file")
    return dict(_page(data, page_bytes, max(metas)[1] * page_bytes))


def _page(data: bytes, page_bytes: int, base: int) -> Iterator[tuple[bytes, bytes | Tree]]:
    flags, count = struct.unpack_from("<HH", data, base + 8)
    for index in range(count):
        entry = base + 16 + 16 * index
        if flags & _BRANCH:
            yield from _page(data, page_bytes, struct.unpack_from("<Q", data, entry + 8)[0] * page_bytes)
            continue
        is_bucket, position, key_bytes, value_bytes = struct.unpack_from("<IIII", data, entry)
        start = entry + position
        key, value = data[start : start + key_bytes], data[start + key_bytes : start + key_bytes + value_bytes]
        if not is_bucket & 1:
            yield key, value
            continue
        root = struct.unpack_from("<Q", value)[0]
        # A small bucket lies inside its parent's page, behind its own header, instead of on a page.
        inline = (value[16:], page_bytes, 0) if root == 0 else (data, page_bytes, root * page_bytes)
        yield key, dict(_page(*inline))


def _fnv(data: bytes) -> int:
    """FNV-1a, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return value
