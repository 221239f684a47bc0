"""What an XFS says of its own layout: four ioctls on any of its directories."""

from __future__ import annotations

import fcntl
import os
import struct

from collectors.system.child.frames import send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_READ, _WRITE = 2, 1


def _number(direction: int, number: int, size: int) -> int:
    return direction << 30 | size << 16 | ord("X") << 8 | number


_FSGEOMETRY = _number(_READ, 100, 112)  # struct xfs_fsop_geom_v1: the bytes that later versions begin with, too
_FSCOUNTS = _number(_READ, 113, 32)
_GET_RESBLKS = _number(_READ, 115, 16)
_AG_GEOMETRY = _number(_READ | _WRITE, 61, 128)


def run(request: dict[str, Any]) -> None:
    """One frame: ("geometry", geometry, counts, reserved or b"", free blocks of all groups or -1)."""
    fd = os.open(request["path"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    geometry = _ask(fd, _FSGEOMETRY, bytes(112))
    counts = _ask(fd, _FSCOUNTS, bytes(32))
    try:
        reserved = _ask(fd, _GET_RESBLKS, bytes(16))
    except OSError:  # takes CAP_SYS_ADMIN
        reserved = b""
    groups = struct.unpack_from("<I", geometry, 12)[0]
    try:
        free = sum(struct.unpack_from("<I", _group(fd, number), 8)[0] for number in range(groups))
    except OSError:  # before Linux 5.2
        free = -1
    send(("geometry", geometry, counts, reserved, free))


def _group(fd: int, number: int) -> bytes:
    return _ask(fd, _AG_GEOMETRY, struct.pack("<I124x", number))


def _ask(fd: int, number: int, argument: bytes) -> bytes:
    # On a process of its own it does no harm that this call keeps the interpreter's lock.
    return fcntl.ioctl(fd, number, argument)
