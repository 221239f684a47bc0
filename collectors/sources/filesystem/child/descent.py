"""One walker's way through the directories: depth first, every inode counted in the directory that holds its name.

Counts allocated blocks and apparent bytes as lstat gives them, opens no file, follows no link, enters no other
filesystem. It holds a descriptor for each directory on its way down that still has something below it, and few where
that is deep: paths longer than the kernel takes are reached in steps.
"""

from __future__ import annotations

import errno
import os
from itertools import islice
from time import monotonic

from collectors.sources.filesystem.child.tally import Level, Tally, evidence_of, first_met, note
from collectors.sources.filesystem.child.tree import DIRECTORY, open_below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from collectors.sources.filesystem.child.pool import Item
    from collectors.sources.filesystem.child.survey import Known, Special
    from collectors.sources.filesystem.child.tally import Links, Sums

LEAVE = -1  # in `Known.special`: a name that another mount covers
_BATCH = 4096  # entries held at once
_SORT_FROM = 1000  # so large a directory comes in hash order: by inode it is read as it lies on the disk
_OPEN_MAX = 400  # directories held open on the way down

# The name went, or became something else, between readdir and here.
_VANISHED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE)


class Descent:
    """Walks items, keeps tallies. `wake` is called at `wake_at` and may raise to stop; `spare` may give work away."""

    def __init__(self, root: int, whole: bool, known: Known, fold_blocks: int) -> None:
        self.host = Tally(known.host)
        self.open: dict[int, Tally] = {}  # begun and not finished
        self.finished: list[Tally] = []
        self.directories: list[tuple[bytes, int, int, int]] = []  # host directories that are worth a name
        self.bottom: Level | None = None  # where the walk is
        self.wake_at = 0.0
        self.wake: Callable[[], None] = lambda: None
        self.spare: Callable[[], None] | None = None
        self._root = root
        self._whole = whole
        self._known = known
        self._fold_blocks = fold_blocks
        self._held: list[Level] = []  # those with a descriptor, deepest last
        self._open_max = min(_OPEN_MAX, os.sysconf("SC_OPEN_MAX") // 2)

    def walk(self, item: Item) -> None:
        """Walk everything below one path."""
        path, index, is_root = item
        tally = None if index == self.host.index else self.open.setdefault(index, Tally(index))
        if tally is not None and not is_root:
            tally.shared = True
        level = self._enter(None, path, tally, is_root)
        while level is not None:
            self.bottom = level
            if monotonic() >= self.wake_at:
                self.wake()
            if self.spare is not None:
                self.spare()
            if level.names:
                level = self._enter(level, level.names.pop(), level.tally) or level
            else:
                level = self._leave(level)
        self.bottom = None

    def _enter(self, above: Level | None, name: str, tally: Tally | None, is_root: bool = False) -> Level | None:
        """Open and count one directory. None: there is nothing below it, or it is not to be entered from here."""
        try:
            fd = open_below(self._root, name) if above is None else self._open(above, name)
        except OSError as error:
            self._unreadable(above, name, tally, error)
            return None
        status = os.fstat(fd)
        key = self._known.key(status)
        if above is not None:
            if key in self._known.listed or not (self._whole or self._known.ours(status)):
                os.close(fd)
                return None
            met = self._known.met.get(key)
            if met is not None:
                tally, is_root = self.open.setdefault(met, Tally(met)), True
        level = Level(above, name, tally, is_root)
        level.named = above is None or key in self._known.covered
        if tally is None:
            self._scan(level, fd, key, level, self.host.links)
        else:
            if is_root or (above is not None and above.is_root):
                tally.newest = max(tally.newest, status.st_mtime)
            if is_root and tally.index in self._known.immutable:
                tally.evidence = evidence_of(fd, status)
            self._scan(level, fd, key, tally, tally.links)
        # After the scan: for a host directory the level is what its sums are kept in.
        sums: Sums = level if tally is None else tally
        sums.blocks += status.st_blocks
        sums.inodes += 1
        if level.names:
            level.fd = fd
            self._hold(level)
            return level
        os.close(fd)
        if above is None:
            return level
        self._leave(level)
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

    def _leave(self, level: Level) -> Level | None:
        self._release(level)
        tally, above = level.tally, level.above
        if tally is None:
            if level.named or above is None or level.blocks >= self._fold_blocks:
                self.directories.append((os.fsencode(level.path()), level.blocks, level.apparent, level.inodes))
            else:
                above.blocks += level.blocks
                above.apparent += level.apparent
                above.inodes += level.inodes
        elif level.is_root:
            self._finish(tally, level.path())
        return above

    def _finish(self, tally: Tally, path: str) -> None:
        if tally.shared:
            return  # the other walker may still be at it: known when all have ended
        if tally.evidence is not None:
            # A layer that changed while it was measured is not one to remember.
            try:
                fd = open_below(self._root, path)
                if evidence_of(fd, os.fstat(fd)) != tally.evidence:
                    tally.evidence = None
                os.close(fd)
            except OSError:
                tally.evidence = None
        self.finished.append(tally)
        self.open.pop(tally.index, None)

    def _scan(self, level: Level, fd: int, key: int, sums: Sums, links: Links) -> None:
        """Count the entries of one directory that are no directories; those go to `level.names`."""
        special = self._known.special.get(key)
        names = level.names
        key_of = self._known.key
        try:
            with os.scandir(fd) as entries:
                while True:
                    batch = list(islice(entries, _BATCH))
                    last = len(batch) < _BATCH
                    if len(batch) >= _SORT_FROM:
                        batch.sort(key=os.DirEntry.inode)
                    if special is not None:
                        batch = self._set_apart(batch, special)
                    blocks = apparent = inodes = 0
                    for entry in batch:
                        try:
                            if entry.is_dir(follow_symlinks=False):
                                names.append(entry.name)
                                continue
                            status = entry.stat(follow_symlinks=False)
                        except OSError as error:
                            self._failed(level, entry.name, error)
                            continue
                        if status.st_nlink > 1 and not first_met(links, key_of(status), status):
                            continue
                        blocks += status.st_blocks
                        apparent += status.st_size
                        inodes += 1
                    sums.blocks += blocks
                    sums.apparent += apparent
                    sums.inodes += inodes
                    if last:
                        break
                    self.bottom = level
                    if monotonic() >= self.wake_at:
                        self.wake()
        except OSError as error:
            self._failed(level, "", error)
        if special is not None:
            for index in set(special.values()) - {LEAVE}:
                self._finish(self.open.setdefault(index, Tally(index)), level.path())

    def _set_apart(self, batch: list[os.DirEntry[str]], special: Special) -> list[os.DirEntry[str]]:
        """Count the files that are units of their own; drop names that are not to be touched. Returns the others."""
        rest = []
        for entry in batch:
            index = self._known.unit_of(special, entry.name)
            if index is None:
                rest.append(entry)
            elif index != LEAVE:
                tally = self.open.setdefault(index, Tally(index))
                try:
                    status = entry.stat(follow_symlinks=False)
                except OSError as error:
                    if error.errno not in _VANISHED:
                        note(tally.errors, error.errno, os.fsencode(entry.name))
                    continue
                if status.st_nlink > 1 and not first_met(tally.links, self._known.key(status), status):
                    continue
                tally.blocks += status.st_blocks
                tally.apparent += status.st_size
                tally.inodes += 1
                tally.newest = max(tally.newest, status.st_mtime)
        return rest

    def _failed(self, level: Level, name: str, error: OSError) -> None:
        if error.errno not in _VANISHED:
            where = f"{level.path()}/{name}" if name else level.path()
            note((level.tally or self.host).errors, error.errno, os.fsencode(where))

    def _unreadable(self, above: Level | None, name: str, tally: Tally | None, error: OSError) -> None:
        """A directory that cannot be opened still takes its own blocks."""
        if error.errno in _VANISHED:
            return
        where = f"{above.path()}/{name}" if above is not None else name
        note((tally or self.host).errors, error.errno, os.fsencode(where))
        if above is None or above.fd < 0:
            return
        try:
            status = os.stat(name, dir_fd=above.fd, follow_symlinks=False)
        except OSError:
            return
        sums: Sums = above if tally is None else tally
        sums.blocks += status.st_blocks
        sums.inodes += 1
