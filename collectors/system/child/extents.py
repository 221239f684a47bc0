"""Which files share extents: asked of each larger file by FIEMAP, where a filesystem holds less than its files say.

Walks by name on one device, each inode once. Sends only extents that the kernel calls shared, with who holds them.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
from time import monotonic

from collectors.system.child import send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FIEMAP = 0xC020660B
_HEAD, _EXTENT = struct.Struct("=QQIIII"), struct.Struct("=QQQQQIIII")
_AT_ONCE = 256
_LAST, _UNKNOWN, _DELAYED, _SHARED = 0x1, 0x2, 0x4, 0x2000
_MOST = 500_000  # extents that are sent: more is not looked into


def run(request: dict[str, Any]) -> None:
    """`path`, `units` (paths as bytes), `least` bytes of a file, `stop_at`.

    One frame: ("extents", whole, [(physical, bytes, place in `units` or -1, path in the host or b"")]).
    """
    search = Search(request)
    search.directory(request["path"], -1)
    while search.waiting and search.whole:
        search.directory(*search.waiting.pop())
    send(("extents", search.whole, search.found))


class Search:
    """The walk, and what it found."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.found: list[tuple[int, int, int, bytes]] = []
        self.waiting: list[tuple[bytes, int]] = []
        self.whole = True
        self._units = {path: index for index, path in enumerate(request["units"])}
        self._least, self._stop_at = request["least"], request["stop_at"]
        self._device = os.lstat(request["path"]).st_dev
        self._seen: set[int] = set()

    def directory(self, path: bytes, holder: int) -> None:
        """Everything right in one directory; those below it wait."""
        if monotonic() > self._stop_at or len(self.found) > _MOST:
            self.whole = False
            return
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    self._entry(entry, holder)
        except OSError:  # gone, or not ours to read
            return

    def _entry(self, entry: os.DirEntry[bytes], holder: int) -> None:
        status = entry.stat(follow_symlinks=False)
        if status.st_dev != self._device or status.st_ino in self._seen:
            return
        mine = self._units.get(entry.path, holder)
        if stat.S_ISDIR(status.st_mode):
            self._seen.add(status.st_ino)
            self.waiting.append((entry.path, mine))
        elif stat.S_ISREG(status.st_mode) and status.st_blocks * 512 >= self._least:
            self._seen.add(status.st_ino)
            for physical, length in shared_extents(entry.path):
                self.found.append((physical, length, mine, entry.path if mine < 0 else b""))


def shared_extents(path: bytes) -> list[tuple[int, int]]:
    """(physical, bytes) of the extents of a file that another file holds as well; none of one that cannot be asked."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return []
    found: list[tuple[int, int]] = []
    at = 0
    try:
        while True:
            buffer = bytearray(_HEAD.size + _AT_ONCE * _EXTENT.size)
            _HEAD.pack_into(buffer, 0, at, (1 << 64) - 1 - at, 0, 0, _AT_ONCE, 0)
            fcntl.ioctl(fd, _FIEMAP, buffer)
            count = _HEAD.unpack_from(buffer)[3]
            flags = _LAST
            for place in range(count):
                logical, physical, length, _, _, flags, *_ = _EXTENT.unpack_from(
                    buffer, _HEAD.size + place * _EXTENT.size
                )
                at = logical + length
                if flags & _SHARED and not flags & (_UNKNOWN | _DELAYED):
                    found.append((physical, length))
            if flags & _LAST:
                return found
    except OSError:  # a filesystem that does not tell
        return []
    finally:
        os.close(fd)
