"""How room comes free on a kind of filesystem: at once, or when its cleaner has been there. For reclaim alone.

Which kind it is, the open filesystem itself says, not a mount table. Raises OSError with the kernel's errno.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from collectors.filesystems.btrfs import changes, decode, ioctl

_BTRFS_MAGIC = 0x9123683E
_STATFS_BYTES = 256

_libc = ctypes.CDLL(None, use_errno=True)


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
        changes.commit(path)

    def pending(self, path: Path) -> frozenset[int]:
        """The dropped subvolumes by their ids."""
        return changes.pending(path)

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
