"""What has been counted: sums of a unit or a host directory, the hard links not all met yet, what could not be read."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import TypeAlias

    from collectors.system.child.inodes import Proof

    # key of the inode → [links not met yet, blocks, apparent bytes, links]
    Links: TypeAlias = dict[int, list[int]]
    # errno → (how often, where first)
    Errors: TypeAlias = dict[int, tuple[int, bytes]]
    Evidence: TypeAlias = tuple[tuple[str, int, int], ...]
    # path, blocks, apparent bytes, inodes
    Row: TypeAlias = tuple[bytes, int, int, int]


class Sums:
    """Blocks of 512 bytes, apparent bytes, inodes."""

    __slots__ = ("apparent", "blocks", "inodes")

    def __init__(self) -> None:
        self.blocks = self.apparent = self.inodes = 0


class Tally(Sums):
    """One unit, or a part of the host, as far as this walker has met it."""

    __slots__ = ("errors", "evidence", "folds", "index", "inodes_met", "links", "newest", "proof", "rows", "shared")

    def __init__(self, index: int, folds: bool) -> None:
        super().__init__()
        self.index = index
        self.folds = folds  # the host's: counted by directory, to name the large ones
        self.rows: list[Row] = []  # those, once everything below them is counted
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
        return *figures, links, errors, self.evidence, [] if self.proof is None else [self.proof], self.rows


class Level(Sums):
    """One directory on the way down. The sums are a directory's of the host, with what was folded into it."""

    __slots__ = ("above", "fd", "is_root", "name", "named", "names", "tally")

    def __init__(self, above: Level | None, name: str, tally: Tally, is_root: bool) -> None:
        super().__init__()
        self.above = above
        self.name = name  # a path below the root of the filesystem where nothing is above
        self.tally = tally
        self.is_root = is_root  # of its unit, or part of the host
        self.named = False  # reported by its own name, however small
        self.fd = -1
        self.names: list[str] = []  # directories below that were not entered yet

    def sums(self) -> Sums:
        """Where what lies in this directory is counted."""
        return self if self.tally.folds else self.tally

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


def first_met(links: Links, key: int, status: os.stat_result) -> bool:
    """Whether this is the first link to an inode that has several. Forgets the inode with its last link."""
    known = links.get(key)
    if known is None:
        links[key] = [status.st_nlink - 1, status.st_blocks, status.st_size, status.st_nlink]
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
