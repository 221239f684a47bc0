"""The child's own start, and the short questions that it answers itself.

Short questions to a filesystem or a device that may hang: its room, names, bytes, and how an XFS is laid out.

The child's own start: lower its priority, die with its parent, do one task, say how it ended.
"""

from __future__ import annotations

import ctypes
import fcntl
import marshal
import os
import struct

from collectors.system.child import send, space

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longer to load than most questions take
    from typing import Any


def statvfs(request: dict[str, Any]) -> None:
    """Answer one frame: ("statvfs", fsid, frsize, blocks, bfree, bavail, files, ffree, favail, flag)."""
    send(("statvfs", *space(request["path"])))


def read_device(request: dict[str, Any]) -> None:
    """`path`, `device` (major, minor) that it must be, `ranges` of (offset, bytes). One frame: ("bytes", [bytes])."""
    fd = os.open(request["path"], os.O_RDONLY | os.O_CLOEXEC)
    is_device = os.fstat(fd).st_rdev == os.makedev(*request["device"])
    send(("bytes", [os.pread(fd, count, offset) for offset, count in request["ranges"]] if is_device else []))


def still_there(request: dict[str, Any]) -> None:
    """`questions`: (inode, paths). One frame: ("still there", [True or False for each])."""
    send(("still there", [any(_is(inode, path) for path in paths) for inode, paths in request["questions"]]))


def _is(inode: int, path: bytes) -> bool:
    try:
        return os.lstat(path).st_ino == inode
    except OSError:
        return False


_READ, _WRITE = 2, 1


def _number(direction: int, number: int, size: int) -> int:
    return direction << 30 | size << 16 | ord("X") << 8 | number


_FSGEOMETRY = _number(_READ, 100, 112)  # struct xfs_fsop_geom_v1: the bytes that later versions begin with, too
_FSCOUNTS = _number(_READ, 113, 32)
_GET_RESBLKS = _number(_READ, 115, 16)
_SUPERBLOCK_BYTES = 512
_AG_GEOMETRY = _number(_READ | _WRITE, 61, 128)


def xfs_geometry(request: dict[str, Any]) -> None:
    """One frame: ("geometry", geometry, counts, reserved or b"", free blocks of all groups or -1, superblock or b"").

    The superblock is that of the request's `device` (node, (major, minor)); None: its node is not known.
    """
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
    send(("geometry", geometry, counts, reserved, free, _superblock(request["device"])))


def _superblock(device: tuple[bytes, tuple[int, int]] | None) -> bytes:
    if device is None:
        return b""
    try:
        fd = os.open(device[0], os.O_RDONLY | os.O_CLOEXEC)
        return os.pread(fd, _SUPERBLOCK_BYTES, 0) if os.fstat(fd).st_rdev == os.makedev(*device[1]) else b""
    except OSError:  # a container has no nodes of its host's disks
        return b""


def _group(fd: int, number: int) -> bytes:
    return _ask(fd, _AG_GEOMETRY, struct.pack("<I124x", number))


def _ask(fd: int, number: int, argument: bytes) -> bytes:
    # On a process of its own it does no harm that this call keeps the interpreter's lock.
    return fcntl.ioctl(fd, number, argument)


REQUEST = 0  # a memory file that holds the marshalled request
LAST_FD = 5  # 0 request, 1 answers, 2 nothing, 3 to 5 what walkers share

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9  # the signal module would build its enumerations first: 5 ms
_NICENESS = 10  # the kernel derives a low I/O priority from it as well


def main() -> None:
    """Run the task that the request names. Never returns."""
    try:
        request = _request()
        _settle(request["parent"])
        _task(request)
        send(("done",))
    except BrokenPipeError:
        os._exit(1)  # nobody is left to tell
    except OSError as error:
        send(("failed", error.errno or 0, os.fsencode(error.filename or "")))
    except BaseException as error:  # noqa: BLE001 - the parent calls it a defect
        send(("defect", repr(error)))
    os._exit(0)


def _request() -> dict[str, Any]:
    with open(REQUEST, "rb", closefd=False) as source:
        request: dict[str, Any] = marshal.loads(source.read())
    return request


def _settle(parent: int) -> None:
    # A descriptor that a caller's shell left open, held by a child that hangs, would keep its reader waiting.
    os.closerange(LAST_FD + 1, min(os.sysconf("SC_OPEN_MAX"), 1 << 16))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    if os.getppid() != parent:  # it died before we asked to be told
        os._exit(1)
    os.nice(_NICENESS)
    os.chdir("/")  # a child that hangs holds no other folder


def _task(request: dict[str, Any]) -> None:
    # Imported here, so that a small question does not load the walker.
    match request["task"]:
        case "statvfs":
            statvfs(request)
        case "walk":
            from collectors.system.child import walker

            walker.run(request)
        case "open files":
            from collectors.system.child import open_files

            open_files.run(request)
        case "extents":
            from collectors.system.child import extents

            extents.run(request)
        case "still there":
            still_there(request)
        case "list":
            from collectors.system.child import listing

            listing.run(request)
        case "stack":
            from collectors.system.child import listing

            listing.stack(request)
        case "watch":
            from collectors.system.child import watch

            watch.run(request)
        case "read":
            read_device(request)
        case "geometry":
            xfs_geometry(request)
        case other:
            raise ValueError(f"no such task: {other}")
