"""statvfs where it may hang."""

from __future__ import annotations

import os

from collectors.system.child.frames import send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def run(request: dict[str, Any]) -> None:
    """Answer one frame: ("room", fsid, frsize, blocks, bfree, bavail, files, ffree, favail, flag)."""
    answer = os.statvfs(request["path"])
    send(
        (
            "room",
            answer.f_fsid,
            answer.f_frsize,
            answer.f_blocks,
            answer.f_bfree,
            answer.f_bavail,
            answer.f_files,
            answer.f_ffree,
            answer.f_favail,
            answer.f_flag,
        )
    )
