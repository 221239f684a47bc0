"""Which trees there are in one committed generation, what holds them, and what the block groups say is used.

Read from the root tree and the chunk tree alone, so that names, roots and counters belong to the same moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from collectors.filesystems.btrfs import items, layout
from collectors.filesystems.btrfs.ioctl import U64_MAX, Key
from collectors.filesystems.btrfs.trees.blocks import Pointer
from collectors.filesystems.btrfs.trees.chunkmap import ChunkMap
from collectors.filesystems.btrfs.trees.names import Entries, Paths
from collectors.filesystems.btrfs.trees.small import Trees
from collectors.filesystems.btrfs.trees.superblock import BtrfsSuperblock
from collectors.filesystems.btrfs.trees.table import Fill
from collectors.model.ids import UnitId
from collectors.system.deadline import Malformed


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree. The pointer's owner is 0 for subvolumes and what shares blocks with them."""

    id: int
    unit: UnitId
    pointer: Pointer


@dataclass(frozen=True, slots=True)
class Forest:
    """`live_from`: in half-dropped subvolumes, the first child of a block that is still held by it."""

    trees: tuple[Tree, ...]
    entries: Entries
    live_from: Mapping[int, int]
    fill: Fill


def chunk_root(top: BtrfsSuperblock) -> Pointer:
    return Pointer(top.chunk_root, top.chunk_generation, top.chunk_level, layout.CHUNK_TREE)


def chunks(trees: Trees, top: BtrfsSuperblock) -> list[tuple[int, items.ChunkItem]]:
    """Every chunk. Its tree lies in chunks that the superblock lists."""
    low, high = (layout.CHUNKS, layout.CHUNK_ITEM, 0), (layout.CHUNKS, layout.CHUNK_ITEM, U64_MAX)
    return [(key[2], items.chunk(data)) for key, data in trees.between(chunk_root(top), low, high)]


def grown(trees: Trees, top: BtrfsSuperblock, chunk_map: ChunkMap) -> Forest:
    """All trees of this generation."""
    root_tree = Pointer(top.root, top.generation, top.root_level, layout.ROOT_TREE)
    roots: dict[int, items.Root] = {}
    relocating: list[items.Root] = []
    places: dict[int, tuple[int, int, str]] = {}
    listed: dict[int, tuple[int, int, str]] = {}  # the same, as the parents have it
    orphans: set[int] = set()
    for (objectid, kind, offset), data in trees.between(root_tree):
        if kind == layout.ROOT_ITEM and objectid == layout.TREE_RELOC:
            relocating.append(items.root(data))
        elif kind == layout.ROOT_ITEM:
            roots[objectid] = items.root(data)
        elif kind == layout.ROOT_BACKREF:
            places[objectid] = (offset, *items.reference(data))
        elif kind == layout.ROOT_REF:
            listed[offset] = (objectid, *items.reference(data))
        elif kind == layout.ORPHAN_ITEM and objectid == layout.ORPHANS:
            orphans.add(offset)
    if places != listed or not places.keys() <= roots.keys():
        raise Malformed("subvolumes and their parents disagree on where they lie")
    subvolumes = {number: _pointer(root, 0) for number, root in roots.items() if layout.is_subvolume(number)}
    deleted = {
        number
        for number in subvolumes
        if number in orphans or (roots[number].references == 0 and number != layout.TOP_LEVEL)
    }

    def first(subvolume: int, low: Key, high: Key) -> tuple[Key, bytes] | None:
        root = subvolumes.get(subvolume)
        return None if root is None else trees.first(root, low, high)

    paths = Paths(first, places)
    found = [
        Tree(number, _held_by(number, None if number in deleted else paths.of(number)), pointer)
        for number, pointer in sorted(subvolumes.items())
    ]
    found += [Tree(layout.TREE_RELOC, _unit(layout.TREE_RELOC), _pointer(root, 0)) for root in relocating]
    found += [Tree(layout.ROOT_TREE, _unit(layout.ROOT_TREE), root_tree)]
    found += [Tree(layout.CHUNK_TREE, _unit(layout.CHUNK_TREE), chunk_root(top))]
    for number, root in sorted(roots.items()):
        if number not in subvolumes:
            owner = 0 if number == layout.DATA_RELOC_TREE else number
            found.append(Tree(number, _unit(number), _pointer(root, owner)))
    live_from: dict[int, int] = {}
    for root in [*(roots[number] for number in subvolumes), *relocating]:
        # With references left, the key is how far a relocation was merged: nothing is dropped yet.
        if root.drop_key is not None and root.references == 0:
            live_from.update(_dropped(trees, _pointer(root, 0), root.drop_key, root.drop_level))
    groups = roots.get(layout.BLOCK_GROUP_TREE) or roots.get(layout.EXTENT_TREE)
    if groups is None:
        raise Malformed("there is no extent tree")
    owner = layout.BLOCK_GROUP_TREE if layout.BLOCK_GROUP_TREE in roots else layout.EXTENT_TREE

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


def _fill(trees: Trees, groups: Pointer, chunk_map: ChunkMap) -> Fill:
    used: Counter[str] = Counter()
    for start, chunk in chunk_map.chunks:
        at = (start, layout.BLOCK_GROUP_ITEM, chunk.logical_bytes)
        found = trees.first(groups, at, at)
        if found is None:
            raise Malformed(f"chunk {start} has no block group")
        used_bytes, flags = items.block_group(found[1])
        if layout.kind(flags) != layout.kind(chunk.flags):
            raise Malformed(f"chunk {start} and its block group hold different things")
        used[layout.kind(flags)] += used_bytes
    return Fill.of(used)


def _pointer(root: items.Root, owner: int) -> Pointer:
    return Pointer(root.bytenr, root.generation, root.level, owner)


def _unit(tree: int) -> UnitId:
    return UnitId(layout.TREE_NAMES.get(tree, f"<tree {tree}>"))


def _held_by(subvolume: int, path: str | None) -> UnitId:
    return UnitId(f"<deleted>/{subvolume}" if path is None else path)
