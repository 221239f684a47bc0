"""One walker's books: what each unit and the host have come to so far, and what is ready to be sent."""

from __future__ import annotations

import errno
import os
from array import array
from time import time

from collectors.system.child.tally import Level, Tally, note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collectors.system.child.inodes import InodeTables
    from collectors.system.child.tally import Row, Sums

# The name went, or became something else, between readdir and here.
_VANISHED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE)


class Books:
    """Units are indexes below `host`; that one is what lies in no unit, and those above it are parts of it."""

    def __init__(self, host: int, fold_blocks: int, tracked: frozenset[int], tables: InodeTables | None) -> None:
        """The host's directories of `fold_blocks` and more keep their own name.

        `tracked`: the units for which `tables` shall prove next time that nothing has changed, as for the host's parts.
        """
        self.host = Tally(host, folds=True)
        self.open: dict[int, Tally] = {}  # begun and not finished
        self.finished: list[Tally] = []
        self._fold_blocks = fold_blocks
        self._tracked = tracked
        self._tables = tables
        self._began_at = time()

    def tally(self, index: int) -> Tally:
        """The unit's or part's, begun if need be."""
        if index == self.host.index:
            return self.host
        tally = self.open.get(index)
        if tally is None:
            tally = self.open[index] = Tally(index, folds=index > self.host.index)
            if self._tables is not None and (tally.folds or index in self._tracked):
                tally.inodes_met = array("Q")
        return tally

    def close(self, level: Level) -> None:
        """Everything below a directory was counted: a small one of the host becomes part of the one above."""
        tally, above = level.tally, level.above
        if tally.folds:
            into: Sums = tally if above is None else above
            if level.named or level.blocks >= self._fold_blocks:
                tally.rows.append(level.row())
                into = tally
            into.blocks += level.blocks
            into.apparent += level.apparent
            into.inodes += level.inodes
        if level.is_root:
            self.finish(tally)

    def finish(self, tally: Tally) -> None:
        """Everything below the root of a unit or part was counted, by this walker at least."""
        if tally.shared or tally is self.host:
            return  # the other may still be at it: known when both have ended
        self.prove(tally)
        self.finished.append(tally)
        self.open.pop(tally.index, None)

    def prove(self, tally: Tally) -> None:
        """Note how the inodes read that this walker has met in a unit or part."""
        if self._tables is None or tally.inodes_met is None or tally.errors:
            return
        try:
            tally.proof = self._tables.prove(tally.inodes_met, tally.blocks, self._began_at)
        except (OSError, IndexError):
            tally.proof = None  # walked again next time
        tally.inodes_met = None

    def failed(self, level: Level | None, tally: Tally, name: str, error: OSError) -> bool:
        """Note what could not be read, unless it has only vanished; whether it has not."""
        if error.errno in _VANISHED:
            return False
        path = "" if level is None else level.path()
        note(tally.errors, error.errno, os.fsencode(f"{path}/{name}".strip("/")))
        return True


def under_way(bottom: Level | None) -> list[Row]:
    """The host's directories that are not closed yet, from the one that the walk is at."""
    rows = []
    while bottom is not None:
        if bottom.tally.folds:
            rows.append(bottom.row())
        bottom = bottom.above
    return rows
