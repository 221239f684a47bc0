"""Single items of the committed trees, found by key: for the small trees and for looking up names. Blocks are kept.

Yields items as Python values, so it is not meant for whole subvolumes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache

from collectors.sources.bounded import Malformed
from collectors.sources.btrfs.ioctl import U64_MAX, Key
from collectors.sources.btrfs.trees.blocks import HEADER_BYTES, ITEM_BYTES, POINTER_BYTES, Blocks, Pointer

LOWEST: Key = (0, 0, 0)
HIGHEST: Key = (U64_MAX, 255, U64_MAX)

_POINTER = struct.Struct("<QBQQQ")
_ITEM = struct.Struct("<QBQII")
_KEPT = 512  # blocks


class Trees:
    """Look-ups in trees of one generation."""

    def __init__(self, blocks: Blocks) -> None:
        self.node = lru_cache(_KEPT)(lambda pointer: children(blocks.one(pointer), pointer))
        self.leaf = lru_cache(_KEPT)(lambda pointer: tuple(items(blocks.one(pointer))))

    def between(self, root: Pointer, low: Key = LOWEST, high: Key = HIGHEST) -> Iterator[tuple[Key, bytes]]:
        """Items whose compound keys lie within, in order."""
        if root.level == 0:
            for key, data in self.leaf(root):
                if low <= key <= high:
                    yield key, data
            return
        below = self.node(root)
        for number, (first, child) in enumerate(below):
            if first > high:
                return
            if number + 1 == len(below) or below[number + 1][0] > low:
                yield from self.between(child, low, high)

    def first(self, root: Pointer, low: Key, high: Key) -> tuple[Key, bytes] | None:
        """The first item within, or None."""
        return next(self.between(root, low, high), None)


def children(block: bytes, parent: Pointer) -> tuple[tuple[Key, Pointer], ...]:
    """What an inner block points to, with the lowest key below each."""
    count = int.from_bytes(block[96:100], "little")
    packed = block[HEADER_BYTES : HEADER_BYTES + count * POINTER_BYTES]
    return tuple(
        ((objectid, kind, offset), Pointer(address, generation, parent.level - 1, parent.owner))
        for objectid, kind, offset, address, generation in _POINTER.iter_unpack(packed)
    )


def items(block: bytes) -> Iterator[tuple[Key, bytes]]:
    """The items of a leaf."""
    count = int.from_bytes(block[96:100], "little")
    packed = block[HEADER_BYTES : HEADER_BYTES + count * ITEM_BYTES]
    for objectid, kind, offset, at, size in _ITEM.iter_unpack(packed):
        start = HEADER_BYTES + at
        if start + size > len(block):
            raise Malformed(f"an item ends {start + size - len(block)} bytes behind its block")
        yield (objectid, kind, offset), block[start : start + size]
