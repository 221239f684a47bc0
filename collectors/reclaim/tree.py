"""Removing a directory tree of any depth, without following a link and without leaving its filesystem.

One descriptor is open at a time, whatever the depth; the way up is checked against where it came down, so that a
directory that is moved meanwhile stops the removal. Refuses a tree in which something is mounted.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from collectors import drivers
from collectors.filesystems.btrfs import changes as btrfs_changes
from collectors.reclaim.act import GONE, REMOVED, Act, failed, skipped

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class _Level:
    """One directory on the way down: its identity, its name in its parent, and its subdirectories still to do."""

    name: str
    identity: tuple[int, int]
    left: list[str]


def remove_tree(path: Path) -> None:
    """Remove the directory `path` and everything in it. Raises OSError; what was removed by then stays removed."""
    above = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = os.open(path.name, _DIRECTORY, dir_fd=above)
        try:
            fd = _empty(fd, path)
        finally:
            os.close(fd)
        os.rmdir(path.name, dir_fd=above)
    finally:
        os.close(above)


def _empty(fd: int, path: Path) -> int:
    """Everything below; gives back the descriptor of the top, which may be another one."""
    levels = [_enter(fd, "", None, path)]
    device = levels[0].identity[0]
    while True:
        level = levels[-1]
        if level.left:
            name = level.left.pop()
            fd = _swap(fd, os.open(name, _DIRECTORY, dir_fd=fd))
            levels.append(_enter(fd, name, device, path))
        elif len(levels) == 1:
            return fd
        else:
            levels.pop()
            fd = _swap(fd, os.open("..", _DIRECTORY, dir_fd=fd))
            if _identity(fd) != levels[-1].identity:
                raise OSError(errno.EBUSY, "the tree was changed during its removal", str(path))
            os.rmdir(level.name, dir_fd=fd)


def _enter(fd: int, name: str, device: int | None, path: Path) -> _Level:
    """Unlink what is no directory, and list what is."""
    identity = _identity(fd)
    if device is not None and identity[0] != device:
        raise OSError(errno.EXDEV, "another filesystem or subvolume lies inside it", str(path))
    folders = []
    with os.scandir(fd) as listing:
        entries = list(listing)  # first, since a listing that loses entries under way may pass others over
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            folders.append(entry.name)
        else:
            os.unlink(entry.name, dir_fd=fd)
    return _Level(name, identity, folders)


def _swap(old: int, new: int) -> int:
    os.close(old)
    return new


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
            return skipped("another filesystem or subvolume lies inside it")
        return failed(f"{error.strerror}: {error.filename or path}")
