"""How much room one filesystem says that it has. Refuses to mix what root may use with what users may use."""

from __future__ import annotations

import os
import time
from pathlib import Path

from collectors.model.filesystem import FsSpace
from collectors.model.reading import Reading, Why
from collectors.system import deadline, killable
from collectors.system.deadline import Declined, Malformed


def space(mountpoint: Path, *, timeout_s: float) -> Reading[FsSpace]:
    """statvfs of the filesystem that holds `mountpoint`, in bytes and inodes.

    A mount that does not answer costs `timeout_s` once; while it hangs it is not asked again.
    """
    call = f"statvfs {mountpoint}"
    request = {"task": "statvfs", "path": os.fsencode(mountpoint)}
    return deadline.read(
        "filesystem.space",
        call,
        lambda: decode(killable.ask(request, call, timeout_s)),
        timeout_s=timeout_s + killable.GRACE_S,
    )


_LATELY_S = 1.0
_answered: dict[bytes, float] = {}  # path → when, on time.monotonic()


def must_answer(path: Path, *, timeout_s: float) -> None:
    """Have a child ask for `path` first, before this process does: Declined where its mount does not answer.

    Raises OSError as statvfs does. A thread of ours that hangs there would keep us from ever ending. What answered a
    moment ago is not asked again: the proof that the engine runs here and the search for its root ask for one path.
    """
    asked = os.fsencode(path)
    if time.monotonic() - _answered.get(asked, -_LATELY_S) < _LATELY_S:
        return
    killable.ask({"task": "statvfs", "path": asked}, f"statvfs {path}", timeout_s)
    _answered[asked] = time.monotonic()


def decode(frame: tuple[object, ...]) -> FsSpace:
    """The child's answer. Raises Malformed, and Declined where the filesystem does not say how large it is."""
    match frame:
        case (
            "statvfs",
            int(fsid),
            int(unit),
            int(blocks),
            int(free),
            int(available),
            int(files),
            int(files_free),
            int(files_available),
            int(flags),
        ):
            if not blocks:
                raise Declined(Why.NOT_REPORTED, "the filesystem names no size")
            return FsSpace(
                fsid=fsid,
                block_bytes=unit,
                total_bytes=blocks * unit,
                free_bytes=free * unit,
                available_bytes=available * unit,
                inodes=files,
                inodes_free=files_free,
                inodes_available=files_available,
                read_only=bool(flags & os.ST_RDONLY),
            )
    raise Malformed(f"not an answer of statvfs: {frame!r}")
