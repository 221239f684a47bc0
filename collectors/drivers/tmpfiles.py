"""The engine's temporary files: which of them nobody is writing or reading any more.

A download or a build context that was touched lately is taken to go on, and so is one that a process has open. Looks
into folders of these names and at the links in /proc; opens nothing. Refuses to judge a name that is not the engine's.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

NAMES = re.compile(r"(GetImageBlob|docker-builder|docker-import-)\d+")
_AT_MOST_ENTRIES = 200_000  # a context with more than that is not looked through, and stays


def forgotten(folder: Path, proc: Path, oldest_s: float) -> frozenset[str]:
    """Paths directly below `folder` that nothing has touched since `oldest_s` and that no visible process has open.

    A process that cannot be looked into may still hold one: whoever removes something asks the kernel once more.
    """
    still = [path for path in _named(folder) if (touched := last_touched_s(path)) is not None and touched <= oldest_s]
    if not still:
        return frozenset()
    opened = frozenset(_opened_below(proc, folder.name))
    return frozenset(path for path in still if Path(path).name not in opened)


def last_touched_s(path: str) -> float | None:
    """The latest modification in the tree, seconds since the epoch; None where it cannot be told."""
    try:
        return max(status.st_mtime for _, status in tree(path))
    except OSError:
        return None


def tree(path: str) -> Iterator[tuple[str, os.stat_result]]:
    """Everything from `path` down, links not followed. OSError where something vanishes, or for too many entries."""
    left, count = [path], 0
    while left:
        one = left.pop()
        status = os.lstat(one)
        yield one, status
        count += 1
        if count > _AT_MOST_ENTRIES:
            raise OSError(f"more than {_AT_MOST_ENTRIES} entries")
        if stat.S_ISDIR(status.st_mode):
            with os.scandir(one) as entries:
                left += [entry.path for entry in entries]


def _named(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries if NAMES.fullmatch(entry.name))
    except OSError:
        return []


def _opened_below(proc: Path, folder_name: str) -> Iterator[str]:
    """Names in a folder of this name that some process has open, or works in. The engine may see another path to it."""
    below = re.compile(rf"/{re.escape(folder_name)}/([^/]+)")
    for process in _listed(proc):
        if not Path(process).name.isdigit():
            continue
        for link in (f"{process}/cwd", *_listed(f"{process}/fd"), *_listed(f"{process}/map_files")):
            try:
                target = str(Path(link).readlink())
            except OSError:  # ended, closed, or not ours to see
                continue
            yield from below.findall(target)


def _listed(folder: Path | str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries]
    except OSError:
        return []
