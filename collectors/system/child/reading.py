"""Bytes of a device, where reading may hang."""

from __future__ import annotations

import os

from collectors.system.child.frames import send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def run(request: dict[str, Any]) -> None:
    """`path`, `device` (major, minor) that it must be, `ranges` of (offset, bytes). One frame: ("bytes", [bytes])."""
    fd = os.open(request["path"], os.O_RDONLY | os.O_CLOEXEC)
    is_device = os.fstat(fd).st_rdev == os.makedev(*request["device"])
    send(("bytes", [os.pread(fd, count, offset) for offset, count in request["ranges"]] if is_device else []))
