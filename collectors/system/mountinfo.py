"""The mount table of a process, decoded, and the node of a device by its number: the name in a mount table may be
another namespace's.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from collectors.model.filesystem import Mount
from collectors.model.reading import Reading
from collectors.system import deadline
from collectors.system.deadline import Malformed
from collectors.system.host import Host

_ESCAPE = re.compile(rb"\\([0-3][0-7]{2})")
_NUMBER = re.compile(rb"\d{1,10}")


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
