"""What changes a btrfs: dropping a subvolume, committing, compacting chunks. Through ctypes, never btrfs-progs.

The sources' ioctls only read; these are all that write, and each is one call with one meaning. Raises OSError with the
kernel's errno.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import threading
from collections.abc import Callable
from pathlib import Path

from collectors.filesystems.btrfs import layout, search
from collectors.filesystems.btrfs.ioctl import U64_MAX, call, fs_info, opened
from collectors.model.records import dataclass
from collectors.system import mountinfo

SNAP_DESTROY = 0x5000940F  # _IOW(0x94, 15, struct btrfs_ioctl_vol_args)
SYNC = 0x00009408  # _IO(0x94, 8): start writeback, commit, wake the cleaner
BALANCE_V2 = 0xC4009420  # _IOWR(0x94, 32, struct btrfs_ioctl_balance_args)
BALANCE_CTL = 0x40049421  # _IOW(0x94, 33, int); the int itself is the argument
BALANCE_PROGRESS = 0x84009422  # _IOR(0x94, 34, struct btrfs_ioctl_balance_args)

_VOL_ARGS_BYTES = 4096
_NAME_BYTES = 4087  # and a NUL
_BALANCE_BYTES = 1024
_BALANCE_DATA = 1 << 0
_BY_USAGE = 1 << 1
_BY_LIMIT = 1 << 5
_CANCEL = 2
_PER_KIND_BYTES = 136
_STAT_AT = 16 + 3 * _PER_KIND_BYTES  # expected, considered, completed: one u64 each
_SUBVOLUME_INODE = 256
_POLL_S = 0.25

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ioctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_long)


@dataclass(frozen=True, slots=True)
class Balanced:
    """`expected` and `moved` are chunks; `cancelled` True: stopped on request, with what was moved until then."""

    expected: int
    moved: int
    cancelled: bool


def is_subvolume(path: Path) -> bool:
    """A directory that is the root of a btrfs subvolume. False for links, other filesystems and vanished paths."""
    try:
        status = path.lstat()
        if status.st_ino != _SUBVOLUME_INODE or not stat.S_ISDIR(status.st_mode):
            return False
        with opened(path) as fd:
            fs_info(fd)
    except OSError:  # ENOTTY: inode 256 of another filesystem
        return False
    return True


def destroy(path: Path) -> None:
    """Drop one subvolume by its name; its space returns when the cleaner has run.

    ENOTEMPTY with nested ones; EXDEV where something is mounted on it: what was looked at is not what would be dropped.
    """
    name = os.fsencode(path.name)
    if not name or b"/" in name or len(name) > _NAME_BYTES:
        raise OSError(errno.EINVAL, "not a name of a subvolume", str(path))
    buffer = bytearray(_VOL_ARGS_BYTES)
    buffer[8 : 8 + len(name)] = name
    with opened(path.parent) as fd:
        os.close(mountinfo.open_directory(path.name, fd))
        call(fd, SNAP_DESTROY, buffer)


def commit(mountpoint: Path) -> None:
    """Write back, commit the transaction and wake the cleaner."""
    with opened(mountpoint) as fd:
        call(fd, SYNC, bytearray(8))


def pending(mountpoint: Path) -> frozenset[int]:
    """Ids of dropped subvolumes that the cleaner still holds. Raises Declined without CAP_SYS_ADMIN."""
    low, high = (layout.ORPHANS, layout.ORPHAN_ITEM, 0), (layout.ORPHANS, layout.ORPHAN_ITEM, U64_MAX)
    with opened(mountpoint) as fd:
        return frozenset(offset for (_, _, offset), _ in search.found(fd, layout.ROOT_TREE, low, high))


def balance(mountpoint: Path, usage_percent: int, limit: int, going_on: Callable[[int, int], bool]) -> Balanced:
    """Rewrite at most `limit` data chunks filled to less than `usage_percent`.

    `going_on(moved, expected)` is asked while it runs and may stop it (False). ENOSPC where a chunk did not fit;
    EINPROGRESS or EBUSY where another balance runs.
    """
    buffer = bytearray(_BALANCE_BYTES)
    struct.pack_into("<Q", buffer, 0, _BALANCE_DATA)
    at = 16
    struct.pack_into("<Q", buffer, at + 8, usage_percent)  # usage
    struct.pack_into("<Q", buffer, at + 64, _BY_USAGE | _BY_LIMIT)  # flags
    struct.pack_into("<Q", buffer, at + 72, limit)  # limit
    with opened(mountpoint) as fd:
        return _watched(fd, buffer, going_on)


def _watched(fd: int, buffer: bytearray, going_on: Callable[[int, int], bool]) -> Balanced:
    trouble: list[OSError] = []

    def work() -> None:
        try:
            call(fd, BALANCE_V2, buffer)
        except OSError as error:
            trouble.append(error)

    thread = threading.Thread(target=work, name="balance", daemon=True)
    thread.start()
    stopped = False
    while True:
        thread.join(_POLL_S)
        if not thread.is_alive():
            break
        if not stopped and not going_on(*_progress(fd)):
            stopped = _stop(fd)
    expected, _, moved = struct.unpack_from("<3Q", buffer, _STAT_AT)
    if trouble and not (stopped and trouble[0].errno == errno.ECANCELED):
        raise trouble[0]
    return Balanced(expected, moved, stopped and bool(trouble))


def _progress(fd: int) -> tuple[int, int]:
    buffer = bytearray(_BALANCE_BYTES)
    try:
        call(fd, BALANCE_PROGRESS, buffer)
    except OSError:  # not begun yet, or just done
        return 0, 0
    expected, _, moved = struct.unpack_from("<3Q", buffer, _STAT_AT)
    return moved, expected


def _stop(fd: int) -> bool:
    return int(_libc.ioctl(fd, BALANCE_CTL, _CANCEL)) == 0
