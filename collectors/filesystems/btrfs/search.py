"""The kernel's tree search over the small trees: subvolumes, deleted ones, quotas, chunks and their fill.

All of it needs CAP_SYS_ADMIN, and shows the running transaction, not the committed one. Bulk reading of subvolumes is
not done here (see `sharing`).
"""

from __future__ import annotations

import errno
import stat
import struct
from collections.abc import Collection, Iterator

from collectors.filesystems.btrfs import decode, ioctl
from collectors.filesystems.btrfs.ioctl import HIGHEST, LOWEST, SEARCH_HEAD_BYTES, U64_MAX, Key
from collectors.model import SubvolumeId
from collectors.model.btrfs import Chunk, Qgroup, QuotaMode, Quotas, Subvolume
from collectors.model.reading import Exact, Origin, Unavailable, Why
from collectors.system.deadline import Declined, Malformed

ANSWER = struct.Struct("<QQQII")  # transid, objectid, offset, type, size; the item follows
_BUFFER_BYTES = 1 << 18
_TREES_MAX = 2000
_MODE = slice(52, 56)  # of an inode item


def subvolumes(fd: int) -> tuple[Subvolume, ...]:
    """Every subvolume, the top level and those that wait for the cleaner included."""
    roots: dict[int, decode.Root] = {}
    names: dict[int, tuple[int, int, str]] = {}
    orphans: set[int] = set()
    for (objectid, kind, offset), data in found(fd, ioctl.ROOT_TREE):
        if kind == ioctl.ROOT_ITEM and ioctl.is_subvolume(objectid):
            roots[objectid] = decode.root(data)
        elif kind == ioctl.ROOT_BACKREF:
            names[objectid] = (offset, *decode.reference(data))
        elif kind == ioctl.ORPHAN_ITEM and objectid == ioctl.ORPHANS:
            orphans.add(offset)
    paths = _Paths(fd, names)
    listed = []
    for number, root in sorted(roots.items()):
        deleted = number in orphans or (root.references == 0 and number != ioctl.TOP_LEVEL)
        parent = SubvolumeId(names[number][0]) if number in names else None
        listed.append(_subvolume(number, root, parent, None if deleted else paths.of(number)))
    return tuple(listed)


def _subvolume(number: int, root: decode.Root, parent: SubvolumeId | None, path: str | None) -> Subvolume:
    """`path` is None for one that nothing leads to any more."""
    return Subvolume(
        id=SubvolumeId(number),
        parent=parent,
        path="<deleted>" if path is None else path,
        uuid=root.uuid,
        parent_uuid=root.parent_uuid,
        generation=root.generation,
        read_only=bool(root.flags & decode.READ_ONLY),
        created_at=root.created_at,
        deleted=path is None,
    )


def quotas(fd: int, origin: Origin) -> Quotas:
    """The quota tree: whether it is on, may be trusted, and what it says of each subvolume."""
    status: decode.QuotaStatus | None = None
    groups: list[Qgroup] = []
    try:
        for (_, kind, offset), data in found(fd, ioctl.QUOTA_TREE):
            if kind == ioctl.QGROUP_STATUS:
                status = decode.quota_status(data)
            elif kind == ioctl.QGROUP_INFO and offset >> 48 == 0:  # above: groups of groups
                groups.append(Qgroup(SubvolumeId(offset), *decode.qgroup(data)))
    except OSError as error:
        if error.errno != errno.ENOENT:  # no quota tree
            raise
    if status is None or not status.enabled:
        return Quotas(QuotaMode.OFF, consistent=True, rescanning=False, groups=Exact((), origin))
    trusted = not (status.inconsistent or status.rescanning)
    why = "a rescan is running" if status.rescanning else "the kernel flags them inconsistent; they need a rescan"
    return Quotas(
        mode=QuotaMode.SIMPLE if status.simple else QuotaMode.FULL,
        consistent=not status.inconsistent,
        rescanning=status.rescanning,
        groups=Exact(tuple(groups), origin) if trusted else Unavailable(Why.INCONSISTENT, why, origin),
    )


def chunks(fd: int) -> tuple[Chunk, ...]:
    """Every chunk with the used bytes of its block group."""
    listed = []
    # One buffer for all: a block group item is 24 bytes, and there is one search for each of them.
    small = bytearray(SEARCH_HEAD_BYTES + 4096)
    tree = ioctl.BLOCK_GROUP_TREE if _exists(fd, ioctl.BLOCK_GROUP_TREE) else ioctl.EXTENT_TREE
    for start, chunk in chunk_items(fd):
        at = (start, ioctl.BLOCK_GROUP_ITEM, chunk.logical_bytes)
        for _, group in found(fd, tree, at, at, small):
            used, _ = decode.block_group(group)
            flags = chunk.flags
            listed.append(Chunk(ioctl.kind(flags), ioctl.profile(flags), start, chunk.logical_bytes, used))
    return tuple(listed)


def chunk_items(fd: int) -> Iterator[tuple[int, decode.ChunkItem]]:
    """Where each chunk begins, and its stripes."""
    low, high = (ioctl.CHUNKS, ioctl.CHUNK_ITEM, 0), (ioctl.CHUNKS, ioctl.CHUNK_ITEM, U64_MAX)
    for (_, _, start), data in found(fd, ioctl.CHUNK_TREE, low, high):
        yield start, decode.chunk(data)


def found(
    fd: int, tree: int, low: Key = LOWEST, high: Key = HIGHEST, buffer: bytearray | None = None
) -> Iterator[tuple[Key, bytes]]:
    """Each item of one tree from `low` to `high`, in key order. Declines with the capability that is missing."""
    buffer = bytearray(SEARCH_HEAD_BYTES + _BUFFER_BYTES) if buffer is None else buffer
    while True:
        try:
            count = ioctl.tree_search(fd, tree, low, high, buffer)
        except PermissionError:
            raise Declined(Why.NOT_PERMITTED, "searching btrfs trees needs CAP_SYS_ADMIN") from None
        if not count:
            return
        at = SEARCH_HEAD_BYTES
        key = low
        for _ in range(count):
            if at + ANSWER.size > len(buffer):
                raise Malformed(f"{count} items do not fit into {len(buffer)} bytes")
            _, objectid, offset, kind, size = ANSWER.unpack_from(buffer, at)
            key = (objectid, kind, offset)
            at += ANSWER.size
            yield key, bytes(buffer[at : at + size])
            at += size
        after = following(key)
        if after is None or after > high:
            return
        low = after


def following(key: Key) -> Key | None:
    """The next key in sort order; None after the last one."""
    objectid, kind, offset = key
    if offset < U64_MAX:
        return objectid, kind, offset + 1
    if kind < 255:
        return objectid, kind + 1, 0
    return (objectid + 1, 0, 0) if objectid < U64_MAX else None


def unlinked(fd: int, trees: Collection[int]) -> tuple[int, ...]:
    """Files without a name that these subvolumes keep, by inode; each is open somewhere. Declines if there are many."""
    if len(trees) > _TREES_MAX:
        raise Declined(Why.NOT_ASKED, f"{len(trees)} subvolumes would be asked")
    small = bytearray(SEARCH_HEAD_BYTES + 4096)
    low, high = (ioctl.ORPHANS, ioctl.ORPHAN_ITEM, 0), (ioctl.ORPHANS, ioctl.ORPHAN_ITEM, U64_MAX)
    every = ((tree, inode) for tree in trees for (_, _, inode), _ in list(found(fd, tree, low, high, small)))
    return tuple(inode for tree, inode in every if _is_file(fd, tree, inode, small))


def _is_file(fd: int, tree: int, inode: int, buffer: bytearray) -> bool:
    at = (inode, ioctl.INODE_ITEM, 0)
    return any(stat.S_ISREG(int.from_bytes(item[_MODE], "little")) for _, item in found(fd, tree, at, at, buffer))


def _exists(fd: int, tree: int) -> bool:
    return any(True for _ in found(fd, ioctl.ROOT_TREE, (tree, ioctl.ROOT_ITEM, 0), (tree, ioctl.ROOT_ITEM, U64_MAX)))


class _Paths:
    """Paths of subvolumes below the top level; each directory of a parent is looked up once."""

    def __init__(self, fd: int, names: dict[int, tuple[int, int, str]]) -> None:
        self._fd = fd
        self._names = names
        self._directories: dict[tuple[int, int], str] = {}

    def of(self, subvolume: int) -> str | None:
        """None: no name leads to it (its parent is being deleted as well)."""
        parts: list[str] = []
        seen: set[int] = set()
        while subvolume != ioctl.TOP_LEVEL:
            where = self._names.get(subvolume)
            if where is None or subvolume in seen:
                return None
            seen.add(subvolume)
            subvolume, directory, name = where
            try:
                above = self._directory(subvolume, directory)
            except FileNotFoundError:  # deleted since the roots were listed
                return None
            parts.append(f"{above}/{name}" if above else name)
        return "/".join(reversed(parts))

    def _directory(self, tree: int, inode: int) -> str:
        if inode == ioctl.SUBVOLUME_DIRECTORY:
            return ""
        known = self._directories.get((tree, inode))
        if known is None:
            known = decode.ino_lookup(ioctl.ino_lookup(self._fd, tree, inode))
            self._directories[tree, inode] = known
        return known
