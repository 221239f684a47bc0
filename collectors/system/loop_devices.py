"""Deleted files below loop devices: no process holds them, and neither a walk nor a search of processes finds them.

The kernel keeps the file until the device is detached, and says in sysfs that it is deleted. What it takes, the device
does not tell: ext4 is asked for the inode itself, by a handle without a generation. Elsewhere only its name is known.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from collectors.model.filesystem import Mount, OpenDeleted, OpenFiles
from collectors.model.reading import Origin, Unavailable, Why
from collectors.system.host import Host
from collectors.system.mount_table import MountTree

_DELETED = " (deleted)"
_LOOP_GET_STATUS64, _STATUS_BYTES = 0x4C05, 232
_O_PATH = 0o10000000
_INODE_AND_GENERATION = 1  # FILEID_INO32_GEN; ext4 takes generation 0 for any
_SECTOR_BYTES = 512

_libc = ctypes.CDLL(None, use_errno=True)


def with_loop_devices(found: OpenFiles, mount: Mount, host: Host, mounts: Iterable[Mount]) -> OpenFiles:
    """`found`, and the deleted files on `mount`'s filesystem that loop devices keep."""
    files, unread = list(found.files), list(found.unread)
    tree = MountTree(tuple(mounts))
    for device, path in _deleted_backing(host.sys):
        on = tree.of(os.path.dirname(os.path.normpath(path)))  # noqa: PTH120 - names, not paths
        if on is None or on.device != mount.device:
            continue
        file = _file(device, path, mount, host.dev)
        if file is not None:
            files.append(file)
            continue
        detail = f"{device} holds the deleted file {path}, of at most {_size(host.sys, device):,} bytes"
        origin = Origin("filesystem.loop", device, datetime.now(UTC), 0.0)
        unread.append(Unavailable(Why.NOT_REPORTED, f"{detail}: losetup -d {device} lets go of it", origin))
    files.sort(key=lambda file: (-file.allocated_bytes, file.device, file.inode))
    return OpenFiles(tuple(files), tuple(unread))


def _deleted_backing(sys: Path) -> Iterator[tuple[str, str]]:
    """(/dev/loop0, path of its file before that was deleted)."""
    for folder in sorted((sys / "block").glob("loop*")):
        with suppress(OSError):
            backing = os.fsdecode((folder / "loop" / "backing_file").read_bytes().rstrip(b"\n"))
            if backing.endswith(_DELETED):
                yield f"/dev/{folder.name}", backing.removesuffix(_DELETED)


def _file(device: str, path: str, mount: Mount, dev: Path) -> OpenDeleted | None:
    """None where the filesystem cannot be asked."""
    try:
        inode = _inode(dev / device.removeprefix("/dev/"))
        status = _by_handle(inode, mount.mountpoint)
    except OSError:
        return None
    if status is None or status.st_ino != inode or status.st_nlink:
        return None
    return OpenDeleted(
        device=mount.device,
        inode=inode,
        allocated_bytes=status.st_blocks * _SECTOR_BYTES,
        apparent_bytes=status.st_size,
        path=path,
        pid=0,
        command=device,
        container="",
        started_ticks=None,
    )


def _inode(device: Path) -> int:
    """Of the file below a loop device. Raises OSError."""
    fd = os.open(device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = fcntl.ioctl(fd, _LOOP_GET_STATUS64, bytes(_STATUS_BYTES))
    finally:
        os.close(fd)
    return int(struct.unpack_from("=Q", status, 8)[0])


def _by_handle(inode: int, mountpoint: str) -> os.stat_result | None:
    """The inode's status; None where this filesystem gives none for such a handle, or we may not ask."""
    handle = ctypes.create_string_buffer(struct.pack("=IiII", 8, _INODE_AND_GENERATION, inode & 0xFFFFFFFF, 0))
    folder = os.open(mountpoint, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = _libc.open_by_handle_at(folder, handle, _O_PATH | os.O_CLOEXEC)
        if fd < 0:
            return None
        try:
            return os.fstat(fd)
        finally:
            os.close(fd)
    finally:
        os.close(folder)


def _size(sys: Path, device: str) -> int:
    try:
        return int((sys / "block" / device.removeprefix("/dev/") / "size").read_text()) * _SECTOR_BYTES
    except (OSError, ValueError):
        return 0
