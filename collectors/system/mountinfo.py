"""The mount table of a process, decoded; block devices by their numbers, and deleted files below loop devices.

The node of a device is found by its number: the name in a mount table may be another namespace's. Directories are
opened without ever passing into another mount: a bind mount of the same filesystem has the device number of what it
covers, and only the kernel's mount ids tell the two apart. Refuses to open where neither openat2 (Linux ≥ 5.6) nor a
mount id can be had.

A deleted file below a loop device: no process holds it, and neither a walk nor a search of processes finds it. The
kernel keeps the file until the device is detached, and says in sysfs that it is deleted. What it takes, the device does
not tell: ext4 is asked for the inode itself, by a handle without a generation. Elsewhere only its name is known.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from collectors.model import dataclass
from collectors.model.filesystem import Mount, OpenDeleted, OpenFiles
from collectors.model.reading import Origin, Reading, Unavailable, Why
from collectors.system import deadline
from collectors.system.deadline import Host, Malformed
from collectors.system.mount_table import MountTree

_ESCAPE = re.compile(rb"\\([0-3][0-7]{2})")
_NUMBER = re.compile(rb"\d{1,10}")

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_SYS_OPENAT2 = 437  # the same on every architecture that Docker runs on
_RESOLVE_NO_XDEV = 0x01
_NOT_HERE = (errno.ENOSYS, errno.EPERM)  # an older kernel, or a seccomp profile that does not know the call

_MOUNTED = "something is mounted there"

_AT_SYMLINK_NOFOLLOW = 0x100
_AT_NO_AUTOMOUNT = 0x800
_AT_EMPTY_PATH = 0x1000
_AT_DONT_SYNC = 0x4000
_STATX_MNT_ID = 0x1000  # Linux ≥ 5.8
_STATX_BYTES = 256
_ATTRIBUTES_AT, _MNT_ID_AT = 8, 144
_IMMUTABLE, _APPEND = 0x10, 0x20

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t)
_statx = getattr(_libc, "statx", None)  # not in every libc
if _statx is not None:
    _statx.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_char_p)


def mounts(host: Host, *, timeout_s: float) -> Reading[tuple[Mount, ...]]:
    """The mounts that this process sees, in the kernel's order. Source: /proc/self/mountinfo."""
    path = host.proc / "self" / "mountinfo"
    return deadline.read("filesystem.mounts", str(path), lambda: parse(path.read_bytes()), timeout_s=timeout_s)


def parse(table: bytes) -> tuple[Mount, ...]:
    """Decode the text of a mountinfo file (proc(5)). Raises Malformed."""
    # Not splitlines: the kernel leaves a carriage return in a name as it is.
    return tuple(_mount(line) for line in table.split(b"\n") if line)


def _mount(line: bytes) -> Mount:
    # Optional fields stand between the options and " - "; paths never hold a bare blank.
    ahead, dash, behind = line.partition(b" - ")
    fields, types = ahead.split(b" "), behind.split(b" ")
    if not dash or len(fields) < 6 or len(types) < 3:
        raise Malformed(f"not a line of mountinfo: {line[:200]!r}")
    mount_id, parent_id, device, root, mountpoint, options = fields[:6]
    if not (_NUMBER.fullmatch(mount_id) and _NUMBER.fullmatch(parent_id) and re.fullmatch(rb"\d+:\d+", device)):
        raise Malformed(f"not a line of mountinfo: {line[:200]!r}")
    return Mount(
        mount_id=int(mount_id),
        parent_id=int(parent_id),
        device=device.decode("ascii"),
        root=_text(root),
        mountpoint=_text(mountpoint),
        options=tuple(_text(options).split(",")),
        fstype=_text(types[0]),
        source=_text(types[1]),
        super_options=tuple(_text(types[2]).split(",")),
    )


def _text(field: bytes) -> str:
    """The kernel writes blank, tab, newline, backslash and # as three octal digits."""
    return os.fsdecode(_ESCAPE.sub(lambda found: bytes([int(found[1], 8)]), field))


def node(device: str, sys: Path, dev: Path) -> Path:
    """The path of device "254:0" below `dev`. Raises OSError, and Malformed where the kernel gives it no name."""
    for line in (sys / "dev" / "block" / device / "uevent").read_text().splitlines():
        if line.startswith("DEVNAME="):
            return dev / line.removeprefix("DEVNAME=")
    raise Malformed(f"the kernel gives no name for device {device}")


def number(device: str) -> tuple[int, int]:
    """Major and minor of "254:0"."""
    major, minor = device.split(":")
    return int(major), int(minor)


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """`mount_id` None: the kernel names none. `locked`: immutable or append-only, so that it cannot be removed."""

    mount_id: int | None
    locked: bool


def open_directory(name: str, above: int) -> int:
    """A descriptor of the directory `name` (or `..`) in `above`, in the same mount; a link is not followed.

    Raises OSError: EXDEV where another mount begins there, EOPNOTSUPP where that cannot be told.
    """
    how = struct.pack("=3Q", DIRECTORY, 0, _RESOLVE_NO_XDEV)
    fd = int(_syscall(_SYS_OPENAT2, above, os.fsencode(name), how, len(how)))
    if fd >= 0:
        return fd
    code = ctypes.get_errno()
    if code not in _NOT_HERE:
        raise OSError(code, _MOUNTED if code == errno.EXDEV else os.strerror(code), name)
    return _compared(name, above)


def mount_id(fd: int) -> int | None:
    """Of the mount that a descriptor was opened in; None where the kernel names none."""
    found = entry_facts("", fd)
    if found is not None and found.mount_id is not None:
        return found.mount_id
    with suppress(OSError, ValueError, StopIteration), open(f"/proc/self/fdinfo/{fd}", "rb") as file:
        return int(next(line for line in file if line.startswith(b"mnt_id:")).split()[1])
    return None


def entry_facts(name: str, above: int) -> EntryFacts | None:
    """Of the entry `name` in the directory `above`, of `above` itself with "". None where the kernel tells nothing."""
    if _statx is None:
        return None
    flags = _AT_SYMLINK_NOFOLLOW | _AT_NO_AUTOMOUNT | _AT_DONT_SYNC | (0 if name else _AT_EMPTY_PATH)
    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    if _statx(above, os.fsencode(name), flags, _STATX_MNT_ID, buffer) != 0:
        return None
    (mask,) = struct.unpack_from("=I", buffer)
    (attributes,) = struct.unpack_from("=Q", buffer, _ATTRIBUTES_AT)
    (mount,) = struct.unpack_from("=Q", buffer, _MNT_ID_AT)
    return EntryFacts(mount if mask & _STATX_MNT_ID else None, bool(attributes & (_IMMUTABLE | _APPEND)))


def _compared(name: str, above: int) -> int:
    """Opened first and judged then: a descriptor stays in the mount that it was opened in."""
    fd = os.open(name, DIRECTORY, dir_fd=above)
    try:
        here, there = mount_id(above), mount_id(fd)
        if here is None or there is None:
            raise OSError(errno.EOPNOTSUPP, "whether something is mounted inside cannot be told", name)
        if here != there:
            raise OSError(errno.EXDEV, _MOUNTED, name)
    except BaseException:
        os.close(fd)
        raise
    return fd


_DELETED = " (deleted)"
_LOOP_GET_STATUS64, _STATUS_BYTES = 0x4C05, 232
_O_PATH = 0o10000000
_INODE_AND_GENERATION = 1  # FILEID_INO32_GEN; ext4 takes generation 0 for any
_SECTOR_BYTES = 512


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


def of_the_engine(host: Host) -> tuple[Mount, ...]:
    """The table of the first process, in whose namespace engines mount; else our own."""
    for process in ("1", "self"):
        with suppress(OSError):
            return parse((host.proc / process / "mountinfo").read_bytes())
    return ()
