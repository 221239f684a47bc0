"""What a process holds and what it leaves behind, read from outside while it waits."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from collectors.system.child import BOOT

_HELPER = BOOT.encode()


@dataclass(frozen=True, slots=True)
class Held:
    """After one run. `mounts` are those below the lab's folder, less those that were there before the run."""

    rss_bytes: int
    peak_bytes: int
    blocks: int  # that the interpreter has given out, after a collection
    descriptors: int
    threads: int
    children: int
    temporary: int
    mounts: int
    state_bytes: int
    state_files: int
    journal_bytes: int


def held(pid: int, *, temporary: Path, state: Path, journal: Path, mounts: int, blocks: int) -> Held:
    """Of this process, and of the folders that it was given."""
    status = Path(f"/proc/{pid}/status").read_text()
    kept = sizes(state)
    return Held(
        rss_bytes=_kib(status, "VmRSS") * 1024,
        peak_bytes=_kib(status, "VmHWM") * 1024,
        blocks=blocks,
        descriptors=len(os.listdir(f"/proc/{pid}/fd")),
        threads=int(_field(status, "Threads")),
        children=len(children(pid)),
        temporary=sum(1 for _ in temporary.rglob("*")),
        mounts=mounts,
        state_bytes=sum(kept),
        state_files=len(kept),
        journal_bytes=sum(sizes(journal)),
    )


def children(pid: int) -> list[int]:
    """Of any of its threads and of its helper, those that have ended and were not waited for included.

    One helper waits for the next question and is none of them.
    """
    direct = _children_of(pid)
    helpers = [one for one in direct if _HELPER in _command_line(one)]
    return [*(one for one in direct if one not in helpers[:1]), *(one for of in helpers for one in _children_of(of))]


def _children_of(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(OSError):
            found += map(int, (task / "children").read_text().split())
    return found


def _command_line(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def sizes(folder: Path) -> list[int]:
    """Of the files at and below a folder."""
    return [path.stat().st_size for path in folder.rglob("*") if path.is_file()]


def mounts_of(base: Path, pid: int | str = "self") -> int:
    """Mounts at and below a folder."""
    lines = Path(f"/proc/{pid}/mountinfo").read_text(errors="surrogateescape").splitlines()
    return sum(1 for line in lines if line.split()[4].startswith(str(base)))


def slope(values: Iterable[float]) -> float:
    """Least squares, by position: growth from one value to the next."""
    found = list(values)
    middle_x, middle_y = (len(found) - 1) / 2, sum(found) / len(found)
    spread = sum((x - middle_x) ** 2 for x in range(len(found)))
    return sum((x - middle_x) * (y - middle_y) for x, y in enumerate(found)) / spread if spread else 0.0


def _field(status: str, name: str) -> str:
    found = re.search(rf"^{name}:\s+(\S+)", status, re.MULTILINE)
    assert found is not None, name
    return found[1]


def _kib(status: str, name: str) -> int:
    return int(_field(status, name))
