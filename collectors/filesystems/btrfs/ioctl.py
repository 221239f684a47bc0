"""File descriptor in, bytes out: the few btrfs ioctls that this package needs. Decodes nothing but a count.

They go through ctypes, which releases the interpreter lock for the length of the call. `fcntl.ioctl` holds the lock for
mutable buffers above 1,024 bytes: while the kernel searches a tree, no deadline could fire and no screen repaint.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TREE_SEARCH_V2 = 0xC0709411
INO_LOOKUP = 0xD0009412
SPACE_INFO = 0xC0109414
DEV_INFO = 0xD000941E
FS_INFO = 0x8400941F
BALANCE_PROGRESS = 0x84009422

SEARCH_HEAD_BYTES = 112  # the search key (104) and the size of the buffer behind it
U64_MAX = 2**64 - 1

Key = tuple[int, int, int]  # objectid, type, offset, in the order in which trees sort
LOWEST: Key = (0, 0, 0)
HIGHEST: Key = (U64_MAX, 255, U64_MAX)

_FS_INFO_WANTED = 1 << 0 | 1 << 1 | 1 << 2  # checksum type, generation, metadata uuid
_SEARCH_KEY = struct.Struct("<7Q3I4x32xQ")
_SPACE_HEAD = struct.Struct("<QQ")
_SPACE_BYTES = 24

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ioctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A descriptor of a directory or file of the filesystem; a file that is bound into a container will do."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        yield fd
    finally:
        os.close(fd)


def call(fd: int, request: int, buffer: bytearray) -> None:
    """One ioctl on `buffer`, in place. Raises OSError with the kernel's errno."""
    window = (ctypes.c_char * len(buffer)).from_buffer(buffer)
    if _libc.ioctl(fd, request, ctypes.addressof(window)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def fs_info(fd: int) -> bytes:
    """struct btrfs_ioctl_fs_info_args (1,024 bytes). Needs no privilege."""
    buffer = bytearray(1024)
    struct.pack_into("<Q", buffer, 48, _FS_INFO_WANTED)
    call(fd, FS_INFO, buffer)
    return bytes(buffer)


def dev_info(fd: int, devid: int) -> bytes:
    """struct btrfs_ioctl_dev_info_args (4,096 bytes). ENODEV where there is no such device. Needs no privilege."""
    buffer = bytearray(4096)
    struct.pack_into("<Q", buffer, 0, devid)
    call(fd, DEV_INFO, buffer)
    return bytes(buffer)


def space_info(fd: int) -> bytes:
    """Slots, count, then one struct btrfs_ioctl_space_info for each slot. Needs no privilege."""
    buffer = bytearray(_SPACE_HEAD.size)
    call(fd, SPACE_INFO, buffer)
    slots = _SPACE_HEAD.unpack(buffer)[1] + 2  # a kind may appear between the two calls
    buffer = bytearray(_SPACE_HEAD.size + slots * _SPACE_BYTES)
    _SPACE_HEAD.pack_into(buffer, 0, slots, 0)
    call(fd, SPACE_INFO, buffer)
    return bytes(buffer)


def balance_progress(fd: int) -> bytes:
    """struct btrfs_ioctl_balance_args (1,024 bytes). ENOTCONN where none runs or is paused. CAP_SYS_ADMIN."""
    buffer = bytearray(1024)
    call(fd, BALANCE_PROGRESS, buffer)
    return bytes(buffer)


def ino_lookup(fd: int, tree: int, inode: int) -> bytes:
    """struct btrfs_ioctl_ino_lookup_args (4,096 bytes): the path of a directory in its tree. CAP_SYS_ADMIN."""
    buffer = bytearray(4096)
    struct.pack_into("<QQ", buffer, 0, tree, inode)
    call(fd, INO_LOOKUP, buffer)
    return bytes(buffer)


def tree_search(fd: int, tree: int, low: Key, high: Key, buffer: bytearray) -> int:
    """Fill `buffer`, behind its first SEARCH_HEAD_BYTES, with items whose keys lie within; how many. CAP_SYS_ADMIN.

    Keys compare as one compound key, so a range of types also yields every other type in between.
    """
    room = len(buffer) - SEARCH_HEAD_BYTES
    low_id, low_type, low_offset = low
    high_id, high_type, high_offset = high
    _SEARCH_KEY.pack_into(
        buffer, 0, tree, low_id, high_id, low_offset, high_offset, 0, U64_MAX, low_type, high_type, 2**32 - 1, room
    )
    call(fd, TREE_SEARCH_V2, buffer)
    return int.from_bytes(buffer[64:68], "little")


def syncfs(fd: int) -> None:
    """Commit what is dirty on the whole filesystem."""
    if _libc.syncfs(fd) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
