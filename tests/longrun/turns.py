"""Taking turns with others who measure on the same machine: a shared lock, given up for a moment now and then."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable
from pathlib import Path

_HELD_S = 120.0


def pauses(lock: Path | None) -> Callable[[], None]:
    """Called between runs: gives the lock up for a moment every two minutes."""
    if lock is None:
        return lambda: None
    file = lock.open("a")  # held until this process ends
    fcntl.flock(file, fcntl.LOCK_SH)
    taken_at = time.monotonic()

    def pause() -> None:
        nonlocal taken_at
        if time.monotonic() - taken_at > _HELD_S:
            fcntl.flock(file, fcntl.LOCK_UN)
            time.sleep(2)
            fcntl.flock(file, fcntl.LOCK_SH)
            taken_at = time.monotonic()

    return pause
