"""Which inodes still have a name at one of some paths."""

from __future__ import annotations

import os

from collectors.system.child.frames import send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def run(request: dict[str, Any]) -> None:
    """`questions`: (inode, paths). One frame: ("still there", [True or False for each])."""
    send(("still there", [any(_is(inode, path) for path in paths) for inode, paths in request["questions"]]))


def _is(inode: int, path: bytes) -> bool:
    try:
        return os.lstat(path).st_ino == inode
    except OSError:
        return False
