"""One reclaim at a time on one filesystem, whoever starts it.

The lock is held on the filesystem's own directory, which needs no free byte and is seen by other containers too, and on
a file in the state folder where that can be made. The kernel lets go of both when the process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path


class Busy(Exception):
    """Another reclaim is running."""


class NoLock(Exception):
    """Neither place can be locked, so nothing may be started."""


@contextmanager
def only_one(mountpoint: str, state: Path) -> Iterator[None]:
    """Hold both locks, or the one that can be had. Raises Busy, NoLock."""
    with ExitStack() as held:
        taken = [_take(held, Path(mountpoint), os.O_RDONLY), _take(held, _file(state), os.O_RDWR | os.O_CREAT)]
        if not any(taken):
            raise NoLock(f"neither {mountpoint} nor {state} can be locked")
        yield


def _file(state: Path) -> Path:
    with suppress(OSError):
        state.mkdir(parents=True, exist_ok=True)
    return state / "reclaim.lock"


def _take(held: ExitStack, path: Path, flags: int) -> bool:
    try:
        fd = os.open(path, flags | os.O_CLOEXEC, 0o600)
    except OSError:  # no such folder, no room for a new file, not ours to open
        return False
    held.callback(os.close, fd)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Busy(f"another reclaim is running (it holds {path})") from None
    except OSError:  # a filesystem without locks
        return False
    return True
