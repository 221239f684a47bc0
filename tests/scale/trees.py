"""A btrfs filesystem of any size as its tree blocks alone: valid ones, with checksums, in a sparse file.

Every file has one extent of its own. Leaves come in runs; each run belongs to a range of neighbouring subvolumes, as
layers and snapshots share them, and one leaf in ten refers to extents of the run before (a reflink), so that sets of
holders meet in extents too. What is not read by the walk (data, the extent tree's records, checksums) is not there.
Block groups count exactly what is there: the walk's books must close.
"""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from crc32c import crc32c
from numpy.typing import NDArray

from collectors.filesystems.btrfs import ioctl
from collectors.filesystems.btrfs.trees import chunk_map

U8 = NDArray[np.uint8]

NODE, SECTOR, EXTENT_BYTES = 16384, 4096, 8192
GENERATION = 7
FSID = bytes(range(16))
_SUPER_AT = 64 * 1024
_SYSTEM_AT, _SYSTEM_BYTES = 1 << 22, 8 << 20  # logical and physical alike
_METADATA_AT = 1 << 28
_DATA_AT = 1 << 44
_HEADER, _POINTER, _ITEM = 101, 33, 25
_PER_NODE = (NODE - _HEADER) // _POINTER
_KEY = struct.Struct("<QBQ")
_INODE_BYTES, _REF_BYTES, _EXTENT_BYTES = 160, 14, 53
FILES_PER_LEAF = (NODE - _HEADER) // (3 * _ITEM + _INODE_BYTES + _REF_BYTES + _EXTENT_BYTES)
_LEAVES_AT_ONCE = 1024
_FIRST_INODE = 1000

Item = tuple[tuple[int, int, int], bytes]


@dataclass(frozen=True, slots=True)
class Shape:
    """`runs` of leaves; each is held by up to `widest` neighbouring subvolumes: which of them, `form` says.

    By chance; as a chain of snapshots, each with a leaf more than its source; as a star, of which all have one run and
    each a leaf of its own; as a forest of chains, each `widest` long.
    """

    subvolumes: int
    extents: int
    runs: int
    widest: int
    form: Literal["chance", "chain", "star", "forest"] = "chance"


@dataclass(frozen=True, slots=True)
class Run:
    """Leaves of the subvolumes first to last; the first `borrowed` of them refer to extents of the run before."""

    first: int
    last: int
    leaves: int
    borrowed: int

    @property
    def mask(self) -> int:
        return (1 << self.last + 1) - (1 << self.first)


def runs(shape: Shape) -> list[Run]:
    """The same for the same shape."""
    if shape.form == "chance":
        return _by_chance(shape)
    last = shape.subvolumes - 1
    if shape.form == "star":
        common = Run(0, last, max(1, shape.extents // FILES_PER_LEAF), 0)
        return [common, *(Run(number, number, 1, 0) for number in range(shape.subvolumes))]
    length = shape.widest if shape.form == "forest" else shape.subvolumes
    return [Run(at, min(last, at - at % length + length - 1), 1, 0) for at in range(shape.subvolumes)]


def _by_chance(shape: Shape) -> list[Run]:
    rng = random.Random(1)
    leaves = max(shape.runs, shape.extents // FILES_PER_LEAF)
    found: list[Run] = []
    for number in range(shape.runs):
        first = rng.randrange(shape.subvolumes)
        last = min(shape.subvolumes - 1, first + rng.randrange(shape.widest))
        count = leaves * (number + 1) // shape.runs - leaves * number // shape.runs
        borrowed = min(count // 10, found[-1].leaves) if found else 0
        found.append(Run(first, last, count, borrowed))
    return found


def truth(shape: Shape) -> dict[int, int]:
    """Bytes of data by set of subvolumes, as a bit mask: what a walk must find."""
    found: dict[int, int] = {}
    made = runs(shape)
    for run, after in zip(made, [*made[1:], None], strict=True):
        lent = after.borrowed if after else 0
        # The first `lent` leaves that are this run's own are held by the next run as well.
        lent = min(lent, run.leaves - run.borrowed)
        for leaves, mask in (
            (lent, run.mask | (after.mask if after else 0)),
            (run.leaves - run.borrowed - lent, run.mask),
        ):
            if leaves:
                found[mask] = found.get(mask, 0) + leaves * FILES_PER_LEAF * EXTENT_BYTES
    return found


class _Writer:
    """Blocks one after the other in the metadata chunk."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self.next = _METADATA_AT

    def many(self, blocks: U8, owner: int, level: int, counts: NDArray[np.uint32]) -> list[int]:
        """Headers and checksums are filled in; gives back the addresses."""
        addresses = self.next + NODE * np.arange(len(blocks), dtype=np.uint64)
        _seal(blocks, addresses, owner, level, counts)
        os.pwrite(self.fd, blocks.data, self.next)
        self.next += NODE * len(blocks)
        return [int(address) for address in addresses]

    def tree(self, items: Iterable[Item], owner: int) -> tuple[int, int]:
        """A whole small tree; its root and level."""
        children: list[tuple[tuple[int, int, int], int]] = []
        for part in _leafuls(items):
            block, count = _leaf(part)
            (address,) = self.many(block, owner, 0, np.array([count], np.uint32))
            children.append((part[0][0] if part else (0, 0, 0), address))
        return self.above(children, owner, 0)

    def above(self, children: Sequence[tuple[tuple[int, int, int], int]], owner: int, level: int) -> tuple[int, int]:
        """Nodes over these children up to one root."""
        while len(children) > 1:
            level += 1
            parts = [children[at : at + _PER_NODE] for at in range(0, len(children), _PER_NODE)]
            children = [(part[0][0], self.node(part, owner, level)) for part in parts]
        return children[0][1], level

    def node(self, children: Sequence[tuple[tuple[int, int, int], int]], owner: int, level: int) -> int:
        block = np.zeros((1, NODE), np.uint8)
        packed = b"".join(_KEY.pack(*key) + struct.pack("<QQ", address, GENERATION) for key, address in children)
        block[0, _HEADER : _HEADER + len(packed)] = np.frombuffer(packed, np.uint8)
        return self.many(block, owner, level, np.array([len(children)], np.uint32))[0]


def make(path: Path, shape: Shape) -> None:
    """Write the filesystem."""
    writer = _Writer(path)
    made = runs(shape)
    # Each run's leaves under nodes of its own, which all its subvolumes share.
    parents: list[list[tuple[tuple[int, int, int], int]]] = []
    inode, extent, before = _FIRST_INODE, _DATA_AT, _DATA_AT
    for run in made:
        leaves: list[tuple[tuple[int, int, int], int]] = []
        own = extent
        for at in range(0, run.leaves, _LEAVES_AT_ONCE):
            count = min(_LEAVES_AT_ONCE, run.leaves - at)
            numbers = np.arange(at, at + count)
            starts = np.where(
                numbers < run.borrowed,
                before + numbers * FILES_PER_LEAF * EXTENT_BYTES,
                own + (numbers - run.borrowed) * FILES_PER_LEAF * EXTENT_BYTES,
            )
            first = inode + at * FILES_PER_LEAF
            blocks = _leaves(first, starts)
            addresses = writer.many(
                blocks, ioctl.FIRST_SUBVOLUME + run.first, 0, np.full(count, 3 * FILES_PER_LEAF, np.uint32)
            )
            leaves += [
                ((first + number * FILES_PER_LEAF, ioctl.INODE_ITEM, 0), address)
                for number, address in enumerate(addresses)
            ]
        inode += run.leaves * FILES_PER_LEAF
        before, extent = own, own + (run.leaves - run.borrowed) * FILES_PER_LEAF * EXTENT_BYTES
        owner = ioctl.FIRST_SUBVOLUME + run.first
        parts = [leaves[at : at + _PER_NODE] for at in range(0, len(leaves), _PER_NODE)]
        parents.append([(part[0][0], writer.node(part, owner, 1)) for part in parts])
    roots: dict[int, tuple[int, int]] = {}
    for number in range(shape.subvolumes):
        tree = ioctl.FIRST_SUBVOLUME + number
        own_leaf = writer.many(*_directory(tree))[0]
        first = writer.node([((ioctl.SUBVOLUME_DIRECTORY, ioctl.INODE_ITEM, 0), own_leaf)], tree, 1)
        children = [((ioctl.SUBVOLUME_DIRECTORY, ioctl.INODE_ITEM, 0), first)]
        for run, nodes in zip(made, parents, strict=True):
            if run.first <= number <= run.last:
                children += nodes
        roots[tree] = writer.above(children, tree, 1)
    roots[ioctl.TOP_LEVEL] = writer.many(*_directory(ioctl.TOP_LEVEL))[0], 0
    _finish(writer, roots, extent - _DATA_AT)
    os.close(writer.fd)


def _finish(writer: _Writer, roots: dict[int, tuple[int, int]], data_bytes: int) -> None:
    """Chunk tree, extent tree, root tree, superblock."""
    chunk_leaf = _SYSTEM_AT
    data_size = -(-max(data_bytes, 1 << 30) // (1 << 30)) << 30
    # Metadata used: what is there and what follows: the extent tree's leaf, and the root tree.
    root_blocks = _blocks_of_root_tree(len(roots))
    used = writer.next - _METADATA_AT + NODE * (1 + root_blocks)
    metadata_size = -(-used // (1 << 30)) << 30
    chunks = {
        _SYSTEM_AT: (_SYSTEM_BYTES, ioctl.SYSTEM, NODE),
        _METADATA_AT: (metadata_size, ioctl.METADATA, used),
        _DATA_AT: (data_size, ioctl.DATA, data_bytes),
    }
    block, count = _leaf([((ioctl.CHUNKS, ioctl.CHUNK_ITEM, at), _chunk(at, *chunks[at][:2])) for at in chunks])
    _seal(block, np.array([chunk_leaf], np.uint64), ioctl.CHUNK_TREE, 0, np.array([count], np.uint32))
    os.pwrite(writer.fd, block.data, chunk_leaf)
    groups = [
        ((at, ioctl.BLOCK_GROUP_ITEM, size), struct.pack("<QQQ", held, ioctl.CHUNKS, flags))
        for at, (size, flags, held) in chunks.items()
    ]
    roots[ioctl.EXTENT_TREE] = writer.tree(groups, ioctl.EXTENT_TREE)
    root, level = writer.tree(_root_items(roots), ioctl.ROOT_TREE)
    assert writer.next - _METADATA_AT == used, (writer.next - _METADATA_AT, used)
    page = bytearray(4096)
    page[32:48] = FSID
    struct.pack_into("<QQ8sQQQQ", page, 48, _SUPER_AT, 1, b"_BHRfS_M", GENERATION, root, chunk_leaf, 0)
    struct.pack_into("<QQ", page, 112, 1 << 50, used + NODE + data_bytes)
    struct.pack_into("<IIII", page, 144, SECTOR, NODE, NODE, SECTOR)
    array = _KEY.pack(ioctl.CHUNKS, ioctl.CHUNK_ITEM, _SYSTEM_AT) + _chunk(_SYSTEM_AT, _SYSTEM_BYTES, ioctl.SYSTEM)
    struct.pack_into("<IQ", page, 160, len(array), GENERATION)
    struct.pack_into("<QQQHBB", page, 172, 0, 0, 0, 0, level, 0)
    page[201:209] = struct.pack("<Q", 1)
    page[811 : 811 + len(array)] = array
    page[:4] = struct.pack("<I", crc32c(bytes(page[32:])))
    os.pwrite(writer.fd, bytes(page), _SUPER_AT)
    os.ftruncate(writer.fd, _METADATA_AT + metadata_size)


def _root_items(roots: dict[int, tuple[int, int]]) -> Iterator[Item]:
    for tree, (address, level) in sorted(roots.items()):
        item = bytearray(439)
        struct.pack_into("<QQQQQQQI", item, 160, GENERATION, 256, address, 0, 0, 0, 0, 1)
        item[238] = level
        item[247:263] = struct.pack("<QQ", tree, 1)
        yield (tree, ioctl.ROOT_ITEM, 0), bytes(item)
        if tree >= ioctl.FIRST_SUBVOLUME:
            yield (tree, ioctl.ROOT_BACKREF, ioctl.TOP_LEVEL), _place(tree)
        if tree == ioctl.TOP_LEVEL:
            for child in sorted(child for child in roots if child >= ioctl.FIRST_SUBVOLUME):
                yield (tree, ioctl.ROOT_REF, child), _place(child)


def _place(tree: int) -> bytes:
    """Where a subvolume lies, as it and its parent both have it."""
    name = f"subvolume-{tree:05d}".encode()
    return struct.pack("<QQH", 256, 0, len(name)) + name


def _blocks_of_root_tree(subvolumes_and_top: int) -> int:
    roots = {ioctl.FIRST_SUBVOLUME + number: (0, 0) for number in range(subvolumes_and_top - 1)}
    leaves = sum(1 for _ in _leafuls(_root_items({**roots, ioctl.TOP_LEVEL: (0, 0), ioctl.EXTENT_TREE: (0, 0)})))
    assert leaves <= _PER_NODE
    return leaves + (leaves > 1)


def _leafuls(items: Iterable[Item]) -> Iterator[list[Item]]:
    part: list[Item] = []
    size = _HEADER
    for item in items:
        if size + _ITEM + len(item[1]) > NODE:
            yield part
            part, size = [], _HEADER
        part.append(item)
        size += _ITEM + len(item[1])
    yield part


def _leaf(items: Sequence[Item]) -> tuple[U8, int]:
    block = bytearray(NODE)
    end = NODE
    for number, (key, data) in enumerate(items):
        end -= len(data)
        block[end : end + len(data)] = data
        at = _HEADER + number * _ITEM
        block[at : at + _ITEM] = _KEY.pack(*key) + struct.pack("<II", end - _HEADER, len(data))
    return np.frombuffer(block, np.uint8).reshape(1, NODE), len(items)


def _directory(tree: int) -> tuple[U8, int, int, NDArray[np.uint32]]:
    """A leaf with the subvolume's own directory."""
    item = bytearray(_INODE_BYTES)
    struct.pack_into("<I", item, 52, 0o040755)
    block, count = _leaf([((ioctl.SUBVOLUME_DIRECTORY, ioctl.INODE_ITEM, 0), bytes(item))])
    return block, tree, 0, np.array([count], np.uint32)


_ROW = np.dtype([("objectid", "<u8"), ("type", "u1"), ("offset", "<u8"), ("at", "<u4"), ("size", "<u4")])
_REFERENCE = np.dtype(
    [
        ("generation", "<u8"),
        ("ram", "<u8"),
        ("codes", "u1", 4),
        ("type", "u1"),
        ("address", "<u8"),
        ("disk", "<u8"),
        ("offset", "<u8"),
        ("length", "<u8"),
    ]
)


def _leaves(first_inode: int, extent_starts: NDArray[np.int64]) -> U8:
    """Full leaves: inode, name and extent of so many files, the files' inodes one after the other."""
    count = len(extent_starts)
    blocks = np.zeros((count, NODE), np.uint8)
    rows = np.zeros((count, FILES_PER_LEAF, 3), _ROW)
    inodes = first_inode + np.arange(count * FILES_PER_LEAF, dtype=np.uint64).reshape(count, FILES_PER_LEAF)
    rows["objectid"] = inodes[:, :, None]
    rows["type"] = (ioctl.INODE_ITEM, ioctl.INODE_REF, ioctl.EXTENT_DATA)
    rows["offset"][:, :, 1] = ioctl.SUBVOLUME_DIRECTORY
    sizes = (_INODE_BYTES, _REF_BYTES, _EXTENT_BYTES)
    rows["size"] = sizes
    ends = NODE - _HEADER - np.cumsum(np.tile(sizes, FILES_PER_LEAF)).reshape(FILES_PER_LEAF, 3)
    rows["at"] = ends
    packed = rows.reshape(count, -1).view(np.uint8).reshape(count, -1)
    blocks[:, _HEADER : _HEADER + packed.shape[1]] = packed
    addresses = extent_starts[:, None] + EXTENT_BYTES * np.arange(FILES_PER_LEAF)
    references = np.zeros((count, FILES_PER_LEAF), _REFERENCE)
    references["generation"], references["ram"], references["type"] = GENERATION, EXTENT_BYTES, 1
    references["address"], references["disk"], references["length"] = addresses, EXTENT_BYTES, EXTENT_BYTES
    inode = np.frombuffer(struct.pack("<QQQ", GENERATION, GENERATION, EXTENT_BYTES), np.uint8)
    mode = np.frombuffer(struct.pack("<I", 0o100644), np.uint8)
    for file, (inode_at, name_at, extent_at) in enumerate((ends + _HEADER).tolist()):
        blocks[:, inode_at : inode_at + 24] = inode
        blocks[:, inode_at + 52 : inode_at + 56] = mode
        blocks[:, name_at + 8] = 4
        blocks[:, name_at + 10 : name_at + 14] = np.frombuffer(b"file", np.uint8)
        blocks[:, extent_at : extent_at + _EXTENT_BYTES] = (
            references[:, file : file + 1].view(np.uint8).reshape(count, -1)
        )
    return blocks


def _seal(blocks: U8, addresses: NDArray[np.uint64], owner: int, level: int, counts: NDArray[np.uint32]) -> None:
    if not blocks.flags.writeable:
        raise ValueError("blocks are filled in place")
    blocks[:, 32:48] = np.frombuffer(FSID, np.uint8)
    quads = blocks.view("<u8")
    quads[:, 6], quads[:, 7], quads[:, 10] = addresses, 1 << 56, GENERATION
    quads[:, 11] = owner
    blocks[:, 96:100] = counts.astype("<u4")[:, None].view(np.uint8)
    blocks[:, 100] = level
    blocks.view("<u4")[:, 0] = chunk_map.crc32c_of_rows(blocks)


def _chunk(logical: int, size: int, flags: int) -> bytes:
    """On one device, at the same place there."""
    head = struct.pack("<QQQQIIIHH", size, ioctl.EXTENT_TREE, 65536, flags, SECTOR, SECTOR, SECTOR, 1, 1)
    return head + struct.pack("<QQ16s", 1, logical, bytes(16))
