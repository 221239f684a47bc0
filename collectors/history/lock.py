"""One file opened for appending, under an advisory lock that is waited for, but not for ever.

Those who write without a lock are met by O_APPEND: the kernel puts each single write at the end, whoever comes first.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WITHOUT_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


@contextmanager
def appending(path: Path, *, wait_s: float) -> Iterator[tuple[int, bool]]:
    """A descriptor of `path`, made if missing, and whether the lock was had. Raises OSError.

    A symbolic link or anything that is no regular file is refused: a journal may lie where others can write. A file
    that was replaced while the lock was waited for (an editor, a checkout) is let go and the new one taken.
    """
    until = time.monotonic() + wait_s
    while True:
        fd = os.open(path, _FLAGS, 0o644)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "not a regular file", str(path))
            locked = _lock(fd, until)
            if not _is_still(path, fd):
                continue
            yield fd, locked
            return
        finally:
            os.close(fd)  # and the lock with it


def _lock(fd: int, until: float) -> bool:
    pause_s = 0.001
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 0.02)
        except OSError as error:
            if error.errno in _WITHOUT_LOCKS:
                return False
            raise
        else:
            return True


def _is_still(path: Path, fd: int) -> bool:
    try:
        there = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(fd))
