"""What changes a filesystem, for reclaim alone: how room comes free on it, at once or when its cleaner has been there.

Of a btrfs: dropping a subvolume, committing, compacting chunks. Through ctypes, never btrfs-progs. Which kind of
filesystem it is, the open filesystem itself says, not a mount table. Raises OSError with the kernel's errno.
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

from collectors.filesystems.btrfs import decode, ioctl, search
from collectors.filesystems.btrfs.ioctl import U64_MAX, call, fs_info, opened
from collectors.model import dataclass
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
    low, high = (ioctl.ORPHANS, ioctl.ORPHAN_ITEM, 0), (ioctl.ORPHANS, ioctl.ORPHAN_ITEM, U64_MAX)
    with opened(mountpoint) as fd:
        return frozenset(offset for (_, _, offset), _ in search.found(fd, ioctl.ROOT_TREE, low, high))


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


_BTRFS_MAGIC = 0x9123683E
_STATFS_BYTES = 256


class AtOnce:
    """What was removed is free once it is written back."""

    later = False

    def commit(self, path: Path) -> None:
        """Write back what is dirty."""
        with ioctl.opened(path) as fd:
            ioctl.syncfs(fd)

    def pending(self, path: Path) -> frozenset[int]:
        """What is deleted and not yet free. Declined where it cannot be told."""
        return frozenset()

    def data_bytes(self, path: Path) -> int | None:
        """Logical bytes of file data; None where data and metadata are one figure."""
        return None


class ByCleaner(AtOnce):
    """btrfs: dropped subvolumes come free later."""

    later = True

    def commit(self, path: Path) -> None:
        """Write back, and wake the cleaner."""
        commit(path)

    def pending(self, path: Path) -> frozenset[int]:
        """The dropped subvolumes by their ids."""
        return pending(path)

    def data_bytes(self, path: Path) -> int | None:
        """By the kernel's own count."""
        with ioctl.opened(path) as fd:
            spaces = decode.spaces(ioctl.space_info(fd), decode.fs_info(ioctl.fs_info(fd)).device_count)
        return sum(space.logical_used_bytes for space in spaces if space.kind in ("data", "mixed"))


_BY_MAGIC: dict[int, AtOnce] = {_BTRFS_MAGIC: ByCleaner()}
_AT_ONCE = AtOnce()


def freeing(path: Path) -> AtOnce:
    """How it is on the filesystem of `path`."""
    buffer = ctypes.create_string_buffer(_STATFS_BYTES)  # struct statfs; its first field is the type
    with ioctl.opened(path) as fd:
        if _libc.fstatfs(fd, buffer) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    return _BY_MAGIC.get(int.from_bytes(buffer.raw[:8], "little") & 0xFFFFFFFF, _AT_ONCE)
