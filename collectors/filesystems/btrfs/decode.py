"""Replies of ioctls to models. Pure; trusts the counts that the kernel returned and refuses short buffers."""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass

from collectors.filesystems.btrfs import layout
from collectors.model.btrfs import Space
from collectors.system.deadline import Malformed

_FS_INFO = struct.Struct("<QQ16sIIIHHQQ16s")
_DEV_INFO = struct.Struct("<Q16sQQ")
_DEV_PATH = 4096 - 1024
_SPACE_HEAD = struct.Struct("<QQ")
_SPACE = struct.Struct("<QQQ")
_INO_LOOKUP_PATH = 16


@dataclass(frozen=True, slots=True)
class FsInfo:
    """FS_INFO. `generation` is that of the running transaction, or of the last one where none runs."""

    uuid: str
    metadata_uuid: str  # "" before Linux 5.10
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
    highest, count, fsid, node, sector, _, checksum, _, flags, generation, metadata = _FS_INFO.unpack_from(reply)
    if not node or not sector:
        raise Malformed(f"FS_INFO: node size {node}, sector size {sector}")
    return FsInfo(
        uuid=str(uuid.UUID(bytes=fsid)),
        metadata_uuid=str(uuid.UUID(bytes=metadata)) if flags & 4 else "",
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
        copies, copies_of = layout.copies(flags, device_count)
        found.append(Space(layout.kind(flags), layout.profile(flags), total, used, copies, copies_of))
    return tuple(found)


def ino_lookup(reply: bytes) -> str:
    """The path of a directory below its subvolume, "" for the subvolume's own, without a slash at the end."""
    _long_enough(reply, 4096, "INO_LOOKUP")
    return _c_string(reply, _INO_LOOKUP_PATH).rstrip("/")


def _c_string(reply: bytes, start: int) -> str:
    return reply[start:].split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _long_enough(reply: bytes, wanted: int, what: str) -> None:
    if len(reply) < wanted:
        raise Malformed(f"{what}: {len(reply)} bytes, {wanted} expected")
