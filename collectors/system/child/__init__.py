"""What runs in the child process that can be killed, and how it answers.

Only the standard library and this folder may be imported here: the child starts in milliseconds because it loads
nothing else, and a folder of its own keeps that visible. It sends plain figures, and the parent makes readings of them.
Names travel as bytes. An answer is frames of plain values through a pipe, each behind its length: by `marshal`, because
it is built in, quick, and only ever meets the same interpreter on the other side.
"""

from __future__ import annotations

import marshal
import os

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    Frame: TypeAlias = tuple[Any, ...]

HEAD_BYTES = 4
ANSWER = 1  # the descriptor that frames are written to


class TimeUp(Exception):
    """What was asked for is not whole, and has to be sent as it is."""


def send(frame: Frame, fd: int = ANSWER) -> None:
    """Write one frame. Raises BrokenPipeError when the parent is gone."""
    body = marshal.dumps(frame)
    rest = memoryview(len(body).to_bytes(HEAD_BYTES, "little") + body)
    while rest:
        rest = rest[os.write(fd, rest) :]


def split(buffer: bytearray) -> list[Frame]:
    """Take the whole frames off the front of `buffer`. A torn one at the end stays: its sender was killed."""
    frames: list[Frame] = []
    begin = 0
    while begin + HEAD_BYTES <= len(buffer):
        end = begin + HEAD_BYTES + int.from_bytes(buffer[begin : begin + HEAD_BYTES], "little")
        if end > len(buffer):
            break
        frames.append(marshal.loads(memoryview(buffer)[begin + HEAD_BYTES : end]))
        begin = end
    del buffer[:begin]
    return frames


def space(path: bytes) -> tuple[int, ...]:
    """How much room a filesystem has: fsid, frsize, blocks, bfree, bavail, files, ffree, favail, flag of statvfs."""
    answer = os.statvfs(path)
    return (
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
