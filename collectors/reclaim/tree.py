"""Removing a directory tree of any depth, without following a link and without passing into another mount.

First the whole tree is looked at: where something is mounted in it, or something in it cannot be removed, all of it
stays. Then it is removed, with the same care, since that may have changed. One descriptor is open at a time, whatever
the depth; the way up is checked against where it came down, so that a directory that is moved stops the removal.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from collectors import drivers
from collectors.filesystems import freeing as btrfs_changes
from collectors.reclaim import GONE, REMOVED, Act, failed, skipped
from collectors.system import mountinfo

_INSIDE = "another filesystem or subvolume lies inside it"


@dataclass(slots=True)
class _Level:
    """One directory on the way down: its identity, its name in its parent, and its subdirectories still to do."""

    name: str
    identity: tuple[int, int]
    left: list[str]


def remove_tree(path: Path) -> None:
    """Remove the directory `path` and everything in it. Raises OSError, with the path that stood in the way.

    EXDEV (something is mounted or another subvolume lies inside) and EPERM for what is immutable: nothing was removed.
    Whatever else: what was removed by then stays removed, and the error says that a part is gone.
    """
    above = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if (facts := mountinfo.entry_facts("", above)) is not None and facts.locked:
            raise _immutable(str(path.parent))
        with _Descent(above, path) as descent:
            descent.through(removing=False)
        removed_count = 0
        try:
            with _Descent(above, path) as descent:
                try:
                    descent.through(removing=True)
                finally:
                    removed_count = descent.removed_count
            os.rmdir(path.name, dir_fd=above)
        except OSError as error:
            raise _halfway(error, str(path), removed_count) from None
    finally:
        os.close(above)


class _Descent:
    """Goes through a tree, and owns the one descriptor that it goes with."""

    def __init__(self, above: int, path: Path) -> None:
        self._path = path
        self.removed_count = 0
        self._levels: list[_Level] = []
        with self._named(""):
            self._fd = mountinfo.open_directory(path.name, above)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._fd)

    def through(self, *, removing: bool) -> None:
        """Every level: files first, a directory once it has been gone through. Not the top itself."""
        self._enter("", removing)
        while True:
            level = self._levels[-1]
            if level.left:
                name = level.left.pop()
                self._go(name)
                self._enter(name, removing)
            elif len(self._levels) == 1:
                return
            else:
                self._leave(level.name, removing)

    def _leave(self, name: str, removing: bool) -> None:
        self._levels.pop()
        self._go("..")
        if _identity(self._fd) != self._levels[-1].identity:
            raise OSError(errno.EBUSY, "the tree was changed during its removal", str(self._path))
        if removing:
            with self._named(name):
                os.rmdir(name, dir_fd=self._fd)
            self.removed_count += 1

    def _enter(self, name: str, removing: bool) -> None:
        """Unlink what is no directory, and list what is."""
        level = _Level(name, _identity(self._fd), [])
        self._levels.append(level)
        if level.identity[0] != self._levels[0].identity[0]:
            raise OSError(errno.EXDEV, _INSIDE, self._at(""))
        with self._named(""), os.scandir(self._fd) as listing:
            entries = list(listing)  # first, since a listing that loses entries under way may pass others over
        mount = None if removing else self._mount(bool(entries))
        for entry in entries:
            if not removing:
                self._may_go(entry.name, mount)
            if entry.is_dir(follow_symlinks=False):
                level.left.append(entry.name)
            elif removing:
                with self._named(entry.name):
                    os.unlink(entry.name, dir_fd=self._fd)
                self.removed_count += 1

    def _mount(self, filled: bool) -> int | None:
        """That of the directory. Refused where it holds something and is locked."""
        facts = mountinfo.entry_facts("", self._fd)
        if facts is not None and facts.locked and filled:
            raise _immutable(self._at(""))
        return None if facts is None else facts.mount_id

    def _may_go(self, name: str, mount: int | None) -> None:
        facts = mountinfo.entry_facts(name, self._fd)
        if facts is None:  # gone, or the kernel will say when it is to go
            return
        if mount is not None and facts.mount_id not in (None, mount):
            raise OSError(errno.EXDEV, "something is mounted there", self._at(name))
        if facts.locked:
            raise _immutable(self._at(name))

    def _go(self, name: str) -> None:
        with self._named("" if name == ".." else name):
            below = mountinfo.open_directory(name, self._fd)
        os.close(self._fd)
        self._fd = below

    @contextmanager
    def _named(self, name: str) -> Iterator[None]:
        """What goes wrong in here is told with the whole path."""
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._at(name)) from None

    def _at(self, name: str) -> str:
        parts = (str(self._path), *(level.name for level in self._levels[1:]), name)
        return "/".join(part for part in parts if part)


def _halfway(error: OSError, path: str, removed_count: int) -> OSError:
    """What stopped a removal that had begun."""
    number, words = error.errno, error.strerror
    if number == errno.EXDEV:
        number, words = errno.EBUSY, "something was mounted here during the removal"
    if removed_count:
        words = f"{words}; a part of {path} is gone"
    return OSError(number, words, error.filename)


def _immutable(path: str) -> OSError:
    return OSError(errno.EPERM, "it is immutable or append-only (lsattr shows it)", path)


def _identity(fd: int) -> tuple[int, int]:
    found = os.fstat(fd)
    return found.st_dev, found.st_ino


class WholeRemover:
    """What a driver removes a layer with."""

    def remove_whole(self, path: Path) -> None:
        """A subvolume in one call, a directory file by file."""
        if btrfs_changes.is_subvolume(path):
            btrfs_changes.destroy(path)
        else:
            remove_tree(path)


def remove_layer(path: Path, driver: str = "") -> Act:
    """One directory or subvolume, whole: a layer of the store `driver`, or with "" anything else."""
    if not path.exists() and not path.is_symlink():
        return GONE
    if path.is_symlink() or not path.is_dir():
        return skipped("it is not a directory")
    try:
        drivers.remove_layer(driver, path, WholeRemover())
        return REMOVED
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EXDEV):
            return skipped(f"{error.strerror}: {error.filename}" if error.filename else _INSIDE)
        return failed(f"{error.strerror}: {error.filename or path}")
