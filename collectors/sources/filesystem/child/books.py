"""One walker's books: what each unit and the host have come to so far, and what is ready to be sent."""

from __future__ import annotations

import errno
import os
from array import array
from time import time

from collectors.sources.filesystem.child.tally import Level, Tally, note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collectors.sources.filesystem.child.inodes import InodeTables

# The name went, or became something else, between readdir and here.
_VANISHED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE)


class Books:
    """`host` is the index of what lies in no unit; directories of `fold_blocks` and more keep their own name."""

    def __init__(self, host: int, fold_blocks: int, tracked: frozenset[int], tables: InodeTables | None) -> None:
        """`tracked`: the units for which `tables` shall prove, next time, that nothing has changed."""
        self.host = Tally(host)
        self.open: dict[int, Tally] = {}  # begun and not finished
        self.finished: list[Tally] = []
        self.directories: list[tuple[bytes, int, int, int]] = []  # the host's: path, blocks, apparent bytes, inodes
        self._fold_blocks = fold_blocks
        self._tracked = tracked if tables is not None else frozenset()
        self._tables = tables
        self._began_at = time()

    def tally(self, index: int) -> Tally | None:
        """The unit's, begun if need be; None for the host, whose sums are kept by directory."""
        if index == self.host.index:
            return None
        tally = self.open.get(index)
        if tally is None:
            tally = self.open[index] = Tally(index)
            if index in self._tracked:
                tally.inodes_met = array("Q")
        return tally

    def finish(self, tally: Tally) -> None:
        """Everything below the unit's root was counted, by this walker at least."""
        if not tally.shared:  # else the other may still be at it: known when both have ended
            self.prove(tally)
            self.finished.append(tally)
            self.open.pop(tally.index, None)

    def prove(self, tally: Tally) -> None:
        """Note how the inodes read that this walker has met in a unit."""
        if self._tables is None or tally.inodes_met is None or tally.errors:
            return
        try:
            tally.proof = self._tables.prove(tally.inodes_met, tally.blocks, self._began_at)
        except (OSError, IndexError):
            tally.proof = None  # walked again next time
        tally.inodes_met = None

    def close(self, level: Level) -> None:
        """Everything below a directory was counted: a small one of the host becomes part of the one above."""
        above = level.above
        if level.tally is not None:
            if level.is_root:
                self.finish(level.tally)
        elif level.named or above is None or level.blocks >= self._fold_blocks:
            self.directories.append(_row(level))
        else:
            above.blocks += level.blocks
            above.apparent += level.apparent
            above.inodes += level.inodes

    def failed(self, level: Level | None, tally: Tally | None, name: str, error: OSError) -> bool:
        """Note what could not be read, unless it has only vanished; whether it has not."""
        if error.errno in _VANISHED:
            return False
        path = "" if level is None else level.path()
        note((tally or self.host).errors, error.errno, os.fsencode(f"{path}/{name}".strip("/")))
        return True


def under_way(bottom: Level | None) -> list[tuple[bytes, int, int, int]]:
    """The host's directories that are not closed yet, from the one that the walk is at."""
    rows = []
    while bottom is not None:
        if bottom.tally is None:
            rows.append(_row(bottom))
        bottom = bottom.above
    return rows


def _row(level: Level) -> tuple[bytes, int, int, int]:
    return os.fsencode(level.path()), level.blocks, level.apparent, level.inodes
