"""Single items of the committed trees, found by key: for the small trees and for looking up names. Blocks are kept.

Yields items as Python values, so it is not meant for whole subvolumes; what it skips it does not even decode.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from collectors.filesystems.btrfs.ioctl import HIGHEST, LOWEST, Key
from collectors.filesystems.btrfs.layout import HEADER_BYTES, ITEM_BYTES, POINTER_BYTES
from collectors.filesystems.btrfs.trees.blocks import Blocks, Pointer
from collectors.filesystems.btrfs.trees.faults import Stale
from collectors.system.deadline import Malformed

_KEY = struct.Struct("<QBQ")
_TARGET = struct.Struct("<QQ")  # of a pointer: address, generation
_PLACE = struct.Struct("<II")  # of an item: offset behind the header, size
_KEPT = 512  # blocks


class Trees:
    """Look-ups in trees of one generation."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._kept: OrderedDict[Pointer, bytes] = OrderedDict()

    def between(self, root: Pointer, low: Key = LOWEST, high: Key = HIGHEST) -> Iterator[tuple[Key, bytes]]:
        """Items whose compound keys lie within, in order."""
        block = self._block(root)
        keys = Keys(block, root.level)
        if root.level == 0:
            for number in range(bisect_left(keys, low), bisect_right(keys, high)):
                yield keys[number], _item(block, number)
            return
        for number in range(max(0, bisect_right(keys, low) - 1), bisect_right(keys, high)):
            yield from self.between(self._below(block, root, number), low, high)

    def first(self, root: Pointer, low: Key, high: Key) -> tuple[Key, bytes] | None:
        """The first item within, or None."""
        return next(self.between(root, low, high), None)

    def ahead(self, roots: Iterable[Pointer], key: Key) -> None:
        """Read what leads to one key in each of these trees, level by level, all at once, so that it is kept."""
        waiting = set(roots)
        for level in range(max((root.level for root in waiting), default=-1), -1, -1):
            here = {pointer for pointer in waiting if pointer.level == level}
            self._keep(self._blocks.many([pointer for pointer in here if pointer not in self._kept], level))
            if level:
                waiting = waiting - here | {self._towards(pointer, key) for pointer in here}

    def on_the_way(self, root: Pointer, key: Key, lowest: int) -> Iterator[tuple[Pointer, int]]:
        """(block, number of the child that leads on) from the root down to level `lowest`, which is 1 or higher."""
        pointer = root
        while pointer.level >= lowest:
            block = self._block(pointer)
            number = max(0, bisect_right(Keys(block, pointer.level), key) - 1)
            yield pointer, number
            pointer = _child(block, pointer, number)

    def _below(self, block: bytes, parent: Pointer, number: int) -> Pointer:
        """A child that begins with the key that its parent has for it; a search would miss what lies before it."""
        child = _child(block, parent, number)
        below = Keys(self._block(child), child.level)
        if not below or below[0] != Keys(block, parent.level)[number]:
            raise Stale(f"block {child.address} does not begin where its parent says")
        return child

    def _towards(self, pointer: Pointer, key: Key) -> Pointer:
        block = self._block(pointer)
        return _child(block, pointer, max(0, bisect_right(Keys(block, pointer.level), key) - 1))

    def _block(self, pointer: Pointer) -> bytes:
        if pointer not in self._kept:
            self._keep(self._blocks.many([pointer], pointer.level))
        self._kept.move_to_end(pointer)
        return self._kept[pointer]

    def _keep(self, blocks: Mapping[Pointer, bytes]) -> None:
        self._kept.update(blocks)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)


class Keys(Sequence[Key]):
    """The keys of one block, decoded when they are looked at."""

    def __init__(self, block: bytes, level: int) -> None:
        self._block = block
        self._step = POINTER_BYTES if level else ITEM_BYTES
        self._count = int.from_bytes(block[96:100], "little")

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Key:  # type: ignore[override]  # nobody slices
        if not 0 <= number < self._count:
            raise IndexError(number)
        objectid, kind, offset = _KEY.unpack_from(self._block, HEADER_BYTES + number * self._step)
        return objectid, kind, offset


def _child(block: bytes, parent: Pointer, number: int) -> Pointer:
    address, generation = _TARGET.unpack_from(block, HEADER_BYTES + number * POINTER_BYTES + _KEY.size)
    return Pointer(address, generation, parent.level - 1, parent.owner)


def _item(block: bytes, number: int) -> bytes:
    at, size = _PLACE.unpack_from(block, HEADER_BYTES + number * ITEM_BYTES + _KEY.size)
    start = HEADER_BYTES + at
    if start + size > len(block):
        raise Malformed(f"an item ends {start + size - len(block)} bytes behind its block")
    return block[start : start + size]
