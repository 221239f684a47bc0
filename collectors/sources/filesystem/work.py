"""What two walkers share: a pipe that carries work in packets, and a page of memory. Without it, one walks alone."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterator


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
