"""Keeps a btrfs busy until it is told to stop: snapshots, writes, deletes and commits, as a process of its own.

`python -m tests.machine.btrfs_churn FOLDER`; ends when its standard input is closed.
"""

from __future__ import annotations

import os
import random
import select
import subprocess
import sys
from contextlib import suppress
from pathlib import Path


def step(at: Path, number: int, chance: random.Random) -> None:
    """One round: a snapshot, some files in it, some gone, an old snapshot deleted, a commit every other time."""
    names = sorted(at.glob("churn-*"))
    source = chance.choice(names)
    target = at / f"churn-{number:06d}"
    _quietly("btrfs", "subvolume", "snapshot", str(source), str(target))
    for _ in range(60):
        path = target / f"dir-{chance.randrange(20)}" / f"file-{chance.randrange(400)}"
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            file.write(chance.randbytes(chance.choice((900, 5000, 30_000))))
            file.flush()
            if number % 3 == 0:  # there is a log tree then, outside of all counters
                os.fsync(file.fileno())
    for _ in range(20):
        with suppress(OSError):
            (target / f"dir-{chance.randrange(20)}" / f"file-{chance.randrange(400)}").unlink()
    if len(names) > 12:
        _quietly("btrfs", "subvolume", "delete", str(chance.choice(names)))
    if number % 2:
        _quietly("btrfs", "filesystem", "sync", str(at))


def _quietly(*words: str) -> None:
    subprocess.run(words, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> None:
    at = Path(sys.argv[1])
    chance = random.Random(11)
    _quietly("btrfs", "subvolume", "create", str(at / "churn-000000"))
    number = 0
    print("busy", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        number += 1
        step(at, number, chance)


if __name__ == "__main__":
    main()
