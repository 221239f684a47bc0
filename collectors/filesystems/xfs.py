"""What XFS takes for itself inside statfs `used` and of its inodes: arithmetic over its geometry.

The kernel keeps blocks back in every allocation group so that its b-trees can always grow to their largest, and takes
these out of the free count from the start: on an empty disk of 1 TiB that is 7 GiB. The sizes follow from the geometry
(fs/xfs/libxfs: xfs_ag_resv.c, xfs_btree_calc_size); measured on empty and filled filesystems they agree to some blocks.
Inodes lie in chunks that belong to no file. What it cannot know stays between bounds: how full the inode tree's blocks
are, and how many blocks the trees of free space take.
"""

from __future__ import annotations

import os
import struct
from dataclasses import replace
from pathlib import Path

from collectors.filesystems.base import OWN_SOURCE, FilesystemHolders, Plain, StudyQuestion, call_of
from collectors.filesystems.limits_and_reflinks import shared_once
from collectors.model import dataclass
from collectors.model.filesystem import Mount, OwnUse
from collectors.model.reading import AtLeast, Between, Exact, Origin, Size, Unavailable, Why
from collectors.system import deadline, killable, mount_table, mountinfo
from collectors.system.deadline import Declined, Host, Malformed
from collectors.system.walk import WalkTraits

_V5, _FINOBT, _RMAPBT, _REFLINK = 1 << 15, 1 << 17, 1 << 19, 1 << 20  # geometry flags
_CHUNK_INODES = 64
_POOL_BLOCKS, _POOL_PART = 8192, 20  # the reserve pool unless somebody set it: a twentieth, no more than that
_HEADERS = 4  # sectors at the start of each group
_ROOTS = 3  # of both trees of free space, and of inodes; those of the other trees are in their reservations
_SET_ASIDE = 8  # blocks per group that statfs never calls free; one more with reverse mapping


_CONFIDENCE = 0.95
_FEW_INODES = 1 << 16  # are listed as quickly as a thousand processes are looked into
_LISTING_S = 1.0  # it waits for what is being removed; who needs it can do without
# The superblock (fs/xfs/libxfs/xfs_format.h), big-endian.
_MAGIC, _SUPERBLOCK_USED = b"XFSB", 264
_QUOTA_AT = (160, 168, 232)  # inodes of the quotas of users, groups, projects
_INCOMPAT_AT, _METADIR, _NO_INODE = 216, 1 << 8, (1 << 64) - 1
_REALTIME_INODES = 2
_QUOTA_OPTIONS = (("usrquota", "uqnoenforce"), ("grpquota", "gqnoenforce"), ("prjquota", "pqnoenforce"))


class Xfs(Plain):
    """XFS: between bounds; and files may share extents (reflinks)."""

    fstypes = frozenset({"xfs"})
    traits = WalkTraits(bulk_proves=True)

    def holders(self, question: StudyQuestion) -> FilesystemHolders:
        """By a walk, and what files share counted once."""
        found = super().holders(question)
        if not isinstance(found.occupancy, Exact):
            return found
        own = self.own(question.mount, question.host, timeout_s=question.clock.left(at_most=5.0))
        occupancy = shared_once(question, found.occupancy.value, own.bytes)
        return replace(found, occupancy=Exact(occupancy, found.occupancy.origin), own=own)

    def own(self, mount: Mount, host: Host, *, timeout_s: float) -> OwnUse:
        """Bytes from the geometry, inodes from the superblock."""
        reading = deadline.read(
            OWN_SOURCE, call_of(mount), lambda: _asked(mount, host, timeout_s), timeout_s=timeout_s + killable.GRACE_S
        )
        if isinstance(reading, Unavailable):
            return OwnUse(reading, reading, None)
        bounds, nameless, superblock = reading.value
        method = "reservations that follow from the geometry"
        size = Between(bounds.best, bounds.low, bounds.high, _CONFIDENCE, method, reading.origin)
        return OwnUse(size, own_inodes(superblock, mount.super_options, reading.origin), nameless)


def _asked(mount: Mount, host: Host, timeout_s: float) -> tuple[Bounds, tuple[int, ...] | None, bytes]:
    """What it takes, the files without a name, and the superblock."""
    request = {"task": "geometry", "path": os.fsencode(mount.mountpoint), "device": _device(mount, host)}
    *frame, superblock = killable.ask(request, f"geometry of {mount.mountpoint}", timeout_s)
    space = mount_table.space(Path(mount.mountpoint), timeout_s=timeout_s)
    if not isinstance(space, Exact):
        raise Declined(space.why, space.detail)
    bounds = own_bytes(tuple(frame), space.value.free_bytes // space.value.block_bytes)
    return bounds, _nameless(mount, frame[2], min(timeout_s, _LISTING_S)), superblock


def _nameless(mount: Mount, counts: bytes, timeout_s: float) -> tuple[int, ...] | None:
    """The files that no directory names, as the kernel lists them; None where it does not, or not by then."""
    _, _, unused, allocated = struct.unpack("<4Q", counts)
    if allocated - unused > _FEW_INODES:
        return None
    task = {"task": "nameless", "path": os.fsencode(mount.mountpoint)}
    try:
        frame = killable.ask(task, f"files without a name on {mount.mountpoint}", timeout_s)
    except (Declined, OSError):
        return None
    match frame:
        case ("nameless", list(found)):
            return tuple(found)
    return None


def _device(mount: Mount, host: Host) -> tuple[bytes, tuple[int, int]] | None:
    try:
        return os.fsencode(mountinfo.node(mount.device, host.sys, host.dev)), mountinfo.number(mount.device)
    except (OSError, Malformed):
        return None


def own_inodes(superblock: bytes, options: tuple[str, ...], origin: Origin) -> Size:
    """The inodes that are in use and in no directory: of the realtime section, there or not, and of quotas.

    The superblock on the device may be older than the last mount with quotas; what is mounted tells of those. Without a
    superblock, quotas that were once on and are off now remain unknown.
    """
    mounted = sum(any(option in names for option in options) for names in _QUOTA_OPTIONS)
    if len(superblock) < _SUPERBLOCK_USED or superblock[:4] != _MAGIC:
        detail = "its superblock was not read: quotas that are off now may still have inodes"
        return AtLeast(_REALTIME_INODES + mounted, (Unavailable(Why.NOT_REACHABLE, detail, origin),), origin)
    if struct.unpack_from(">I", superblock, _INCOMPAT_AT)[0] & _METADIR:
        return Unavailable(Why.NOT_REPORTED, "its metadata directory does not tell how many inodes it has", origin)
    named = {struct.unpack_from(">Q", superblock, offset)[0] for offset in _QUOTA_AT} - {0, _NO_INODE}
    return Exact(_REALTIME_INODES + max(len(named), mounted), origin)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bytes."""

    low: int
    best: int
    high: int


@dataclass(frozen=True, slots=True)
class Geometry:
    block_bytes: int
    group_blocks: int
    groups: int
    log_blocks: int
    sector_bytes: int
    inode_bytes: int
    data_blocks: int
    log_start: int  # 0: the log is on another device
    flags: int


def own_bytes(frame: tuple[object, ...], free_blocks: int) -> Bounds:
    """From the child's answer and statfs f_bfree, in blocks. Raises Malformed."""
    match frame:
        case ("geometry", bytes(raw), bytes(counts), bytes(reserved), int(free)):
            pass
        case _:
            raise Malformed(f"not a geometry: {frame[:1]!r}")
    geo = decode(raw)
    if len(counts) != 32 or (reserved and len(reserved) != 16):
        raise Malformed("counts of another size")
    inodes = struct.unpack_from("<Q", counts, 24)[0]
    pool = min(geo.data_blocks // _POOL_PART, _POOL_BLOCKS)
    if reserved:
        pool = struct.unpack_from("<Q", reserved, 8)[0]
    header = -(-_HEADERS * geo.sector_bytes // geo.block_bytes)
    aside = geo.groups * (_SET_ASIDE + bool(geo.flags & _RMAPBT))
    fixed = sum(_reserved(geo, number) for number in range(geo.groups)) + pool + aside
    fixed += geo.groups * (header + _ROOTS) + -(-inodes * geo.inode_bytes // geo.block_bytes)
    chunks = -(-inodes // _CHUNK_INODES // geo.groups)
    full, half = (geo.groups * max(0, _tree(geo, chunks, 16, 4, fill) - 1) for fill in (1, 2))
    # What is free in the groups and yet not for statfs: the pool, what is set aside, blocks of the trees of free
    # space, and data that waits in memory. The last belongs to files, so all of it is the upper bound.
    waiting = max(0, free - free_blocks - pool - aside) if free >= 0 else geo.data_blocks // 1000
    low = fixed + full
    return Bounds(low * geo.block_bytes, (fixed + half) * geo.block_bytes, (fixed + half + waiting) * geo.block_bytes)


def decode(raw: bytes) -> Geometry:
    """struct xfs_fsop_geom_v1. Raises Malformed."""
    if len(raw) != 112:
        raise Malformed(f"a geometry of {len(raw)} bytes")
    block, _, group, groups, log, sector, inode, _ = struct.unpack_from("<8I", raw)
    data, _, _, log_start = struct.unpack_from("<4Q", raw, 32)
    flags = struct.unpack_from("<I", raw, 92)[0]
    if not block or not groups or not inode:
        raise Malformed("a geometry of nothing")
    return Geometry(block, group, groups, log, sector, inode, data, log_start, flags)


def _reserved(geo: Geometry, number: int) -> int:
    """Blocks that one group holds for the trees of free inodes, of shared blocks and of owners, used ones included."""
    blocks = min(geo.group_blocks, geo.data_blocks - number * geo.group_blocks)
    shift = max(0, (geo.group_blocks - 1).bit_length())
    if geo.log_start and geo.log_start >> shift == number:
        blocks -= geo.log_blocks
    asked = 0
    if geo.flags & _FINOBT:
        asked += _tree(geo, blocks * (geo.block_bytes // geo.inode_bytes) // _CHUNK_INODES, 16, 4, 2)
    if geo.flags & _REFLINK:
        asked += _tree(geo, blocks, 12, 4, 2)
    if geo.flags & _RMAPBT:
        asked += max(blocks // 100, _tree(geo, blocks, 24, 40, 2))
    return asked


def _tree(geo: Geometry, records: int, record_bytes: int, key_bytes: int, fill: int) -> int:
    """Blocks of a b-tree whose blocks are all 1/`fill` full."""
    room = geo.block_bytes - (56 if geo.flags & _V5 else 16)
    per_block = room // record_bytes // fill
    blocks = 0
    while records > 1:
        records = -(-records // per_block)
        blocks += records
        per_block = room // (key_bytes + 4) // fill
    return blocks
