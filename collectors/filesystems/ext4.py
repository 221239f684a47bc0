"""What ext2, ext3 and ext4 take for themselves inside statfs `used`: a few structures, read from the device.

Almost all of their metadata (bitmaps, inode tables, the journal) is not in `used` at all: statfs leaves it out of the
total. What remains are blocks of inodes that no directory names. Layout: fs/ext4/ext4.h. A mounted ext4 keeps these in
the page cache of its device, so what is read there is current.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

from collectors.filesystems.base import OWN_SOURCE, Plain, call_of
from collectors.model import dataclass
from collectors.model.filesystem import Mount, OwnUse
from collectors.model.reading import Exact, Unavailable, Why
from collectors.system import deadline, killable, mountinfo
from collectors.system.deadline import Declined, Host, Malformed
from collectors.system.walk import WalkTraits

HEAD_BYTES = 132 << 10  # holds the superblock and the first group's descriptor at every block size
SECTOR_BYTES = 512

_MAGIC = 0xEF53
_HAS_JOURNAL, _RESIZE_INODE, _ORPHAN_FILE = 0x4, 0x10, 0x1000  # compat
_BITS_64, _MMP = 0x80, 0x100  # incompat
_BIGALLOC = 0x200  # ro_compat
_HUGE_FILE = 0x40000  # inode flag: blocks are counted in blocks of the filesystem
_BAD, _USER_QUOTA, _GROUP_QUOTA, _BOOT, _UNDELETE, _RESIZE, _JOURNAL, _EXCLUDE, _REPLICA = 1, 3, 4, 5, 6, 7, 8, 9, 10
_OLD_FIRST_FREE = 11  # where the superblock does not say
_NAMELESS = (_BAD, _USER_QUOTA, _GROUP_QUOTA, _BOOT, _UNDELETE, _EXCLUDE, _REPLICA)


class Ext(Plain):
    """ext2 and ext3: exact where the device can be read."""

    fstypes = frozenset({"ext2", "ext3"})

    def own(self, mount: Mount, host: Host, *, timeout_s: float) -> OwnUse:
        """From the inodes that no directory names."""
        found = deadline.read(
            OWN_SOURCE, call_of(mount), lambda: _asked(mount, host, timeout_s), timeout_s=timeout_s + killable.GRACE_S
        )
        if isinstance(found, Unavailable):
            return OwnUse(found, found, None)
        count, inodes, unlinked = found.value
        return OwnUse(Exact(count, found.origin), Exact(inodes, found.origin), unlinked)


class Ext4(Ext):
    """The same; and its inode tables can prove that nothing has changed."""

    fstypes = frozenset({"ext4"})
    traits = WalkTraits(tables_prove=True)


def _asked(mount: Mount, host: Host, timeout_s: float) -> tuple[int, int, tuple[int, ...] | None]:
    """Bytes and inodes, and the files without a name."""
    device = mountinfo.node(mount.device, host.sys, host.dev)
    head = _read(device, mount, [(0, HEAD_BYTES)], timeout_s)[0]
    sb = superblock(head)
    inodes = _read(device, mount, inode_ranges(sb), timeout_s)
    return own_bytes(sb, inodes), own_inodes(sb), _unlinked(device, mount, sb, inodes, timeout_s)


def _read(device: Path, mount: Mount, ranges: list[tuple[int, int]], timeout_s: float) -> list[bytes]:
    match _ask(device, mount, {"task": "read", "ranges": ranges}, timeout_s):
        case ("bytes", list(parts)) if len(parts) == len(ranges):
            return parts
    raise Declined(Why.NOT_REACHABLE, f"{device} is not the device {mount.device}")


def _ask(device: Path, mount: Mount, task: dict[str, Any], timeout_s: float) -> tuple[object, ...]:
    where = {"path": os.fsencode(device), "device": mountinfo.number(mount.device)}
    return killable.ask({**task, **where}, f"read {device}", timeout_s)


def _unlinked(
    device: Path, mount: Mount, sb: ExtSuperblock, inodes: list[bytes], timeout_s: float
) -> tuple[int, ...] | None:
    """By what it keeps for the day of a crash; a filesystem without a journal keeps nothing."""
    if not sb.journals:
        return None
    blocks = orphan_blocks(sb, inodes)
    if blocks is None:
        return None
    if not sb.last_orphan and not blocks:
        return ()
    task = {"task": "unlinked", "first": sb.last_orphan, "blocks": blocks}
    match _ask(device, mount, task, timeout_s):
        case ("unlinked", list(found)):
            return tuple(found)
    return None


@dataclass(frozen=True, slots=True)
class ExtSuperblock:
    """Where the nameless inodes are, and what is counted apart."""

    block_bytes: int
    cluster_bytes: int
    inode_bytes: int
    inodes_per_group: int
    table_offset: int  # of the first group's inode table, in bytes
    first_free: int  # the inodes below it are the filesystem's own, but for the root directory
    nameless: tuple[int, ...]  # inodes whose blocks are all in `used` and in no directory
    resizes: bool
    journals: bool
    protects: bool  # multiple mount protection takes a block
    last_orphan: int  # the first inode in the list of what has no name any more; 0: it is empty
    orphan_file: int  # the inode of the file that lists more of them; 0: there is none


def superblock(head: bytes) -> ExtSuperblock:
    """Decode the first HEAD_BYTES of a device. Raises Malformed."""
    if len(head) < HEAD_BYTES:
        raise Malformed(f"{len(head)} bytes where a superblock should be")
    block = head[1024:2048]

    def field(offset: int) -> int:
        return int(struct.unpack_from("<I", block, offset)[0])

    if struct.unpack_from("<H", block, 0x38)[0] != _MAGIC:
        raise Malformed("not a superblock of ext2, ext3 or ext4")
    block_bytes = 1024 << field(0x18)
    compat, incompat, ro_compat = field(0x5C), field(0x60), field(0x64)
    descriptor_bytes = struct.unpack_from("<H", block, 0xFE)[0] if incompat & _BITS_64 else 32
    descriptor = (field(0x14) + 1) * block_bytes
    table = struct.unpack_from("<I", head, descriptor + 0x08)[0]
    if descriptor_bytes >= 64:
        table |= struct.unpack_from("<I", head, descriptor + 0x28)[0] << 32
    orphan_file = field(0x280) if compat & _ORPHAN_FILE else 0
    extra = (field(0x26C), orphan_file)  # the first is of project quotas
    return ExtSuperblock(
        block_bytes=block_bytes,
        cluster_bytes=1024 << field(0x1C) if ro_compat & _BIGALLOC else block_bytes,
        inode_bytes=struct.unpack_from("<H", block, 0x58)[0] if field(0x4C) else 128,
        inodes_per_group=field(0x28),
        table_offset=table * block_bytes,
        first_free=field(0x54) if field(0x4C) else _OLD_FIRST_FREE,
        nameless=_NAMELESS + tuple(inode for inode in extra if inode),
        resizes=bool(compat & _RESIZE_INODE),
        journals=bool(compat & _HAS_JOURNAL) and field(0xE0) == _JOURNAL,
        protects=bool(incompat & _MMP),
        last_orphan=field(0xE8),
        orphan_file=orphan_file,
    )


def own_inodes(sb: ExtSuperblock) -> int:
    """The inodes that are in use and in no directory: those reserved, used or not, and those of later features."""
    reserved = sb.first_free - 1
    later = {inode for inode in sb.nameless if inode > reserved}
    return reserved - 1 + len(later)


def inode_ranges(sb: ExtSuperblock) -> list[tuple[int, int]]:
    """(offset, bytes) of the inodes that `own_bytes` wants, in its order. Raises Malformed."""
    inodes = [*sb.nameless, _RESIZE, _JOURNAL]
    if max(inodes) > sb.inodes_per_group:
        raise Malformed(f"inode {max(inodes)} lies outside the first group")
    return [(sb.table_offset + (inode - 1) * sb.inode_bytes, 128) for inode in inodes]


def own_bytes(sb: ExtSuperblock, inodes: list[bytes]) -> int:
    """What the filesystem itself holds inside `used`, given the inodes at `inode_ranges`. Raises Malformed."""
    if len(inodes) != len(sb.nameless) + 2 or any(len(inode) != 128 for inode in inodes):
        raise Malformed("an inode table ends early")
    *nameless, resize, journal = inodes
    own = sum(_allocated(inode, sb.block_bytes) for inode in nameless)
    if sb.resizes and _allocated(resize, sb.block_bytes):
        own += sb.cluster_bytes  # its root; the blocks that it reserves are left out of the total
    if sb.journals:
        size = struct.unpack_from("<I", journal, 4)[0] | struct.unpack_from("<I", journal, 108)[0] << 32
        own += max(0, _allocated(journal, sb.block_bytes) - size)  # the log itself is left out of the total
    if sb.protects:
        own += sb.cluster_bytes
    return own


def orphan_blocks(sb: ExtSuperblock, inodes: list[bytes]) -> list[tuple[int, int]] | None:
    """(offset, bytes) of what the orphan file lists, given the inodes at `inode_ranges`; None: not to be told.

    Each of its blocks holds numbers of inodes of 4 bytes, 0 for none, and 8 bytes of its own at the end.
    """
    if not sb.orphan_file:
        return []
    inode = inodes[sb.nameless.index(sb.orphan_file)]
    magic, count, _, depth = struct.unpack_from("<4H", inode, _EXTENTS)
    if magic != _EXTENTS_MAGIC or depth:
        return None
    found = []
    for place in range(count):
        _, length, high, low = struct.unpack_from("<IHHI", inode, _EXTENTS + 12 * (1 + place))
        first = (high << 32 | low) * sb.block_bytes
        found += [(first + block * sb.block_bytes, sb.block_bytes - _TAIL_BYTES) for block in range(length)]
    return found


_EXTENTS, _EXTENTS_MAGIC, _TAIL_BYTES = 40, 0xF30A, 8


def _allocated(inode: bytes, block_bytes: int) -> int:
    low, high = struct.unpack_from("<I", inode, 28)[0], struct.unpack_from("<H", inode, 116)[0]
    flags = struct.unpack_from("<I", inode, 32)[0]
    unit = block_bytes if flags & _HUGE_FILE else SECTOR_BYTES
    return int(low | high << 32) * unit
