"""Unlinked files that processes hold: by descriptor, then by mapping. Asks no filesystem that might not answer.

What the kernel knows of an inode it tells without asking the filesystem's server. Every process gets a first share of
descriptors looked at before any gets a second, so that one with a million does not hide the others. Sends raw figures:
which filesystem an overlay's file really lies on is the parent's to say.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import stat
import struct
from itertools import islice
from time import monotonic

from collectors.system.child import TimeUp, send

TYPE_CHECKING = False

_AT_FDCWD = -100
_AT_NO_AUTOMOUNT = 0x800
_AT_STATX_DONT_SYNC = 0x4000
_BASIC_STATS = 0x7FF
_MNT_ID = 0x1000  # Linux 5.8; the field stays 0 before
# struct statx: nlink, mode, ino, size, blocks, device, mnt_id
_LAYOUT = struct.Struct("<16x I 8x H 2x QQQ 80x II Q")

_libc = ctypes.CDLL(None, use_errno=True)
_buffer = ctypes.create_string_buffer(256)


class InodeStatus:
    """One inode. `blocks` of 512 bytes; `mount` is the id of the mount that the path led to, 0 for unknown."""

    __slots__ = ("apparent", "blocks", "device", "inode", "is_file", "links", "mount")

    def __init__(self, mode: int, links: int, device: str, inode: int, blocks: int, apparent: int, mount: int) -> None:
        self.is_file = stat.S_ISREG(mode)
        self.links = links
        self.device = device
        self.inode = inode
        self.blocks = blocks
        self.apparent = apparent
        self.mount = mount


def statx(path: bytes) -> InodeStatus:
    """Follows `path`, also through the links of /proc. Raises OSError."""
    if not hasattr(_libc, "statx"):  # an old musl
        old = os.stat(path)
        device = f"{os.major(old.st_dev)}:{os.minor(old.st_dev)}"
        return InodeStatus(old.st_mode, old.st_nlink, device, old.st_ino, old.st_blocks, old.st_size, 0)
    flags = _AT_NO_AUTOMOUNT | _AT_STATX_DONT_SYNC
    if _libc.statx(_AT_FDCWD, path, flags, _BASIC_STATS | _MNT_ID, _buffer):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    links, mode, inode, size, blocks, major, minor, mount = _LAYOUT.unpack_from(_buffer)
    return InodeStatus(mode, links, f"{major}:{minor}", inode, blocks, size, mount)


if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TypeAlias

    # process, path or b"", how many files, device, inode or 0, blocks of 512 bytes, apparent bytes, mount
    Record: TypeAlias = tuple[int, bytes, int, str, int, int, int, int]

_DELETED = b" (deleted)"
_SHARE = 4096  # descriptors of one process, looked at in one turn
_MAPS_BYTES = 1 << 18  # of its mappings likewise
# Memory that only looks like a file.
_NO_FILES = (b"/memfd:", b"/SYSV", b"/dev/zero", b"/anon_hugepage", b"/[aio]", b"/drm ", b"/i915")
_GONE = (errno.ENOENT, errno.ESRCH)  # the process ended, the descriptor was closed


def run(request: dict[str, Any]) -> None:
    """Frames: ("mounts", namespace, table), ("files", records), ("opened", names), ("end", clean, failures).

    `looks`: what is looked at, "descriptors", "mappings" or both. `part`: (which, of how many) parts of the processes.
    `watched` is a pattern: what it finds in the paths of files that are open, mapped or worked in is told as `names`.
    """
    search = _Search(request["proc"], request["stop_at"], request["watched"], request["part"])
    clean = True
    try:
        for look in request["looks"]:
            search.descriptors() if look == "descriptors" else search.mappings()
    except TimeUp:
        clean = False
    search.tell()
    send(("opened", sorted(search.opened)))
    send(("end", clean, [(number, *rest) for number, rest in search.failures.items()]))


class _Search:
    def __init__(self, proc: bytes, stop_at: float, watched: bytes, part: tuple[int, int]) -> None:
        self.failures: dict[int, tuple[int, int]] = {}  # errno → processes not looked into: how many, and the first
        self.opened: set[bytes] = set()
        self._watched = re.compile(watched).findall if watched else None
        self._proc = proc
        self._part, self._parts = part
        self._stop_at = stop_at
        self._found = UnlinkedFiles()
        self._namespaces: dict[int, int] = {}  # process → its mount namespace
        self._started: dict[int, bytes] = {}  # process → its line in stat, as it was before its files were looked at
        self._sent: set[int] = set()
        self._failed: set[int] = set()

    def descriptors(self) -> None:
        """Look through /proc/<pid>/fd."""
        turn = [(pid, self._links(pid)) for pid in self._processes()]
        while turn:
            turn = [(pid, links) for pid, links in turn if self._share(pid, links)]
            self.tell()

    def mappings(self) -> None:
        """Look through /proc/<pid>/maps: what is mapped stays, also when its descriptor was closed. And cwd."""
        for pid in self._processes():
            self._in_time()
            if self._watched is not None:
                self.opened.update(self._watched(self._target(self._of(pid, "cwd"))))
            try:
                fd = os.open(self._of(pid, "maps"), os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                self._fail(pid, error)
                continue
            try:
                self._mapped(pid, fd)
            except OSError as error:
                self._fail(pid, error)
            finally:
                os.close(fd)
        self.tell()

    def _mapped(self, pid: int, maps: int) -> None:
        seen: set[tuple[bytes, bytes]] = set()
        rest = b""
        while part := os.read(maps, _MAPS_BYTES):  # some programs map a file a million times
            self._in_time()
            text, _, rest = (rest + part).rpartition(b"\n")
            if self._watched is not None:
                self.opened.update(self._watched(text))
            if _DELETED in text:  # nearly never
                self._unlinked(pid, text.split(b"\n"), seen)

    def _unlinked(self, pid: int, lines: list[bytes], seen: set[tuple[bytes, bytes]]) -> None:
        for line in lines:
            if not line.endswith(_DELETED):
                continue
            area, _, _, device, inode, path = line.split(None, 5)
            if (device, inode) not in seen:
                seen.add((device, inode))
                self._look(pid, path, self._of(pid, "map_files/") + area)

    def tell(self) -> None:
        """Send what was found since the last time."""
        found = []
        for record in self._found.take():
            pid = record[0]
            namespace = self._namespaces.get(pid, 0)
            if namespace not in self._sent:
                self._sent.add(namespace)
                send(("mounts", namespace, self._read(pid, "mountinfo")))
            stat_line = self._started.get(pid, b"")
            found.append((*record, namespace, self._read(pid, "comm"), self._read(pid, "cgroup"), stat_line))
        if found:
            send(("files", found))

    def _share(self, pid: int, links: Iterator[bytes]) -> bool:
        """Look at one share of the descriptors. Whether there may be more."""
        share = list(islice(links, _SHARE))
        try:
            targets = [os.readlink(link) for link in share]
        except OSError:  # one was closed meanwhile
            targets = [self._target(link) for link in share]
        text = b"\n".join(targets)  # asked once for all
        if self._watched is not None:
            self.opened.update(self._watched(text))
        if _DELETED in text:
            for link, target in zip(share, targets, strict=True):
                if target.endswith(_DELETED):
                    self._look(pid, target, link)
        self._in_time()
        return len(share) == _SHARE

    def _target(self, link: bytes) -> bytes:
        """What a link of /proc leads to; b"" where it is gone, or may not be seen."""
        try:
            return os.readlink(link)
        except OSError:
            return b""

    def _links(self, pid: int) -> Iterator[bytes]:
        """Descriptors by path; the directory is opened when the first is asked for."""
        try:
            with os.scandir(self._of(pid, "fd")) as entries:
                for entry in entries:
                    yield entry.path
        except OSError as error:
            self._fail(pid, error)

    def _look(self, pid: int, target: bytes, link: bytes) -> None:
        if target.startswith(_NO_FILES):
            return
        if pid not in self._started:
            # First this, then the file: were another process to get the number in between, it would show by its start.
            self._started[pid] = self._read(pid, "stat")
        try:
            status = statx(link)
        except OSError as error:
            self._fail(pid, error)
            return
        if status.links or not status.is_file:
            return  # it is really called like this, or has another name left
        if pid not in self._namespaces:
            try:
                self._namespaces[pid] = os.stat(self._of(pid, "ns/mnt")).st_ino
            except OSError:
                self._namespaces[pid] = -pid  # of its own, as far as we can tell
        self._found.add(pid, target.removesuffix(_DELETED), status)

    def _fail(self, pid: int, error: OSError) -> None:
        if error.errno not in _GONE and pid not in self._failed:
            self._failed.add(pid)
            count, first = self.failures.get(error.errno or 0, (0, pid))
            self.failures[error.errno or 0] = count + 1, first

    def _processes(self) -> list[int]:
        return sorted(int(name) for name in os.listdir(self._proc) if name.isdigit())[self._part :: self._parts]

    def _of(self, pid: int, name: str) -> bytes:
        return b"%s/%d/%s" % (self._proc, pid, name.encode())

    def _read(self, pid: int, name: str) -> bytes:
        """b"" where the process has ended."""
        try:
            with open(self._of(pid, name), "rb") as file:
                return file.read()
        except OSError:
            return b""

    def _in_time(self) -> None:
        if monotonic() >= self._stop_at:
            raise TimeUp


_ONE_BY_ONE = 10_000
_LARGE_BLOCKS = 2048  # beyond that many, only files of 1 MiB and more keep their name


class UnlinkedFiles:
    """Of what is small and too many only the sum is kept, per process and mount."""

    def __init__(self) -> None:
        self._met: set[tuple[str, int]] = set()
        self._records: list[Record] = []
        self._rest: dict[tuple[int, str, int], list[int]] = {}
        self._named = 0

    def add(self, pid: int, path: bytes, status: InodeStatus) -> None:
        """Take one file in, unless it was met before: in another process, or by another descriptor."""
        identity = (status.device, status.inode)
        if identity in self._met:
            return
        self._met.add(identity)
        limit = _ONE_BY_ONE if status.blocks < _LARGE_BLOCKS else 2 * _ONE_BY_ONE
        if self._named < limit:
            self._named += 1
            where = (status.device, status.inode, status.blocks, status.apparent, status.mount)
            self._records.append((pid, path, 1, *where))
            return
        rest = self._rest.setdefault((pid, status.device, status.mount), [0, 0, 0])
        rest[0] += 1
        rest[1] += status.blocks
        rest[2] += status.apparent

    def take(self) -> list[Record]:
        """What came since the last call."""
        taken = self._records + [
            (pid, b"", count, device, 0, blocks, apparent, mount)
            for (pid, device, mount), (count, blocks, apparent) in self._rest.items()
        ]
        self._records, self._rest = [], {}
        return taken
