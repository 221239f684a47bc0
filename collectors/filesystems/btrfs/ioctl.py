"""File descriptor in, bytes out: the few btrfs ioctls that this package needs, and the numbers of the on-disk format.

They go through ctypes, which releases the interpreter lock for the length of the call. `fcntl.ioctl` holds the lock for
mutable buffers above 1,024 bytes: while the kernel searches a tree, no deadline could fire and no screen repaint.
Decodes nothing but a count. Object ids, item types and flags are those of include/uapi/linux/btrfs_tree.h and btrfs.h.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT_TREE = 1
EXTENT_TREE = 2
CHUNK_TREE = 3
TOP_LEVEL = 5
QUOTA_TREE = 8
BLOCK_GROUP_TREE = 11
ORPHANS = 2**64 - 5
TREE_RELOC = 2**64 - 8
DATA_RELOC_TREE = 2**64 - 9
FIRST_SUBVOLUME = 256
LAST_SUBVOLUME = 2**64 - 256
SUBVOLUME_DIRECTORY = 256  # inode of a subvolume's own directory
CHUNKS = 256  # object id of every chunk item

INODE_ITEM = 1
INODE_REF = 12
INODE_EXTREF = 13
ORPHAN_ITEM = 48
DIR_ITEM = 84
EXTENT_DATA = 108
ROOT_ITEM = 132
ROOT_BACKREF = 144
ROOT_REF = 156
BLOCK_GROUP_ITEM = 192
CHUNK_ITEM = 228
QGROUP_STATUS = 240
QGROUP_INFO = 242

UNLINKED = "<unlinked>"  # the holder of files that are deleted and still open

TREE_NAMES = {
    ROOT_TREE: "<root tree>",
    EXTENT_TREE: "<extent tree>",
    CHUNK_TREE: "<chunk tree>",
    4: "<device tree>",
    7: "<checksum tree>",
    QUOTA_TREE: "<quota tree>",
    9: "<uuid tree>",
    10: "<free space tree>",
    BLOCK_GROUP_TREE: "<block group tree>",
    12: "<stripe tree>",
    TREE_RELOC: "<relocation>",
    DATA_RELOC_TREE: "<data relocation>",
}

HEADER_BYTES = 101  # of a tree block
POINTER_BYTES = 33  # in a node
ITEM_BYTES = 25  # in a leaf; the data lies at its end

DATA = 1 << 0
SYSTEM = 1 << 1
METADATA = 1 << 2
GLOBAL_RESERVE = 1 << 49

RAID0 = 1 << 3
RAID1 = 1 << 4
DUP = 1 << 5
RAID10 = 1 << 6
RAID5 = 1 << 7
RAID6 = 1 << 8
RAID1C3 = 1 << 9
RAID1C4 = 1 << 10
PROFILES = RAID0 | RAID1 | DUP | RAID10 | RAID5 | RAID6 | RAID1C3 | RAID1C4

_PROFILE_NAMES = {
    0: "single",
    RAID0: "RAID0",
    RAID1: "RAID1",
    DUP: "DUP",
    RAID10: "RAID10",
    RAID5: "RAID5",
    RAID6: "RAID6",
    RAID1C3: "RAID1C3",
    RAID1C4: "RAID1C4",
}
_COPIES = {RAID1: 2, DUP: 2, RAID10: 2, RAID1C3: 3, RAID1C4: 4}
_PARITY = {RAID5: 1, RAID6: 2}


def is_subvolume(tree: int) -> bool:
    """Whether a tree of this id is a subvolume: the top level, or one that was created or snapshotted."""
    return tree == TOP_LEVEL or FIRST_SUBVOLUME <= tree <= LAST_SUBVOLUME


def kind(flags: int) -> str:
    """What a block group holds: data, metadata, system, mixed, global reserve."""
    if flags & GLOBAL_RESERVE:
        return "global reserve"
    if flags & SYSTEM:
        return "system"
    match bool(flags & DATA), bool(flags & METADATA):
        case True, True:
            return "mixed"
        case True, False:
            return "data"
        case _:
            return "metadata"


def profile(flags: int) -> str:
    """single, DUP, RAID1 …; a profile of the future keeps its number, so that it is never taken for single."""
    bits = flags & ~(DATA | SYSTEM | METADATA | GLOBAL_RESERVE | 1 << 48)
    return _PROFILE_NAMES.get(bits, f"profile {bits:#x}")


def disk_copies(profile: str) -> int:
    """How often the kernel's `disk_used` counts a byte in chunks of this profile: its copies, without parity."""
    return {_PROFILE_NAMES[bits]: count for bits, count in _COPIES.items()}.get(profile, 1)


def copies(flags: int, devices: int) -> tuple[int, int]:
    """Physical bytes for so many logical bytes: (2, 1) for RAID1, (4, 3) for RAID5 over four devices."""
    parity = _PARITY.get(flags & PROFILES)
    if parity is not None and devices > parity:
        return devices, devices - parity
    return _COPIES.get(flags & PROFILES, 1), 1


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
