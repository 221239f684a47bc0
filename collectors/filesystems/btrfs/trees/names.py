"""Paths and inodes: what subvolumes are called, which inode a path leads to, and what the largest files are called.

Where items come from is handed in. Large inodes are collected during the walk and named after it. An item of an inode
comes with every copy of its leaf, and a snapshot has copies of leaves whose files it shares with its source. So a file
is that of the subvolume in which it was made: its generation tells whether it is older than the snapshot. Bytes are
the file's own, as if it were alone: what it shares with others is not taken off.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np

from collectors.filesystems.btrfs import ioctl
from collectors.filesystems.btrfs.ioctl import U64_MAX, Key
from collectors.filesystems.btrfs.trees import chunk_map
from collectors.filesystems.btrfs.trees.leaves import InodeRecords
from collectors.filesystems.btrfs.trees.sets import I64, U64, RootSets
from collectors.model.btrfs import LargeFile
from collectors.system.deadline import Malformed

# The first item of a subvolume between two keys, or None; None too for a subvolume that is not there.
First = Callable[[int, Key, Key], tuple[Key, bytes] | None]
Ahead = Callable[[Sequence[int], Key], None]

_REF_HEAD = struct.Struct("<QH")
_DIR_HEAD = struct.Struct("<QBQQHHB")
_MOST_UNLINKED = 100_000  # the rest stays with its subvolume
_TOGETHER = 100  # subvolumes
_FIRST_ORPHAN: Key = (ioctl.ORPHANS, ioctl.ORPHAN_ITEM, 0)
_LAST_ORPHAN: Key = (ioctl.ORPHANS, ioctl.ORPHAN_ITEM, U64_MAX)
_DEEPEST = 4096  # directories above one another; more is a loop
_KEPT = 1024  # inodes that are remembered during the walk, and four times as many before the smaller ones go
_NAMED = 64  # files: each takes some look-ups
LEAST_BYTES = 1 << 16


def climbed(first: First, subvolume: int, inode: int) -> str | None:
    """The path of an inode within its subvolume by its first name; None where none leads to it."""
    parts: list[str] = []
    while inode != ioctl.SUBVOLUME_DIRECTORY:
        found = first(subvolume, (inode, ioctl.INODE_REF, 0), (inode, ioctl.INODE_REF, U64_MAX))
        if found is None or len(parts) > _DEEPEST:
            return None
        parts.append(_first_name(found[1]))
        inode = found[0][2]
    return "/".join(reversed(parts))


class Paths:
    """Paths of subvolumes. `places`: subvolume → (parent, inode of the directory in it, name)."""

    def __init__(self, first: First, places: Mapping[int, tuple[int, int, str]]) -> None:
        self._first = first
        self._places = places
        self._known: dict[int, str | None] = {ioctl.TOP_LEVEL: ""}
        self._directories: dict[tuple[int, int], str | None] = {}

    def of(self, subvolume: int) -> str | None:
        """The path below the top level; None where none leads to it."""
        chain: list[int] = []
        while subvolume not in self._known:
            self._known[subvolume] = None  # a loop ends here
            chain.append(subvolume)
            subvolume = self._places[subvolume][0] if subvolume in self._places else subvolume
        path = self._known[subvolume]
        for below in reversed(chain):  # no recursion: users may nest subvolumes as deep as they like
            within = None if path is None else self._directory(*self._places[below][:2])
            if path is not None and within is not None:
                self._known[below] = "/".join(part for part in (path, within, self._places[below][2]) if part)
            path = self._known[below]
        return path

    def _directory(self, subvolume: int, inode: int) -> str | None:
        """The path of a directory within its subvolume; subvolumes of one driver ask for the same one."""
        if (subvolume, inode) not in self._directories:
            self._directories[subvolume, inode] = climbed(self._first, subvolume, inode)
        return self._directories[subvolume, inode]


class Entries:
    """Directory entries. `parents`: subvolume → the subvolume that it really lies in.

    `ahead` may fetch what leads to one key in many subvolumes at once, before it is asked for.
    """

    def __init__(self, first: First, parents: Mapping[int, int], ahead: Ahead) -> None:
        self._first = first
        self._ahead = ahead
        self._parents = parents
        self._known: dict[tuple[int, int, str], tuple[int, int] | None] = {}

    def inode(self, path: str) -> tuple[int, int] | None:
        """(subvolume, inode) of a path below the top level; None where it leads nowhere. Follows no symlinks."""
        at: tuple[int, int] | None = (ioctl.TOP_LEVEL, ioctl.SUBVOLUME_DIRECTORY)
        for name in (part for part in path.split("/") if part and part != "."):
            if at is None:
                return None
            step = (*at, name)
            if step not in self._known:
                self._known[step] = self._entry(*step)
            at = self._known[step]
        return at

    def path(self, subvolume: int, inode: int) -> str | None:
        """The path of an inode within its subvolume; None where none leads to it."""
        return climbed(self._first, subvolume, inode)

    def unlinked(self, subvolumes: Sequence[int]) -> dict[int, list[int]]:
        """Inodes without a name, by subvolume: deleted files that are still open, and files that never had a name."""
        found: dict[int, list[int]] = {}
        for at in range(0, len(subvolumes), _TOGETHER):
            self._ahead(subvolumes[at : at + _TOGETHER], _FIRST_ORPHAN)
            for subvolume in subvolumes[at : at + _TOGETHER]:
                if inodes := list(islice(self._nameless(subvolume), _MOST_UNLINKED)):
                    found[subvolume] = inodes
        return found

    def _nameless(self, subvolume: int) -> Iterator[int]:
        low = _FIRST_ORPHAN
        while (item := self._first(subvolume, low, _LAST_ORPHAN)) is not None:
            inode = item[0][2]
            named = (inode, ioctl.INODE_REF, 0), (inode, ioctl.INODE_EXTREF, U64_MAX)
            if self._first(subvolume, *named) is None:  # older kernels also mark files that are being truncated
                yield inode
            if inode == U64_MAX:
                return
            low = (ioctl.ORPHANS, ioctl.ORPHAN_ITEM, inode + 1)

    def _entry(self, subvolume: int, directory: int, name: str) -> tuple[int, int] | None:
        raw = name.encode("utf-8", "surrogateescape")
        key = (directory, ioctl.DIR_ITEM, chunk_map.name_hash(raw))
        found = self._first(subvolume, key, key)
        target = None if found is None else _target(found[1], raw)
        if target is None:
            return None
        objectid, kind = target
        if kind != ioctl.ROOT_ITEM:
            # Both ends must say so: an entry that leads to somebody else's inode leads nowhere.
            back = (objectid, ioctl.INODE_REF, directory)
            return (subvolume, objectid) if self._first(subvolume, back, back) is not None else None
        # In a snapshot, the names of subvolumes that were nested in its source lead to empty directories.
        return (objectid, ioctl.SUBVOLUME_DIRECTORY) if self._parents.get(objectid) == subvolume else None


def _first_name(data: bytes) -> str:
    """INODE_REF: the first of the names that an inode has in one directory."""
    if len(data) < _REF_HEAD.size:
        raise Malformed(f"inode reference: {len(data)} bytes")
    _, length = _REF_HEAD.unpack_from(data, 0)
    return data[_REF_HEAD.size : _REF_HEAD.size + length].decode("utf-8", "surrogateescape")


def _target(data: bytes, wanted: bytes) -> tuple[int, int] | None:
    """DIR_ITEM: (objectid, type) of the entry of this name; names of one hash share the item."""
    at = 0
    while at + _DIR_HEAD.size <= len(data):
        objectid, kind, _, _, data_length, name_length, _ = _DIR_HEAD.unpack_from(data, at)
        at += _DIR_HEAD.size
        if data[at : at + name_length] == wanted:
            return objectid, kind
        at += name_length + data_length
    return None


class LargeInodes:
    """The largest that were met: set of trees, inode, bytes, generation."""

    def __init__(self, sets: RootSets) -> None:
        self._sets = sets
        self._found: list[tuple[I64, U64]] = []
        self._count = 0
        self._least = np.uint64(LEAST_BYTES)

    def add(self, sets: I64, inodes: InodeRecords) -> None:
        """Enter a batch; `sets` by row of its blocks."""
        large = inodes.taken >= self._least
        if not large.any():
            return
        columns = (inodes.inodes[large], inodes.taken[large], inodes.apparent[large], inodes.made_in[large])
        self._found.append((sets[inodes.rows[large]], np.stack(columns)))
        self._count += int(large.sum())
        if self._count > 4 * _KEPT:
            self._keep()

    def _keep(self) -> None:
        sets = np.concatenate([one[0] for one in self._found])
        columns = np.concatenate([one[1] for one in self._found], axis=1)
        # The same ones whatever order they came in: of one size, those of lower inodes, of lower sets.
        rank = np.argsort(np.argsort(np.array(self._sets.masks, object), kind="stable"))
        inodes, taken, apparent, made_in = columns
        order = np.lexsort((rank[sets], apparent, made_in, inodes, ~taken))[:_KEPT]
        self._found, self._count = [(sets[order], columns[:, order])], len(order)
        if len(order) == _KEPT:
            self._least = columns[1][order[-1]]

    def of_trees(self, made_after: Mapping[int, int]) -> Iterator[tuple[int, int, int, int]]:
        """(bit of the tree, inode, bytes, apparent bytes), largest first, each once.

        `made_after`: bit of a subvolume → the generation that it was made in; what is older is its source's, or the
        oldest snapshot's where the source is gone.
        """
        if not self._found:
            return
        self._keep()
        numbers, columns = self._found[0]
        holders: dict[tuple[int, int], int] = {}
        sizes: dict[tuple[int, int], tuple[int, int]] = {}
        for number, (inode, taken, apparent, made_in) in zip(numbers.tolist(), columns.T.tolist(), strict=True):
            key = inode, made_in
            holders[key] = holders.get(key, 0) | self._sets.masks[number]
            sizes.setdefault(key, (taken, apparent))
        for (inode, made_in), mask in holders.items():
            mine = [bit for bit in made_after if mask >> bit & 1]
            if mine:
                made = (bit for bit in mine if made_in > made_after[bit])
                bit = next(made, min(mine, key=made_after.__getitem__))
                yield bit, inode, *sizes[inode, made_in]


def named(
    found: Iterator[tuple[int, int, int, int]],
    subvolumes: Mapping[int, tuple[int, str]],
    path: Callable[[int, int], str | None],
) -> tuple[LargeFile, ...]:
    """The first of them with their paths below the top level. `subvolumes`: bit → (id, path)."""
    files: list[LargeFile] = []
    for bit, inode, taken, apparent in found:
        subvolume, above = subvolumes[bit]
        try:
            below = path(subvolume, inode)
        except Malformed:  # what is said beside the figures is no reason to have none
            continue
        if below:
            files.append(LargeFile(f"{above}/{below}".lstrip("/"), taken, apparent))
        if len(files) == _NAMED:
            break
    return tuple(files)
