"""Bytes of btrfs to records: replies of ioctls, and items of the small trees, from a search or a leaf. Pure.

Trusts the counts that the kernel returned and refuses buffers and items that are shorter than their struct; fields that
newer kernels appended stay unread.
"""

from __future__ import annotations

import struct
import uuid
from datetime import UTC, datetime

from collectors.filesystems.btrfs import ioctl
from collectors.filesystems.btrfs.ioctl import Key
from collectors.model import dataclass
from collectors.model.btrfs import Space
from collectors.system.deadline import Malformed

_FS_INFO = struct.Struct("<QQ16sIIIHHQQ16s")
_DEV_INFO = struct.Struct("<Q16sQQ")
_DEV_PATH = 4096 - 1024
_SPACE_HEAD = struct.Struct("<QQ")
_SPACE = struct.Struct("<QQQ")
_INO_LOOKUP_PATH = 16
_BALANCE_TARGET = struct.Struct("<QQ")
_CONVERTS = 1 << 8


@dataclass(frozen=True, slots=True)
class FsInfo:
    """FS_INFO. `generation` is that of the running transaction, or of the last one where none runs."""

    uuid: str
    device_count: int
    highest_devid: int
    node_bytes: int
    sector_bytes: int
    checksum: int | None  # None before Linux 5.10
    generation: int | None


@dataclass(frozen=True, slots=True)
class DevInfo:
    """DEV_INFO: one device. An empty path is a missing device."""

    devid: int
    uuid: str
    path: str
    total_bytes: int
    allocated_bytes: int


def fs_info(reply: bytes) -> FsInfo:
    """struct btrfs_ioctl_fs_info_args; kernels that know no flags leave them 0."""
    _long_enough(reply, _FS_INFO.size, "FS_INFO")
    highest, count, fsid, node, sector, _, checksum, _, flags, generation, _ = _FS_INFO.unpack_from(reply)
    if not node or not sector:
        raise Malformed(f"FS_INFO: node size {node}, sector size {sector}")
    return FsInfo(
        uuid=str(uuid.UUID(bytes=fsid)),
        device_count=count,
        highest_devid=highest,
        node_bytes=node,
        sector_bytes=sector,
        checksum=checksum if flags & 1 else None,
        generation=generation if flags & 2 else None,
    )


def dev_info(reply: bytes) -> DevInfo:
    """struct btrfs_ioctl_dev_info_args."""
    _long_enough(reply, 4096, "DEV_INFO")
    devid, device_uuid, used, total = _DEV_INFO.unpack_from(reply)
    return DevInfo(
        devid=devid,
        uuid=str(uuid.UUID(bytes=device_uuid)),
        path=_c_string(reply, _DEV_PATH),
        total_bytes=total,
        allocated_bytes=used,
    )


def spaces(reply: bytes, device_count: int) -> tuple[Space, ...]:
    """SPACE_INFO: every kind and profile; the global reserve is a part of metadata and must never be added to it."""
    _long_enough(reply, _SPACE_HEAD.size, "SPACE_INFO")
    slots, filled = _SPACE_HEAD.unpack_from(reply)
    if filled > slots or len(reply) < _SPACE_HEAD.size + filled * _SPACE.size:
        raise Malformed(f"SPACE_INFO: {filled} spaces in {slots} slots, {len(reply)} bytes")
    found = []
    for n in range(filled):
        flags, total, used = _SPACE.unpack_from(reply, _SPACE_HEAD.size + n * _SPACE.size)
        copies, copies_of = ioctl.copies(flags, device_count)
        found.append(Space(ioctl.kind(flags), ioctl.profile(flags), total, used, copies, copies_of))
    return tuple(found)


def balance_targets(reply: bytes) -> dict[str, str]:
    """Of a balance that converts: the profile that it makes of each kind; "data" also stands for mixed chunks."""
    _long_enough(reply, 1024, "BALANCE_PROGRESS")
    found = {}
    for kind, at in (("data", 16), ("metadata", 152), ("system", 288)):
        target, flags = _BALANCE_TARGET.unpack_from(reply, at + 56)
        if flags & _CONVERTS:
            found[kind] = ioctl.profile(target)
    return found


def ino_lookup(reply: bytes) -> str:
    """The path of a directory below its subvolume, "" for the subvolume's own, without a slash at the end."""
    _long_enough(reply, 4096, "INO_LOOKUP")
    return _c_string(reply, _INO_LOOKUP_PATH).rstrip("/")


def _c_string(reply: bytes, start: int) -> str:
    return reply[start:].split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _long_enough(reply: bytes, wanted: int, what: str) -> None:
    if len(reply) < wanted:
        raise Malformed(f"{what}: {len(reply)} bytes, {wanted} expected")


_ROOT = struct.Struct("<QQQQQQQI")  # generation, dirid, bytenr, byte limit, bytes used, last snapshot, flags, refs
_ROOT_AT = 160
_ROOT_OLD_BYTES = 239  # before v3.6 the item ended at `level`
_ROOT_UUIDS_AT = 247
_ROOT_CREATED_AT = 339
_ROOT_MADE_AT = 303
_DISK_KEY = struct.Struct("<QBQ")
_CHUNK = struct.Struct("<QQQQIIIHH")
_STRIPE = struct.Struct("<QQ16s")
_BLOCK_GROUP = struct.Struct("<QQQ")
_REF_HEAD = struct.Struct("<QQH")
_QGROUP_STATUS = struct.Struct("<QQQQ")
_QGROUP_INFO = struct.Struct("<QQQQQ")

READ_ONLY = 1 << 0
_NIL = bytes(16)


@dataclass(frozen=True, slots=True)
class Root:
    """ROOT_ITEM. `drop_key` is where the cleaner stands in a subvolume that it drops; None where it has not begun."""

    generation: int
    bytenr: int
    level: int
    flags: int
    references: int
    drop_key: Key | None
    drop_level: int
    uuid: str
    parent_uuid: str
    created_at: datetime | None
    made_in: int  # generation; 0 where it is not told


@dataclass(frozen=True, slots=True)
class ChunkItem:
    """CHUNK_ITEM. `stripes` are (devid, physical offset)."""

    logical_bytes: int
    stripe_bytes: int
    flags: int
    sub_stripes: int
    stripes: tuple[tuple[int, int], ...]
    item_bytes: int


@dataclass(frozen=True, slots=True)
class QuotaStatus:
    enabled: bool
    rescanning: bool
    inconsistent: bool
    simple: bool


def root(data: bytes) -> Root:
    """struct btrfs_root_item, of any age."""
    _long_enough(data, _ROOT_OLD_BYTES, "root item")
    generation, _, bytenr, _, _, _, flags, references = _ROOT.unpack_from(data, _ROOT_AT)
    drop = _DISK_KEY.unpack_from(data, 220)
    mine, parent = data[_ROOT_UUIDS_AT : _ROOT_UUIDS_AT + 16], data[_ROOT_UUIDS_AT + 16 : _ROOT_UUIDS_AT + 32]
    seconds = int.from_bytes(data[_ROOT_CREATED_AT : _ROOT_CREATED_AT + 8], "little")
    return Root(
        generation=generation,
        bytenr=bytenr,
        level=data[238],
        flags=flags,
        references=references,
        drop_key=drop if drop != (0, 0, 0) else None,
        drop_level=data[237],
        uuid=_uuid(mine),
        parent_uuid=_uuid(parent),
        created_at=_moment(seconds),
        made_in=int.from_bytes(data[_ROOT_MADE_AT : _ROOT_MADE_AT + 8], "little"),
    )


def reference(data: bytes) -> tuple[int, str]:
    """ROOT_REF or ROOT_BACKREF: the directory's inode in the parent, and the name in it."""
    _long_enough(data, _REF_HEAD.size, "root reference")
    directory, _, length = _REF_HEAD.unpack_from(data)
    _long_enough(data, _REF_HEAD.size + length, "root reference")
    return directory, data[_REF_HEAD.size : _REF_HEAD.size + length].decode("utf-8", "surrogateescape")


def chunk(data: bytes) -> ChunkItem:
    """struct btrfs_chunk with its stripes; bytes behind it are allowed (the superblock packs several)."""
    _long_enough(data, _CHUNK.size, "chunk")
    length, _, stripe_bytes, flags, _, _, _, count, sub_stripes = _CHUNK.unpack_from(data)
    size = _CHUNK.size + count * _STRIPE.size
    _long_enough(data, size, "chunk")
    if not count or not length or not stripe_bytes:
        raise Malformed(f"chunk of {length} bytes with {count} stripes of {stripe_bytes} bytes")
    stripes = tuple(_STRIPE.unpack_from(data, _CHUNK.size + n * _STRIPE.size)[:2] for n in range(count))
    return ChunkItem(length, stripe_bytes, flags, sub_stripes, stripes, size)


def block_group(data: bytes) -> tuple[int, int]:
    """BLOCK_GROUP_ITEM: used bytes, flags."""
    _long_enough(data, _BLOCK_GROUP.size, "block group item")
    used, _, flags = _BLOCK_GROUP.unpack_from(data)
    return used, flags


def quota_status(data: bytes) -> QuotaStatus:
    """QGROUP_STATUS."""
    _long_enough(data, _QGROUP_STATUS.size, "qgroup status")
    flags = _QGROUP_STATUS.unpack_from(data)[2]
    return QuotaStatus(bool(flags & 1), bool(flags & 2), bool(flags & 4), bool(flags & 8))


def qgroup(data: bytes) -> tuple[int, int]:
    """QGROUP_INFO: referenced and exclusive bytes, metadata included."""
    _long_enough(data, _QGROUP_INFO.size, "qgroup info")
    _, referenced, _, exclusive, _ = _QGROUP_INFO.unpack_from(data)
    return referenced, exclusive


def _uuid(raw: bytes) -> str:
    return "" if len(raw) < 16 or raw == _NIL else str(uuid.UUID(bytes=raw))


def _moment(seconds: int) -> datetime | None:
    """Old items and the top level carry no time of birth; a second beyond the calendar is none either."""
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds else None
    except (OverflowError, ValueError, OSError):
        return None
