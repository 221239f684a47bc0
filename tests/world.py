"""What every made-up machine needs: a filesystem with so much on it, and an engine of which only some was read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from collectors.model.engine import EngineView
from collectors.model.filesystem import Filesystem, FsSpace, Mount
from collectors.model.reading import Exact, Origin, Unavailable


def a_filesystem(
    total: int, used: int, at: Origin, *, mountpoint: str, fstype: str, reserved: int = 0, block: int = 4096
) -> Filesystem:
    """In bytes; `reserved` is what only root may use. Without inodes to count."""
    free = total - used
    mount = Mount(31, 1, "254:0", "/", mountpoint, ("rw",), fstype, "/dev/vda", ("rw",))
    return Filesystem(mount, Exact(FsSpace(1, block, total, free, free - reserved, 0, 0, 0, False), at))


def a_view(unread: Unavailable, **read: Any) -> EngineView:
    """Of a local engine; what is not named could not be read."""
    nothing = EngineView(unread, Exact(True, unread.origin), unread, unread, unread, unread, unread)
    return replace(nothing, **{name: Exact(value, unread.origin) for name, value in read.items()})
