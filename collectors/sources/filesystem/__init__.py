"""Filesystems: the mount table, room, who holds which bytes by a walk, unlinked files that are still open.

Everything that can hang on a dead mount runs in a child process that can be killed; see `killable`.
"""

from __future__ import annotations

from collectors.sources.filesystem.locate import filesystem_of, host_view_from_container
from collectors.sources.filesystem.mountinfo import mounts
from collectors.sources.filesystem.occupancy import HOST_UNIT
from collectors.sources.filesystem.open_deleted import open_deleted
from collectors.sources.filesystem.reserved import own_blocks
from collectors.sources.filesystem.statvfs import must_answer, space
from collectors.sources.filesystem.walk import walk

__all__ = [
    "HOST_UNIT",
    "filesystem_of",
    "host_view_from_container",
    "mounts",
    "must_answer",
    "open_deleted",
    "own_blocks",
    "space",
    "walk",
]
