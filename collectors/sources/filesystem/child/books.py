"""One walker's books: what each unit and the host have come to so far, and what is ready to be sent."""

from __future__ import annotations

import errno
import os

from collectors.sources.filesystem.child.tally import Level, Tally, note

# The name went, or became something else, between readdir and here.
_VANISHED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE)


class Books:
    """`host` is the index of what lies in no unit; directories of `fold_blocks` and more keep their own name."""

    def __init__(self, host: int, fold_blocks: int) -> None:
        self.host = Tally(host)
        self.open: dict[int, Tally] = {}  # begun and not finished
        self.finished: list[Tally] = []
        self.directories: list[tuple[bytes, int, int, int]] = []  # the host's: path, blocks, apparent bytes, inodes
        self._fold_blocks = fold_blocks

    def tally(self, index: int) -> Tally | None:
        """The unit's, begun if need be; None for the host, whose sums are kept by directory."""
        if index == self.host.index:
            return None
        return self.open.setdefault(index, Tally(index))

    def finish(self, tally: Tally) -> None:
        """Everything below the unit's root was counted, by this walker at least."""
        if not tally.shared:  # else the other may still be at it: known when both have ended
            self.finished.append(tally)
            self.open.pop(tally.index, None)

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
