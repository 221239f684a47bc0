"""One directory as a person opens it: its entries at once, then what each folder in it holds.

And what of each layer of an image is hidden by those above it. The way there is opened component by component without
following a link, so that a name that somebody swaps for a link meanwhile leads nowhere. Never enters another
filesystem, and reads names and sizes only.
"""

from __future__ import annotations

import os
import stat
from time import monotonic

from collectors.system.child import send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Row = tuple[bytes, str, int, int, float]

_CHUNK = 5_000
_MOST_ALONE, _ALONE_S = 2_000, 2.0
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY, _FILE, _LINK, _OTHER, _AWAY = "directory", "file", "link", "other", "mount"


def run(request: dict[str, Any]) -> None:
    """`path` of a thing, a directory or one file, and `inside`: names below it. Frames:

    ("entries", rows of (name, kind, allocated, apparent, modified)) until all are told, ("listed",), where `alone` asks
    for it ("alone", [(name, bytes that only this file holds)]), and for each directory
    ("below", name, allocated, apparent, entries). Hard links are counted once. Raises OSError.
    """
    whole = os.lstat(request["path"])
    if not stat.S_ISDIR(whole.st_mode):
        row = _row(os.path.basename(request["path"]), whole, whole.st_dev)
        send(("entries", [row]))
        send(("listed",))
        if request["alone"]:
            _tell_alone(os.open(os.path.dirname(request["path"]), _FOLDER), [row])
        return
    fd = os.open(request["path"], _FOLDER)
    for name in request["inside"]:
        deeper = os.open(name, _FOLDER, dir_fd=fd)
        os.close(fd)
        fd = deeper
    device = os.fstat(fd).st_dev
    folders, files = _entries(fd, device)
    send(("listed",))
    if request["alone"]:
        _tell_alone(fd, files)
    seen: set[int] = set()
    for name in folders:
        send(("below", name, *_below(fd, name, device, seen)))


def _tell_alone(fd: int, files: list[Row]) -> None:
    """What the largest files alone hold, as many as can be asked in a moment."""
    from collectors.system.child.extents import exclusive_bytes

    stop_at = monotonic() + _ALONE_S
    told: list[tuple[bytes, int]] = []
    for name, _, allocated, *_ in sorted(files, key=lambda row: -row[2])[:_MOST_ALONE]:
        held = exclusive_bytes(name, fd) if allocated else 0
        if held is not None:
            told.append((name, held))
        if monotonic() > stop_at:
            break
    send(("alone", told))


def _entries(fd: int, device: int) -> tuple[list[bytes], list[Row]]:
    """Send every entry; the names of the directories, and the rows of the files."""
    rows: list[Row] = []
    folders: list[bytes] = []
    files: list[Row] = []
    with os.scandir(fd) as entries:
        for entry in entries:
            name = os.fsencode(entry.name)
            try:
                row = _row(name, entry.stat(follow_symlinks=False), device)
            except OSError:  # it went meanwhile
                continue
            rows.append(row)
            if row[1] == _DIRECTORY:
                folders.append(name)
            elif row[1] == _FILE:
                files.append(row)
            if len(rows) >= _CHUNK:
                send(("entries", rows))
                rows = []
    send(("entries", rows))
    return folders, files


def _row(name: bytes, found: os.stat_result, device: int) -> Row:
    kind = _OTHER
    if stat.S_ISDIR(found.st_mode):
        kind = _DIRECTORY if found.st_dev == device else _AWAY
    elif stat.S_ISREG(found.st_mode):
        kind = _FILE
    elif stat.S_ISLNK(found.st_mode):
        kind = _LINK
    return name, kind, found.st_blocks * 512, found.st_size, found.st_mtime


def _below(above: int, name: bytes, device: int, seen: set[int]) -> tuple[int, int, int]:
    """Allocated and apparent bytes of everything in a directory, itself included, and how many entries there are."""
    allocated = apparent = count = 0
    try:
        fd = os.open(name, _FOLDER, dir_fd=above)
    except OSError:
        return 0, 0, 0
    try:
        own = os.fstat(fd)
        if own.st_dev != device:
            return 0, 0, 0
        allocated += own.st_blocks * 512
        folders = []
        with os.scandir(fd) as entries:
            for entry in entries:
                try:
                    found = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                count += 1
                if stat.S_ISDIR(found.st_mode):
                    folders.append(os.fsencode(entry.name))
                elif found.st_nlink == 1 or found.st_ino not in seen:
                    allocated += found.st_blocks * 512
                    apparent += found.st_size
                    if found.st_nlink > 1:
                        seen.add(found.st_ino)
        for folder in folders:
            more = _below(fd, folder, device, seen)
            allocated, apparent, count = allocated + more[0], apparent + more[1], count + more[2]
    except (OSError, RecursionError):  # what is deeper than anybody opens stays uncounted
        return allocated, apparent, count
    finally:
        os.close(fd)
    return allocated, apparent, count


_WHITEOUT, _OPAQUE = b".wh.", b".wh..wh..opq"
_OPAQUE_MARKS = ("trusted.overlay.opaque", "user.overlay.opaque")


def stack(request: dict[str, Any]) -> None:
    """`layers`: the directory of each, base first, with only what it changes. Frames, the last layer first:

    ("wasted", place, bytes, entries): of that layer what later ones overwrite, delete, or hide a directory with. One
    that cannot be read sends ("unread", place, reason), and so does every one below it.
    """
    above = _Changes()
    reason = ""
    for place in reversed(range(len(request["layers"]))):
        layer = _Layer(above)
        if not reason:
            try:
                fd = os.open(request["layers"][place], _FOLDER)
            except OSError as error:
                reason = error.strerror or str(error)
            else:
                reason = layer.read(fd, b"", hidden=False)
        send(("unread", place, reason) if reason else ("wasted", place, layer.wasted_bytes, layer.wasted_count))
        above.add(layer.changes)


class _Changes:
    """Paths that layers have: `files` are all but directories, deletions included, `opaque` hide what is below."""

    def __init__(self) -> None:
        self.files: set[bytes] = set()
        self.folders: set[bytes] = set()
        self.opaque: set[bytes] = set()

    def add(self, other: _Changes) -> None:
        self.files |= other.files
        self.folders |= other.folders
        self.opaque |= other.opaque


class _Layer:
    def __init__(self, above: _Changes) -> None:
        self.changes = _Changes()
        self.wasted_bytes = self.wasted_count = 0
        self._above = above
        self._names: dict[int, int] = {}  # inode → how many of its names are hidden

    def read(self, fd: int, path: bytes, *, hidden: bool) -> str:
        """Everything below an open directory, which is closed; why not all of it, "" for all."""
        try:
            with os.scandir(fd) as entries:
                found = [(os.fsencode(entry.name), entry.stat(follow_symlinks=False)) for entry in entries]
            for name, status in found:
                if reason := self._entry(fd, name, status, path + b"/" + name, hidden):
                    return reason
        except (OSError, RecursionError) as error:
            return str(getattr(error, "strerror", None) or error)
        finally:
            os.close(fd)
        return ""

    def _entry(self, fd: int, name: bytes, status: os.stat_result, path: bytes, hidden: bool) -> str:
        gone = hidden or path in self._above.files
        if stat.S_ISDIR(status.st_mode):
            self._waste(status, gone)
            self.changes.folders.add(path)
            below = os.open(name, _FOLDER, dir_fd=fd)
            if _is_opaque(below):
                self.changes.opaque.add(path)
            return self.read(below, path, hidden=gone or path in self._above.opaque)
        if name == _OPAQUE:
            self.changes.opaque.add(os.path.dirname(path))
        elif name.startswith(_WHITEOUT):
            self.changes.files.add(os.path.dirname(path) + b"/" + name.removeprefix(_WHITEOUT))
        else:
            if not (stat.S_ISCHR(status.st_mode) and status.st_rdev == 0):
                self._waste(status, gone or path in self._above.folders)
            self.changes.files.add(path)
        return ""

    def _waste(self, status: os.stat_result, gone: bool) -> None:
        """A file with several names is wasted once all of them are hidden."""
        if not gone:
            return
        self.wasted_count += 1
        self._names[status.st_ino] = self._names.get(status.st_ino, 0) + 1
        if stat.S_ISDIR(status.st_mode) or self._names[status.st_ino] == status.st_nlink:
            self.wasted_bytes += status.st_blocks * 512


def _is_opaque(fd: int) -> bool:
    for mark in _OPAQUE_MARKS:
        try:
            if os.getxattr(fd, mark) == b"y":
                return True
        except OSError:
            continue
    return False
