"""Small tools of the messes: random bytes, old dates, processes that hold something.

Random bytes because they neither compress nor deduplicate: what is written is what is allocated.
"""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.processes import Process

if TYPE_CHECKING:
    from tests.lab.lab import Lab

KIB = 1024
MIB = 1024 * 1024
OLD_S = 3 * 24 * 3600


def random_file(path: Path, size_bytes: int) -> Path:
    """A new file of random bytes; folders above it are made. Raises OSError (ENOSPC too)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        left = size_bytes
        while left > 0:
            left -= file.write(os.urandom(min(left, 4 * MIB)))
    return path


def age(path: Path, seconds: float = OLD_S) -> Path:
    """Set the modification time of a tree that far back. The ctime cannot be set."""
    then = time.time() - seconds
    for entry in [*path.rglob("*"), path]:
        os.utime(entry, (then, then), follow_symlinks=False)
    return path


def hold(lab: Lab, script: str, folder: Path) -> int:
    """Run a shell script that ends in `exec sleep 100000` on the host while the lab lives; gives back its pid.

    Returns when the script has reached its `sleep`. Raises `TimeoutError`.
    """
    pid = lab.spawn("/bin/sh", "-ec", f"cd {shlex.quote(str(folder))}; {script}")
    end = time.monotonic() + 60
    while not (Path("/proc") / str(pid) / "cmdline").read_bytes().startswith(b"sleep\0"):
        if Process.of(pid) is None or time.monotonic() > end:
            raise TimeoutError(f"this did not come to its sleep: {script}")
        time.sleep(0.02)
    return pid


def until_asleep(lab: Lab, *containers: str) -> None:
    """Wait until these containers, whose scripts end in `exec sleep`, have done everything before. Raises."""
    end = time.monotonic() + 120
    for name in containers:
        while "sleep" not in lab.docker("top", name, "-o", "pid,args"):
            if time.monotonic() > end:
                raise TimeoutError(f"container {name} has not finished its script")
            time.sleep(0.05)


def btrfs_only(lab: Lab, mess: str) -> None:
    """Raise `ValueError` unless the lab's filesystem is btrfs."""
    if lab.fs != "btrfs":
        raise ValueError(f"the mess `{mess}` needs btrfs (this lab's filesystem is {lab.fs})")
