"""What two walkers share: a pipe that carries work in packets, and a page of memory. Without it, one walks alone."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterator

from collectors.system.child.pool import GONE


@contextlib.contextmanager
def shared_work() -> Iterator[tuple[int, ...]]:
    """Descriptors for a second walker to help the first; none where this machine has one processor only."""
    opened: list[int] = []
    try:
        if len(os.sched_getaffinity(0)) > 1:
            with contextlib.suppress(OSError):
                opened += os.pipe2(os.O_DIRECT | os.O_NONBLOCK | os.O_CLOEXEC)
                page = os.memfd_create("walkers")
                opened.append(page)
                os.ftruncate(page, mmap.PAGESIZE)
        yield tuple(opened) if len(opened) == 3 else ()
    finally:
        for fd in opened:
            os.close(fd)


def leave(shared: tuple[int, ...], lane: int) -> None:
    """Mark a walker as gone: one that was killed cannot do that itself, and the other would wait for it."""
    os.pwrite(shared[2], bytes([GONE]), lane)
