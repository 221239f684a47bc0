"""When a file, directory or subvolume came into being.

On btrfs a snapshot's root directory carries the birth time of the subvolume that it was taken from, so a brand-new
layer would look months old: there the root item's `otime` answers, through an unprivileged ioctl. Refuses to guess: a
subvolume whose `otime` cannot be read has no age.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from dataclasses import dataclass
from datetime import UTC, datetime

_AT_FDCWD = -100
_AT_SYMLINK_NOFOLLOW = 0x100
_STATX_BTIME = 0x800
_STATX_SIZE_BYTES = 256
_BIRTH_AT = 80
_MASK_AT = 0

_SUBVOLUME_ROOT_INODE = 256
_BTRFS_IOC_GET_SUBVOL_INFO = 0x81F8943C
_SUBVOL_INFO_SIZE_BYTES = 504
_OTIME_AT = 392

_TIME = struct.Struct("=qI")  # seconds, nanoseconds; the same layout in both structures
_MASK = struct.Struct("=I")

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds since the epoch."""

    born_s: float | None  # birth (btrfs subvolume: creation); None: the filesystem does not tell
    since_s: float | None  # from when age is counted: birth, else the last status change; None: cannot be known

    @property
    def created_at(self) -> datetime | None:
        """The birth time in UTC."""
        if self.born_s is None:
            return None
        try:
            return datetime.fromtimestamp(self.born_s, UTC)
        except (OverflowError, OSError, ValueError):
            return None  # a damaged inode: no date is better than a wrong one


def times(path: str) -> Times:
    """When `path` itself (links are not followed) came into being. OSError when it cannot be asked."""
    status = os.lstat(path)
    if status.st_ino == _SUBVOLUME_ROOT_INODE and stat.S_ISDIR(status.st_mode):
        try:
            created_s = _subvolume_otime_s(path)
        except OSError as error:
            if error.errno not in (errno.ENOTTY, errno.EOPNOTSUPP):  # not btrfs after all
                return Times(None, None)
        else:
            return Times(created_s, created_s)
    born_s = _birth_s(path)
    return Times(born_s, status.st_ctime if born_s is None else born_s)


def _birth_s(path: str) -> float | None:
    """statx's birth time; None where the C library, the kernel or the filesystem has none."""
    statx = getattr(_libc, "statx", None)
    if statx is None:
        return None
    reply = ctypes.create_string_buffer(_STATX_SIZE_BYTES)
    if statx(_AT_FDCWD, os.fsencode(path), _AT_SYMLINK_NOFOLLOW, _STATX_BTIME, reply) != 0:
        return None
    (told,) = _MASK.unpack_from(reply, _MASK_AT)
    if not told & _STATX_BTIME:
        return None
    seconds, nanoseconds = _TIME.unpack_from(reply, _BIRTH_AT)
    return float(seconds + nanoseconds / 1e9)


def _subvolume_otime_s(path: str) -> float:
    """The creation time of the btrfs subvolume whose root directory is `path`; OSError as the kernel gives it."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        reply = ctypes.create_string_buffer(_SUBVOL_INFO_SIZE_BYTES)
        # Linux 6.18 answers 1 on success: the result of its own tree search leaks out.
        if _libc.ioctl(folder, ctypes.c_ulong(_BTRFS_IOC_GET_SUBVOL_INFO), reply) < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), path)
    finally:
        os.close(folder)
    seconds, nanoseconds = _TIME.unpack_from(reply, _OTIME_AT)
    return float(seconds + nanoseconds / 1e9)
