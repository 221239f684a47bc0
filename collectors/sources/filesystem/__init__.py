"""Filesystems: the mount table, room, who holds which bytes by a walk, unlinked files that are still open.

Everything that can hang on a dead mount runs in a child process that can be killed; see `killable`.
"""

from __future__ import annotations

from collectors.model.filesystem import Mount
from collectors.model.reading import Size, Why
from collectors.sources import bounded
from collectors.sources.bounded import Declined
from collectors.sources.filesystem.locate import filesystem_of, host_view_from_container
from collectors.sources.filesystem.mountinfo import mounts
from collectors.sources.filesystem.occupancy import HOST_UNIT
from collectors.sources.filesystem.open_deleted import open_deleted
from collectors.sources.filesystem.statvfs import space
from collectors.sources.filesystem.walk import walk
from collectors.sources.host import Host

__all__ = [
    "HOST_UNIT",
    "filesystem_of",
    "host_view_from_container",
    "mounts",
    "open_deleted",
    "own_blocks",
    "space",
    "walk",
]


def own_blocks(mount: Mount, host: Host, *, timeout_s: float) -> Size:
    """The filesystem's own bytes inside statfs `used`: what neither files nor directories hold."""

    def not_yet() -> int:
        raise Declined(Why.NOT_ASKED, "being written")

    return bounded.read("filesystem.own", mount.source, not_yet, timeout_s=timeout_s)
