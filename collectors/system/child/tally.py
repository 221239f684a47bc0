"""What one walker has counted of units and of the host's directories, what it could not read, and what it can send.

Of a unit it keeps the largest directories and files, at most 384 of each however many there are; of the host those that
take a part of 1/2000, which are 4,000 at most, and 384 files.
"""

from __future__ import annotations

import errno
import os
from array import array
from time import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import TypeAlias

    # key of the inode → [links not met yet, blocks, apparent bytes, links]
    Links: TypeAlias = dict[int, list[int]]
    # errno → (how often, where first)
    Errors: TypeAlias = dict[int, tuple[int, bytes]]
    Evidence: TypeAlias = tuple[tuple[str, int, int], ...]
    # path, blocks, apparent bytes, inodes: of a directory or a file
    Row: TypeAlias = tuple[bytes, int, int, int]
    from collectors.system.child.inodes import InodeProofs, Proof


# So many are kept, and thrice as many before the smaller ones go.
_KEPT_MAX = 128
_FEWEST = 64  # a directory with fewer inodes has no name of its own for their sake


class Sums:
    """Blocks of 512 bytes, apparent bytes, inodes."""

    __slots__ = ("apparent", "blocks", "inodes")

    def __init__(self) -> None:
        self.blocks = self.apparent = self.inodes = 0

    def add(self, blocks: int, apparent: int, inodes: int) -> None:
        """Take in some more."""
        self.blocks += blocks
        self.apparent += apparent
        self.inodes += inodes


class Scale:
    """What is large on this filesystem: 1/2000 of the used bytes or inodes, so that no more than 4000 things are."""

    __slots__ = ("blocks", "inodes")

    def __init__(self, blocks: int, inodes: int) -> None:
        """`inodes` is 0 where the filesystem has no fixed number: then nobody runs out of them."""
        self.blocks = blocks
        self.inodes = max(_FEWEST, inodes) if inodes else 1 << 62

    def largest(self, rows: list[Row]) -> list[Row]:
        """Those to keep of too many."""
        rows.sort(key=lambda row: max(row[1] / self.blocks, row[3] / self.inodes), reverse=True)
        return rows[:_KEPT_MAX]


class UnitTally(Sums):
    """One unit, or a part of the host, as far as this walker has met it."""

    __slots__ = (
        "errors",
        "evidence",
        "files",
        "folds",
        "index",
        "inodes_met",
        "links",
        "newest",
        "proof",
        "rows",
        "shared",
    )

    def __init__(self, index: int, folds: bool) -> None:
        super().__init__()
        self.index = index
        self.folds = folds  # the host's: its rows add up to all of it
        self.rows: list[Row] = []  # large directories, once everything below them is counted; of a unit the largest
        self.files: list[Row] = []  # the largest files; they are in the rows of their directories, too
        self.links: Links = {}
        self.errors: Errors = {}
        self.newest = 0.0  # mtime of its root and of the directories right below; 0: its root was not met
        self.evidence: Evidence | None = None
        self.inodes_met: array[int] | None = None  # kept where it may be proved later that nothing has changed
        self.proof: Proof | None = None
        self.shared = False  # another walker counts a part of it

    def plain(self) -> tuple[object, ...]:
        """As it is sent."""
        links = [(key, *rest) for key, rest in self.links.items()]
        errors = [(number, *rest) for number, rest in self.errors.items()]
        figures = self.index, self.blocks, self.apparent, self.inodes, self.newest
        proofs = [] if self.proof is None else [self.proof]
        return *figures, links, errors, self.evidence, proofs, self.rows, self.files


class Level(Sums):
    """One directory on the way down. The sums are of itself, with what was folded into it."""

    __slots__ = ("above", "fd", "is_root", "name", "named", "names", "tally")

    def __init__(self, above: Level | None, name: str, tally: UnitTally, is_root: bool) -> None:
        super().__init__()
        self.above = above
        self.name = name  # a path below the root of the filesystem where nothing is above
        self.tally = tally
        self.is_root = is_root  # of its unit, or part of the host
        self.named = False  # reported by its own name, however small
        self.fd = -1
        self.names: list[str] = []  # directories below that were not entered yet

    def count(self, blocks: int, apparent: int, inodes: int) -> None:
        """Count what lies in this directory. Written out: it is called for every directory, twice."""
        self.blocks += blocks
        self.apparent += apparent
        self.inodes += inodes
        tally = self.tally
        if not tally.folds:
            tally.blocks += blocks
            tally.apparent += apparent
            tally.inodes += inodes

    def row(self) -> Row:
        """As it is named."""
        return os.fsencode(self.path()), self.blocks, self.apparent, self.inodes

    def path(self) -> str:
        """Below the root of the filesystem. Built where needed only: at depth 2,000 it is long."""
        parts: list[str] = []
        level: Level | None = self
        while level is not None:
            parts.append(level.name)
            level = level.above
        return "/".join(part for part in reversed(parts) if part)


def first_met(links: Links, key: int, found: tuple[int, int, int]) -> bool:
    """Whether this is the first link to an inode that has several. Forgets the inode with its last link.

    `found`: how many links it has, its blocks and its bytes.
    """
    known = links.get(key)
    if known is None:
        number, blocks, apparent = found
        links[key] = [number - 1, blocks, apparent, number]
        return True
    known[0] -= 1
    if not known[0]:
        del links[key]
    return False


def note(errors: Errors, number: int | None, where: bytes) -> None:
    """Count one failure, and keep the place of the first of its kind."""
    count, first = errors.get(number or 0, (0, where))
    errors[number or 0] = count + 1, first


# Where a layer's files lie: overlay2's directory, and that of containerd's snapshotters.
_CONTENTS = ("diff", "fs")


def evidence_of(directory: int, status: os.stat_result) -> Evidence:
    """What differs in another directory of the same name: inode and change time, also of what holds the contents."""
    found = [("", status.st_ino, status.st_ctime_ns)]
    for name in _CONTENTS:
        try:
            below = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except OSError:
            continue
        found.append((name, below.st_ino, below.st_ctime_ns))
    return tuple(found)


# The name went, or became something else, between readdir and here.
_VANISHED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE)


class WalkerTotals:
    """Units are indexes below `host`; that one is what lies in no unit, and those above it are parts of it."""

    def __init__(self, host: int, scale: Scale, tracked: frozenset[int], proofs: InodeProofs | None) -> None:
        """Directories and files that are large by `scale` keep their own name.

        `tracked`: the units for which `proofs` shall show next time that nothing has changed, as for the host's parts.
        """
        self.host = UnitTally(host, folds=True)
        self.open: dict[int, UnitTally] = {}  # begun and not finished
        self.finished: list[UnitTally] = []
        self.scale = scale
        self._tracked = tracked
        self._proofs = proofs
        self._began_at = time()

    def tally(self, index: int) -> UnitTally:
        """The unit's or part's, begun if need be."""
        if index == self.host.index:
            return self.host
        tally = self.open.get(index)
        if tally is None:
            tally = self.open[index] = UnitTally(index, folds=index > self.host.index)
            if self._proofs is not None and (tally.folds or index in self._tracked):
                tally.inodes_met = array("Q")
        return tally

    def close(self, level: Level) -> None:
        """Everything below a directory was counted: a small one becomes part of the one above."""
        tally, above, scale = level.tally, level.above, self.scale
        if level.named or level.blocks >= scale.blocks or level.inodes >= scale.inodes:
            tally.rows.append(level.row())
            if tally.folds:
                tally.add(level.blocks, level.apparent, level.inodes)
            elif len(tally.rows) > 3 * _KEPT_MAX:
                tally.rows = self.scale.largest(tally.rows)
        elif above is not None:
            above.add(level.blocks, level.apparent, level.inodes)
        if level.is_root:
            self.finish(tally)

    def large_file(self, level: Level, name: str, status: os.stat_result) -> None:
        """Note a file that may be the largest of its unit, or of the host."""
        files, path = level.tally.files, f"{level.path()}/{name}".lstrip("/")
        files.append((os.fsencode(path), status.st_blocks, status.st_size, 1))
        if len(files) > 3 * _KEPT_MAX:
            level.tally.files = self.scale.largest(files)

    def finish(self, tally: UnitTally) -> None:
        """Everything below the root of a unit or part was counted, by this walker at least."""
        if tally.shared or tally is self.host:
            return  # the other may still be at it: known when both have ended
        self.prove(tally)
        self.finished.append(tally)
        self.open.pop(tally.index, None)

    def prove(self, tally: UnitTally) -> None:
        """Note how the inodes read that this walker has met in a unit or part."""
        if self._proofs is None or tally.inodes_met is None or tally.errors:
            return
        try:
            tally.proof = self._proofs.prove(tally.inodes_met, tally.blocks, self._began_at)
        except (OSError, IndexError):
            tally.proof = None  # walked again next time
        tally.inodes_met = None

    def failed(self, level: Level | None, tally: UnitTally, name: str, error: OSError) -> bool:
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
