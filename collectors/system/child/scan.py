"""Counts the entries of one directory. Never opens a file, never follows a link."""

from __future__ import annotations

import os
from itertools import islice

from collectors.system.child.tally import first_met

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from collectors.system.child.survey import KnownInodes, Special
    from collectors.system.child.tally import Level, WalkerTotals

LEAVE = -1  # in `KnownInodes.special`: a name that another mount covers
_BATCH = 4096  # entries held at once
_SORT_FROM = 1000  # so large a directory comes in hash order: by inode it is read as it lies on the disk


def scan(
    level: Level, fd: int, key: int, known: KnownInodes, books: WalkerTotals, pause: Callable[[Level], None]
) -> None:
    """Count everything in the directory `fd` that is no directory; those go to `level.names`.

    `pause` is called in very large directories and may raise to stop; what was counted by then is in the books.
    """
    special = known.special.get(key)
    names = level.names
    tally, sums = level.tally, level.sums()
    links, met = tally.links, tally.inodes_met
    try:
        with os.scandir(fd) as entries:
            while True:
                batch = list(islice(entries, _BATCH))
                count = len(batch)
                if count >= _SORT_FROM:
                    batch.sort(key=os.DirEntry.inode)
                if special is not None:
                    batch = _set_apart(batch, special, known, books)
                blocks = apparent = inodes = 0
                for entry in batch:
                    try:
                        if entry.is_dir(follow_symlinks=False):
                            names.append(entry.name)
                            continue
                        status = entry.stat(follow_symlinks=False)
                    except OSError as error:
                        books.failed(level, tally, entry.name, error)
                        continue
                    if status.st_nlink > 1 and not first_met(links, known.key(status), status):
                        continue
                    if met is not None:
                        met.append(status.st_ino)
                    blocks += status.st_blocks
                    apparent += status.st_size  # of regular files and links; all others have 0
                    inodes += 1
                sums.blocks += blocks
                sums.apparent += apparent
                sums.inodes += inodes
                if count < _BATCH:
                    break
                pause(level)
    except OSError as error:
        books.failed(level, tally, "", error)
    if special is not None:
        for index in set(special.values()) - {LEAVE}:
            books.finish(books.tally(index))


def _set_apart(
    batch: list[os.DirEntry[str]], special: Special, known: KnownInodes, books: WalkerTotals
) -> list[os.DirEntry[str]]:
    """Count the files that are units of their own, drop names that are not to be touched. Returns the others."""
    rest = []
    for entry in batch:
        index = known.unit_of(special, entry.name)
        if index is None:
            rest.append(entry)
            continue
        if index == LEAVE:
            continue
        tally = books.tally(index)
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError as error:
            books.failed(None, tally, entry.name, error)
            continue
        if status.st_nlink > 1 and not first_met(tally.links, known.key(status), status):
            continue
        tally.blocks += status.st_blocks
        tally.apparent += status.st_size
        tally.inodes += 1
        tally.newest = max(tally.newest, status.st_mtime)
    return rest
