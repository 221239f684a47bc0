"""The mount table of a process, decoded, and the node of a device by its number: the name in a mount table may be
another namespace's. And directories opened without ever passing into another mount.

A bind mount of the same filesystem has the device number of what it covers: only the kernel's mount ids tell the two
apart. Refuses to open where neither openat2 (Linux ≥ 5.6) nor a mount id can be had.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import struct
from contextlib import suppress
from pathlib import Path

from collectors.model.filesystem import Mount
from collectors.model.reading import Reading
from collectors.model.records import dataclass
from collectors.system import deadline
from collectors.system.deadline import Malformed
from collectors.system.host import Host

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
