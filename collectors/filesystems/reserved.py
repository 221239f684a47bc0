"""What a filesystem takes for itself inside statfs `used`: bytes that neither files nor directories hold.

ext2, ext3, ext4: from the inodes that no directory names, read from the device. XFS: from its geometry. btrfs tells
this itself, elsewhere. Refuses to guess for any other.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from collectors.filesystems import ext4, xfs
from collectors.model.filesystem import Mount
from collectors.model.reading import Between, Exact, Origin, Size, Unavailable, Why
from collectors.system import deadline, devices, killable, statvfs
from collectors.system.deadline import Declined
from collectors.system.host import Host

_SOURCE = "filesystem.own"
_EXT = ("ext2", "ext3", "ext4")
_CONFIDENCE = 0.95


def own_blocks(mount: Mount, host: Host, *, timeout_s: float) -> Size:
    """The filesystem's own bytes inside statfs `used`; the "metadata" category on ext4 and XFS.

    Exact on ext: its device has to be readable. Between on XFS. NOT_APPLICABLE on btrfs and on what has no disk.
    """
    call = f"{mount.fstype} on {mount.source}"
    if mount.fstype in _EXT:
        return deadline.read(
            _SOURCE, call, lambda: _ext(mount, host, timeout_s), timeout_s=timeout_s + killable.GRACE_S
        )
    if mount.fstype == "xfs":
        reading = deadline.read(_SOURCE, call, lambda: _xfs(mount, timeout_s), timeout_s=timeout_s + killable.GRACE_S)
        if isinstance(reading, Unavailable):
            return reading
        bounds = reading.value
        method = "reservations that follow from the geometry"
        return Between(bounds.best, bounds.low, bounds.high, _CONFIDENCE, method, reading.origin)
    detail = f"{mount.fstype} does not tell what it takes for itself"
    return Unavailable(Why.NOT_APPLICABLE, detail, Origin(_SOURCE, call, datetime.now(UTC), 0.0))


def _ext(mount: Mount, host: Host, timeout_s: float) -> int:
    device = devices.node(mount.device, host.sys, host.dev)
    head = _read(device, mount, [(0, ext4.HEAD_BYTES)], timeout_s)[0]
    sb = ext4.superblock(head)
    return ext4.own_bytes(sb, _read(device, mount, ext4.inode_ranges(sb), timeout_s))


def _xfs(mount: Mount, timeout_s: float) -> xfs.Bounds:
    request = {"task": "xfs", "path": os.fsencode(mount.mountpoint)}
    frame = killable.ask(request, f"geometry of {mount.mountpoint}", timeout_s)
    space = statvfs.space(Path(mount.mountpoint), timeout_s=timeout_s)
    if not isinstance(space, Exact):
        raise Declined(space.why, space.detail)
    return xfs.own_bytes(frame, space.value.free_bytes // space.value.block_bytes)


def _read(device: Path, mount: Mount, ranges: list[tuple[int, int]], timeout_s: float) -> list[bytes]:
    request = {
        "task": "read",
        "path": os.fsencode(device),
        "device": devices.number(mount.device),
        "ranges": ranges,
    }
    match killable.ask(request, f"read {device}", timeout_s):
        case ("bytes", list(parts)) if len(parts) == len(ranges):
            return parts
    raise Declined(Why.NOT_REACHABLE, f"{device} is not the device {mount.device}")
