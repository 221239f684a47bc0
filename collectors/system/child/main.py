"""The helper that forks for each question, the child's own start, and the short questions that it answers itself.

A child lowers its priority, dies with its parent, does one task and says how it ended. Short questions are those to a
filesystem or device that may hang: its room, names, bytes, and how an XFS is laid out.
"""

from __future__ import annotations

import _socket
import ctypes
import fcntl
import gc
import marshal
import os
import struct

from collectors.system.child import MESSAGE, REPLY, send, space

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


def xfs_nameless(request: dict[str, Any]) -> None:
    """The plain files that no directory names. One frame: ("nameless", inodes, or None: the kernel lists none)."""
    from collectors.system.child.inodes import BulkReader, open_bulk

    fd = os.open(request["path"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    listed = BulkReader(fd, os.fstatvfs(fd).f_frsize).plain_files(0, nameless=True) if open_bulk(fd) else None
    send(("nameless", None if listed is None else [inode for some in listed for inode in some]))


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


CONTROL = 0  # of the helper: a socket, where questions come in
REQUEST = 0  # of a child: a memory file that holds the marshalled request
ANSWERS = 1
LAST_FD = 5  # 3 to 5: what walkers share

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9  # the signal module would build its enumerations first: 5 ms
_NICENESS = 10  # the kernel derives a low I/O priority from it as well
_libc = ctypes.CDLL(None)


def serve() -> None:
    """Fork for each question, until nobody is left to ask. Never returns, and never does what could hang.

    A message is a number: 0, with descriptors, for a question (its request, where its answers go, what walkers share);
    else that of a child which is to end now. The reply to a question is the child's number, or an errno below zero; to
    an end 1 with the processor time that the child took, in seconds, or 0 while it is still there.
    """
    _close_from(3)
    os.chdir("/")
    control = _socket.socket(fileno=CONTROL)
    living: set[int] = set()
    _load_ahead(control)
    gc.freeze()  # what is shared with the children is not written to
    try:
        while True:
            message, fds = _received(control)
            if not message:
                break
            (number,) = MESSAGE.unpack(message)
            control.send(REPLY.pack(*(_end(number, living) if number else _fork(fds, living))))
    except OSError:
        pass  # who asks has gone
    os._exit(0)


def _load_ahead(control: _socket.socket) -> None:
    """Load what nearly every run asks for, while nobody waits."""
    for name in ("open_files", "walker"):
        try:
            control.recv(1, _socket.MSG_PEEK | _socket.MSG_DONTWAIT)
        except BlockingIOError:
            __import__(f"{__package__}.{name}")


def _received(control: _socket.socket) -> tuple[bytes, list[int]]:
    """The next message, b"" where there will be none, and the descriptors that came with it."""
    message, around, _, _ = control.recvmsg(MESSAGE.size, _socket.CMSG_SPACE(8 * MESSAGE.size))
    return message, [fd for _, _, data in around for (fd,) in struct.iter_unpack("i", data)]


def _fork(fds: list[int], living: set[int]) -> tuple[int, float]:
    helper = os.getpid()
    try:
        pid = os.fork()
    except OSError as error:
        pid = -(error.errno or 1)
    if pid == 0:
        _answer(fds, helper)
    for fd in fds:
        os.close(fd)
    if pid > 0:
        living.add(pid)
    return pid, 0.0


def _end(pid: int, living: set[int]) -> tuple[int, float]:
    """Kill a child that was not reaped yet, so that its number cannot be another process's by now."""
    if pid not in living:
        return 1, 0.0
    os.kill(pid, _SIGKILL)
    gone, _, used = os.wait4(pid, os.WNOHANG)
    if not gone:
        return 0, 0.0
    living.discard(pid)
    return 1, used.ru_utime + used.ru_stime


def _answer(fds: list[int], helper: int) -> None:
    """Run the task that the request names. Never returns: what is left of the helper in a child ends with it."""
    try:
        _settle(fds, helper)
        _task(_request())
        send(("done",))
    except BrokenPipeError:
        pass  # nobody is left to tell
    except OSError as error:
        send(("failed", error.errno or 0, os.fsencode(error.filename or "")))
    except BaseException as error:  # noqa: BLE001 - the parent calls it a defect
        send(("defect", repr(error)))
    finally:
        os._exit(0)


def _request() -> dict[str, Any]:
    with open(REQUEST, "rb", closefd=False) as source:
        request: dict[str, Any] = marshal.loads(source.read())
    return request


def _settle(fds: list[int], helper: int) -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    if os.getppid() != helper:  # it died before we asked to be told
        os._exit(1)
    targets = [REQUEST, ANSWERS, *range(3, 1 + len(fds))]
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD, LAST_FD + 1) for fd in fds]  # none is overwritten before it is copied
    for fd, target in zip(high, targets, strict=True):
        os.dup2(fd, target)
    _close_from(max(3, targets[-1] + 1))
    os.nice(_NICENESS)


def _close_from(lowest: int) -> None:
    # A descriptor that a caller's shell left open, held by a child that hangs, would keep its reader waiting.
    os.closerange(lowest, min(os.sysconf("SC_OPEN_MAX"), 1 << 16))


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
        case "extents" | "leases" | "unlinked" as task:
            from collectors.system.child import extents

            {"extents": extents.run, "leases": extents.leases, "unlinked": extents.unlinked}[task](request)
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
        case "nameless":
            xfs_nameless(request)
        case other:
            raise ValueError(f"no such task: {other}")
