"""One walker's way through the directories: depth first, every inode counted in the directory that holds its name.

Counts allocated blocks and apparent bytes as lstat gives them, enters no other filesystem. It holds a descriptor for
each directory on its way down that still has something below it, and few where that is deep: paths longer than the
kernel takes are reached in steps. Never opens a file, never follows a link.
"""

from __future__ import annotations

import os
from itertools import islice
from time import monotonic

from collectors.system.child import DIRECTORY, open_below
from collectors.system.child.survey import LEAVE
from collectors.system.child.tally import Level, evidence_of, first_met

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from collectors.system.child import Item
    from collectors.system.child.survey import KnownInodes, Special
    from collectors.system.child.tally import UnitTally, WalkerTotals

_BATCH = 4096  # entries held at once
_SORT_FROM = 1000  # so large a directory comes in hash order: by inode it is read as it lies on the disk
_OPEN_MAX = 400  # directories held open on the way down


class Descent:
    """Walks items into the books. `wake` is called at `wake_at` and may raise to stop; `spare` may give work away."""

    def __init__(self, root: int, whole: bool, known: KnownInodes, books: WalkerTotals) -> None:
        self.bottom: Level | None = None  # where the walk is
        self.wake_at = 0.0
        self.wake: Callable[[], None] = lambda: None
        self.spare: Callable[[], None] | None = None
        self._root = root
        self._whole = whole
        self._known = known
        self._books = books
        self._held: list[Level] = []  # those with a descriptor, deepest last
        self._open_max = min(_OPEN_MAX, os.sysconf("SC_OPEN_MAX") // 2)

    def walk(self, item: Item) -> None:
        """Walk everything below one path."""
        path, index, is_root = item
        tally = self._books.tally(index)
        if not is_root:
            tally.shared = True
        level = self._enter(None, path, tally, is_root)
        while level is not None:
            self._pause(level)
            if level.names:
                level = self._enter(level, level.names.pop(), level.tally) or level
            else:
                self._release(level)
                self._books.close(level)
                level = level.above
        self.bottom = None

    def _pause(self, level: Level) -> None:
        self.bottom = level
        if monotonic() >= self.wake_at:
            self.wake()
        if self.spare is not None:
            self.spare()

    def _enter(self, above: Level | None, name: str, tally: UnitTally, is_root: bool = False) -> Level | None:
        """Open and count one directory. None: there is nothing below it, or it is not to be entered from here."""
        known = self._known
        try:
            fd = open_below(self._root, name) if above is None else self._open(above, name)
        except OSError as error:
            self._unreadable(above, name, tally, error)
            return None
        status = os.fstat(fd)
        key = known.key(status)
        if not is_root:  # from above, or handed over by the other walker, who had only the name
            if key in known.listed or not (self._whole or known.ours(status)):
                os.close(fd)
                return None
            if key in known.met:
                tally, is_root = self._books.tally(known.met[key]), True
        level = Level(above, name, tally, is_root)
        # What has a row however small: the root of a unit that a link leads to, and what was given away.
        if above is None:
            level.named = tally.folds or key not in known.listed
        else:
            level.named = is_root or (tally.folds and key in known.covered)
        if is_root or (above is not None and above.is_root):
            tally.newest = max(tally.newest, status.st_mtime)
        if is_root:
            # Taken before anything is counted: a layer that changes from here on is another one next time.
            tally.evidence = evidence_of(fd, status)
        if tally.inodes_met is not None:
            tally.inodes_met.append(status.st_ino)
        level.count(status.st_blocks, 0, 1)
        scan(level, fd, key, known, self._books, self._pause)
        if level.names:
            level.fd = fd
            self._hold(level)
            return level
        os.close(fd)
        self._books.close(level)
        return None

    def _open(self, above: Level, name: str) -> int:
        if above.fd < 0:
            above.fd = open_below(self._root, above.path())
            self._hold(above)
        fd = os.open(name, DIRECTORY, dir_fd=above.fd)
        if not above.names:
            self._release(above)
        return fd

    def _hold(self, level: Level) -> None:
        self._held.append(level)
        if len(self._held) > self._open_max:
            self._release(self._held[0])

    def _release(self, level: Level) -> None:
        if level.fd >= 0:
            self._held.remove(level)
            os.close(level.fd)
            level.fd = -1

    def _unreadable(self, above: Level | None, name: str, tally: UnitTally, error: OSError) -> None:
        """A directory that cannot be opened still takes its own blocks."""
        if not self._books.failed(above, tally, name, error) or above is None or above.fd < 0:
            return
        try:
            status = os.stat(name, dir_fd=above.fd, follow_symlinks=False)
        except OSError:
            return
        above.count(status.st_blocks, 0, 1)


def scan(
    level: Level, fd: int, key: int, known: KnownInodes, books: WalkerTotals, pause: Callable[[Level], None]
) -> None:
    """Count everything in the directory `fd` that is no directory; those go to `level.names`.

    `pause` is called in very large directories and may raise to stop; what was counted by then is in the books.
    """
    special = known.special.get(key)
    names = level.names
    tally, large = level.tally, books.scale.blocks
    links, met, figures = tally.links, tally.inodes_met, known.figures
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
                if figures is not None:
                    batch, blocks, apparent, inodes = figures.count(batch, tally)
                for entry in batch:
                    try:
                        if entry.is_dir(follow_symlinks=False):
                            names.append(entry.name)
                            continue
                        status = entry.stat(follow_symlinks=False)
                    except OSError as error:
                        books.failed(level, tally, entry.name, error)
                        continue
                    if status.st_nlink > 1 and not first_met(links, known.key(status), _linked(status)):
                        continue
                    if met is not None:
                        met.append(status.st_ino)
                    taken = status.st_blocks
                    if taken >= large:
                        books.large_file(level, entry.name, status)
                    blocks += taken
                    apparent += status.st_size  # of regular files and links; all others have 0
                    inodes += 1
                level.count(blocks, apparent, inodes)
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
        if status.st_nlink > 1 and not first_met(tally.links, known.key(status), _linked(status)):
            continue
        tally.blocks += status.st_blocks
        tally.apparent += status.st_size
        tally.inodes += 1
        tally.newest = max(tally.newest, status.st_mtime)
    return rest


def _linked(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_nlink, status.st_blocks, status.st_size
