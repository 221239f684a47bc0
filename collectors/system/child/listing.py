"""One directory as a person opens it: its entries at once, then what each folder in it holds.

The way to it is opened component by component without following a link, so that a name that somebody swaps for a link
meanwhile leads nowhere. Never enters another filesystem, and reads names and sizes only.
"""

from __future__ import annotations

import os
import stat

from collectors.system.child import send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CHUNK = 5_000
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY, _FILE, _LINK, _OTHER, _AWAY = "directory", "file", "link", "other", "mount"


def run(request: dict[str, Any]) -> None:
    """`path` of a thing, a directory or one file, and `inside`: names below it. Frames:

    ("entries", rows of (name, kind, allocated, apparent, modified)) until all are told, ("listed",), and for each
    directory ("below", name, allocated, apparent, entries). Hard links are counted once. Raises OSError.
    """
    whole = os.lstat(request["path"])
    if not stat.S_ISDIR(whole.st_mode):
        send(("entries", [_row(os.path.basename(request["path"]), whole, whole.st_dev)]))
        send(("listed",))
        return
    fd = os.open(request["path"], _FOLDER)
    for name in request["inside"]:
        deeper = os.open(name, _FOLDER, dir_fd=fd)
        os.close(fd)
        fd = deeper
    device = os.fstat(fd).st_dev
    folders = _entries(fd, device)
    send(("listed",))
    seen: set[int] = set()
    for name in folders:
        send(("below", name, *_below(fd, name, device, seen)))


def _entries(fd: int, device: int) -> list[bytes]:
    rows: list[tuple[bytes, str, int, int, float]] = []
    folders = []
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
            if len(rows) >= _CHUNK:
                send(("entries", rows))
                rows = []
    send(("entries", rows))
    return folders


def _row(name: bytes, found: os.stat_result, device: int) -> tuple[bytes, str, int, int, float]:
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
