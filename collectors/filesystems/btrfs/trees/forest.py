"""The trees of one committed generation, what holds them, and items of small trees found by key.

Which trees there are, and what the block groups say is used, is read from the root tree and the chunk tree alone, so
that names, roots and counters belong to the same moment. Blocks are kept. Items come as Python values, so this is not
meant for whole subvolumes; what is skipped is not even decoded.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from collectors.filesystems.btrfs import decode, ioctl
from collectors.filesystems.btrfs.ioctl import HEADER_BYTES, HIGHEST, ITEM_BYTES, LOWEST, POINTER_BYTES, U64_MAX, Key
from collectors.filesystems.btrfs.trees.blocks import Blocks, Pointer
from collectors.filesystems.btrfs.trees.chunk_map import BtrfsSuperblock, ChunkMap, Stale
from collectors.filesystems.btrfs.trees.names import Entries, Paths
from collectors.filesystems.btrfs.trees.table import ChunkFill
from collectors.model import UnitId, dataclass
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


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree. The pointer's owner is 0 for subvolumes and what shares blocks with them."""

    id: int
    unit: UnitId
    pointer: Pointer
    made_after: int = 0  # of a snapshot: what is not newer than this generation it has from its source


@dataclass(frozen=True, slots=True)
class Forest:
    """`live_from`: in half-dropped subvolumes, the first child of a block that is still held by it."""

    trees: tuple[Tree, ...]
    entries: Entries
    live_from: Mapping[int, int]
    fill: ChunkFill


def chunk_root(top: BtrfsSuperblock) -> Pointer:
    return Pointer(top.chunk_root, top.chunk_generation, top.chunk_level, ioctl.CHUNK_TREE)


def chunks(trees: Trees, top: BtrfsSuperblock) -> list[tuple[int, decode.ChunkItem]]:
    """Every chunk. Its tree lies in chunks that the superblock lists."""
    low, high = (ioctl.CHUNKS, ioctl.CHUNK_ITEM, 0), (ioctl.CHUNKS, ioctl.CHUNK_ITEM, U64_MAX)
    return [(key[2], decode.chunk(data)) for key, data in trees.between(chunk_root(top), low, high)]


def grown(trees: Trees, top: BtrfsSuperblock, chunk_map: ChunkMap) -> Forest:
    """All trees of this generation."""
    root_tree = Pointer(top.root, top.generation, top.root_level, ioctl.ROOT_TREE)
    roots: dict[int, decode.Root] = {}
    relocating: list[decode.Root] = []
    places: dict[int, tuple[int, int, str]] = {}
    listed: dict[int, tuple[int, int, str]] = {}  # the same, as the parents have it
    orphans: set[int] = set()
    for (objectid, kind, offset), data in trees.between(root_tree):
        if kind == ioctl.ROOT_ITEM and objectid == ioctl.TREE_RELOC:
            relocating.append(decode.root(data))
        elif kind == ioctl.ROOT_ITEM:
            roots[objectid] = decode.root(data)
        elif kind == ioctl.ROOT_BACKREF:
            places[objectid] = (offset, *decode.reference(data))
        elif kind == ioctl.ROOT_REF:
            listed[offset] = (objectid, *decode.reference(data))
        elif kind == ioctl.ORPHAN_ITEM and objectid == ioctl.ORPHANS:
            orphans.add(offset)
    if places != listed or not places.keys() <= roots.keys():
        raise Malformed("subvolumes and their parents disagree on where they lie")
    subvolumes = {number: _pointer(root, 0) for number, root in roots.items() if ioctl.is_subvolume(number)}
    deleted = {
        number
        for number in subvolumes
        if number in orphans or (roots[number].references == 0 and number != ioctl.TOP_LEVEL)
    }

    def first(subvolume: int, low: Key, high: Key) -> tuple[Key, bytes] | None:
        root = subvolumes.get(subvolume)
        return None if root is None else trees.first(root, low, high)

    paths = Paths(first, places)
    found = [
        Tree(
            number,
            _held_by(number, None if number in deleted else paths.of(number)),
            pointer,
            roots[number].made_in if roots[number].parent_uuid else 0,
        )
        for number, pointer in sorted(subvolumes.items())
    ]
    found += [Tree(ioctl.TREE_RELOC, _unit(ioctl.TREE_RELOC), _pointer(root, 0)) for root in relocating]
    found += [Tree(ioctl.ROOT_TREE, _unit(ioctl.ROOT_TREE), root_tree)]
    found += [Tree(ioctl.CHUNK_TREE, _unit(ioctl.CHUNK_TREE), chunk_root(top))]
    for number, root in sorted(roots.items()):
        if number not in subvolumes:
            owner = 0 if number == ioctl.DATA_RELOC_TREE else number
            found.append(Tree(number, _unit(number), _pointer(root, owner)))
    live_from: dict[int, int] = {}
    for root in [*(roots[number] for number in subvolumes), *relocating]:
        # With references left, the key is how far a relocation was merged: nothing is dropped yet.
        if root.drop_key is not None and root.references == 0:
            live_from.update(_dropped(trees, _pointer(root, 0), root.drop_key, root.drop_level))
    groups = roots.get(ioctl.BLOCK_GROUP_TREE) or roots.get(ioctl.EXTENT_TREE)
    if groups is None:
        raise Malformed("there is no extent tree")
    owner = ioctl.BLOCK_GROUP_TREE if ioctl.BLOCK_GROUP_TREE in roots else ioctl.EXTENT_TREE

    def ahead(wanted: Sequence[int], key: Key) -> None:
        trees.ahead((subvolumes[number] for number in wanted if number in subvolumes), key)

    entries = Entries(first, {number: place[0] for number, place in places.items()}, ahead)
    return Forest(tuple(found), entries, live_from, _fill(trees, _pointer(groups, owner), chunk_map))


def _dropped(trees: Trees, root: Pointer, key: Key, level: int) -> dict[int, int]:
    """The first children that a half-dropped subvolume still holds, for the blocks on the way to the cleaner.

    The cleaner goes from left to right and writes down the child that comes next, at `level`. It only enters blocks
    that nobody shares, so nobody else comes to these blocks on the walk.
    """
    return {pointer.address: number for pointer, number in trees.on_the_way(root, key, max(level, 1))}


def _fill(trees: Trees, groups: Pointer, chunk_map: ChunkMap) -> ChunkFill:
    used: Counter[str] = Counter()
    for start, chunk in chunk_map.chunks:
        at = (start, ioctl.BLOCK_GROUP_ITEM, chunk.logical_bytes)
        found = trees.first(groups, at, at)
        if found is None:
            raise Malformed(f"chunk {start} has no block group")
        used_bytes, flags = decode.block_group(found[1])
        if ioctl.kind(flags) != ioctl.kind(chunk.flags):
            raise Malformed(f"chunk {start} and its block group hold different things")
        used[ioctl.kind(flags)] += used_bytes
    return ChunkFill.of(used)


def _pointer(root: decode.Root, owner: int) -> Pointer:
    return Pointer(root.bytenr, root.generation, root.level, owner)


def _unit(tree: int) -> UnitId:
    return UnitId(ioctl.TREE_NAMES.get(tree, f"<tree {tree}>"))


def _held_by(subvolume: int, path: str | None) -> UnitId:
    return UnitId(f"<deleted>/{subvolume}" if path is None else path)
