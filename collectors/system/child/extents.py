"""Which files share extents: asked of each larger file by FIEMAP, where a filesystem holds less than its files say.

Walks by name on one device, each inode once. Sends only extents that the kernel calls shared, with who holds them.
Where the kernel lists the inodes of an XFS, it asks only of those that are large enough, and ends with the last.

And of one file on a btrfs what it alone holds: FIEMAP says which of its extents nobody else holds, the tree of its
subvolume how many bytes each takes on disk, which is more than the file shows of it where it was overwritten in part.

And of old files whether anybody has them open: the kernel is asked, not /proc, which may hide processes. Likewise which
files without a name an ext4 still keeps: somebody has each of them open. Layout: fs/ext4/ext4.h.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
from array import array
from time import monotonic

from collectors.system.child import send
from collectors.system.child.inodes import BulkReader, open_bulk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from collectors.system.child.ext4_tables import InodeTables

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
    search.waiting.append((request["path"], -1))
    while search.waiting and search.whole and search.wanted != set():
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
        now = monotonic()
        listed = listed_files(request["path"], self._least, now + _LIST_SHARE * (self._stop_at - now))
        self.wanted = listed  # and not met yet; None: whatever is large enough

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
        if self.wanted is not None and entry.inode() not in self.wanted and not entry.is_dir(follow_symlinks=False):
            return
        status = entry.stat(follow_symlinks=False)
        if status.st_dev != self._device or status.st_ino in self._seen:
            return
        mine = self._units.get(entry.path, holder)
        if stat.S_ISDIR(status.st_mode):
            self._seen.add(status.st_ino)
            self.waiting.append((entry.path, mine))
        elif stat.S_ISREG(status.st_mode) and status.st_blocks * 512 >= self._least:
            self._seen.add(status.st_ino)
            if self.wanted is not None:
                self.wanted.discard(status.st_ino)
            for physical, length in shared_extents(entry.path):
                self.found.append((physical, length, mine, entry.path if mine < 0 else b""))


_LIST_SHARE = 0.3  # of the time; a search by name is worth the rest, even one that does not end
_FEW_BYTES = 4096  # so much every file takes that takes anything


def listed_files(path: bytes, least: int, until: float) -> set[int] | None:
    """The inodes of an XFS's plain files of so many bytes.

    None where they are not listed, not by then, or nearly all of them would be.
    """
    if least <= _FEW_BYTES:
        return None
    root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if open_bulk(root) is None:
            return None
        found: set[int] = set()
        for some in BulkReader(root, os.fstatvfs(root).f_frsize).plain_files(least, nameless=False):
            found.update(some)
            if monotonic() > until:
                return None
        return found
    except OSError:
        return None
    finally:
        os.close(root)


def shared_extents(path: bytes) -> list[tuple[int, int]]:
    """(physical, bytes) of the extents of a file that another file holds as well; none of one that cannot be asked."""
    try:
        fd = os.open(path, _OPEN)
    except OSError:
        return []
    try:
        found = list(_mapped(fd))
    except OSError:  # a filesystem that does not tell
        return []
    finally:
        os.close(fd)
    return [
        (physical, length)
        for _, physical, length, flags in found
        if flags & _SHARED and not flags & (_UNKNOWN | _DELAYED)
    ]


def _mapped(fd: int) -> Iterator[tuple[int, int, int, int]]:
    """(offset in the file, physical, bytes, flags) of every extent. Raises OSError where nothing is told."""
    at = 0
    while True:
        buffer = bytearray(_HEAD.size + _AT_ONCE * _EXTENT.size)
        _HEAD.pack_into(buffer, 0, at, (1 << 64) - 1 - at, 0, 0, _AT_ONCE, 0)
        fcntl.ioctl(fd, _FIEMAP, buffer)
        flags = _LAST
        for place in range(_HEAD.unpack_from(buffer)[3]):
            logical, physical, length, _, _, flags, *_ = _EXTENT.unpack_from(buffer, _HEAD.size + place * _EXTENT.size)
            at = logical + length
            yield logical, physical, length, flags
        if flags & _LAST:
            return


_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TREE_SEARCH = 0xC0709411
_SEARCH = struct.Struct("<7Q3I4x32xQ")
_ITEM = struct.Struct("<QQQII")  # transaction, inode, offset in the file, type, bytes
_FILE_EXTENT = struct.Struct("<QQBBHBQQ")  # generation, bytes in memory, 3 encodings, kind, address, bytes on disk
_EXTENT_DATA, _INLINE = 108, 0
_SEARCH_BYTES = 64 << 10


def exclusive_bytes(name: bytes, folder: int) -> int | None:
    """What a file on a btrfs alone holds of its data, and gives back when it goes; None where it cannot be told now.

    Data that lies in the trees themselves counts as nothing, and so does a file that has another name still.
    """
    try:
        fd = os.open(name, _OPEN, dir_fd=folder)
    except OSError:
        return None
    try:
        status = os.fstat(fd)
        return 0 if status.st_nlink > 1 else _alone(fd, status.st_ino)
    except OSError:
        return None
    finally:
        os.close(fd)


def _alone(fd: int, inode: int) -> int | None:
    mapped = list(_mapped(fd))
    if any(flags & (_DELAYED | _UNKNOWN) for *_, flags in mapped):
        return None  # it is being written
    shared = [(logical, logical + length) for logical, _, length, flags in mapped if flags & _SHARED]
    alone: dict[int, int] = {}
    theirs: set[int] = set()
    at = 0
    for offset, address, count in _file_extents(fd, inode):
        while at < len(shared) and shared[at][1] <= offset:
            at += 1
        if at < len(shared) and shared[at][0] <= offset:
            theirs.add(address)
        alone[address] = count
    return sum(count for address, count in alone.items() if address not in theirs)


def _file_extents(fd: int, inode: int) -> Iterator[tuple[int, int, int]]:
    """(offset in the file, address, bytes on disk) of its extents, in order. CAP_SYS_ADMIN."""
    offset = 0
    while True:
        buffer = bytearray(_SEARCH.size + _SEARCH_BYTES)
        most = (1 << 64) - 1
        kind = _EXTENT_DATA
        _SEARCH.pack_into(buffer, 0, 0, inode, inode, offset, most, 0, most, kind, kind, 1 << 31, _SEARCH_BYTES)
        fcntl.ioctl(fd, _TREE_SEARCH, buffer)
        at = _SEARCH.size
        found = int.from_bytes(buffer[64:68], "little")
        for _ in range(found):
            _, _, offset, _, length = _ITEM.unpack_from(buffer, at)
            at += _ITEM.size
            if length >= _FILE_EXTENT.size:
                *_, kind, address, count = _FILE_EXTENT.unpack_from(buffer, at)
                if kind != _INLINE and address:
                    yield offset, address, count
            at += length
        if not found:
            return
        offset += 1


_LEASE_SIGNAL = 23  # SIGURG, which nobody minds


def leases(request: dict[str, Any]) -> None:
    """Whether nobody has the files at `paths` open or mapped.

    One frame: ("leases", [True for nobody, False for somebody, None: it cannot be told, as of a directory]).
    """
    send(("leases", [_closed(path) for path in request["paths"]]))


def _closed(path: bytes) -> bool | None:
    try:
        mode = os.lstat(path).st_mode
        return _leased(path) if stat.S_ISREG(mode) else None if stat.S_ISDIR(mode) else True
    except OSError:
        return None


def lease(fd: int) -> None:
    """A write lease, which ends with `fd`. Raises BlockingIOError where anybody else has the file open or mapped."""
    # Whoever opens it while the lease lasts would have us signalled, with SIGIO, which kills.
    fcntl.fcntl(fd, fcntl.F_SETSIG, _LEASE_SIGNAL)
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)


def _leased(path: bytes) -> bool | None:
    fd = os.open(path, _OPEN)
    try:
        lease(fd)
    except BlockingIOError:
        return False
    except OSError:
        return None
    finally:
        os.close(fd)
    return True


_UNLINKED_MAX = 100_000
_MODE, _NEXT, _LINKS = slice(0x00, 0x02), slice(0x14, 0x18), slice(0x1A, 0x1C)  # next: in the list, when it was deleted


def unlinked(request: dict[str, Any]) -> None:
    """The files without a name that an ext4 still keeps. One frame: ("unlinked", inodes, or None: it cannot be told).

    `path`, `device` (major, minor), `first`: where the list of them begins; `blocks`: (offset, bytes) of further ones.
    """
    from collectors.system.child.ext4_tables import open_tables

    tables = open_tables(request["path"], request["device"])
    send(("unlinked", None if tables is None else _nameless(tables, request["first"], request["blocks"])))


def _nameless(tables: InodeTables, number: int, blocks: list[tuple[int, int]]) -> list[int] | None:
    def inode(number: int) -> bytes:
        return os.pread(tables.device, 128, tables.layout.offset_of(number))

    numbers = array("I")
    for offset, count in blocks:
        numbers.frombytes(os.pread(tables.device, count, offset))
    try:
        met = {number: inode(number) for number in {*numbers} - {0}}
        while number and number not in met and len(met) < _UNLINKED_MAX:
            met[number] = inode(number)
            number = int.from_bytes(met[number][_NEXT], "little")
    except IndexError:  # it is being changed, or not what we take it for
        return None
    too_many = number and number not in met
    return None if too_many else [number for number, found in met.items() if _is_nameless_file(found)]


def _is_nameless_file(inode: bytes) -> bool:
    mode, links = (int.from_bytes(inode[field], "little") for field in (_MODE, _LINKS))
    return stat.S_ISREG(mode) and not links
