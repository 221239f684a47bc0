"""A filesystem's fill and who writes, looked at once a second for as long as somebody asks.

What a process has written is counted by the kernel when it dirties pages, so a writer shows at once, seconds before
anything reaches the disk. Takes at most a hundredth of a processor for the processes, however many there are.
"""

from __future__ import annotations

import os
import re
import stat
from time import monotonic, process_time, sleep

from collectors.system.child import send, space

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CONTAINER = re.compile(rb"[0-9a-f]{64}")
_WRITTEN = re.compile(rb"^write_bytes: (\d+)", re.MULTILINE)
_SHARE = 0.01
_KERNEL = 2  # the parent of the kernel's threads
_LOOKED_INTO, _DESCRIPTORS = 3, 64
_BY_ITSELF = b"conmon"  # in its container's control group, and what it writes is the log


class Processes:
    """What each process has written so far, and whose it is.

    `path` lies on the filesystem that is meant, and so does what the `known` containers write.
    """

    def __init__(self, proc: bytes, path: bytes, known: frozenset[bytes]) -> None:
        self._proc, self._path, self._known = proc, path, known
        self._whose: dict[int, tuple[bytes, bytes, int]] = {}  # process → container or b"", command, parent
        self._before: dict[int, int] = {}
        self._sizes: dict[tuple[int, int], int] = {}  # device and inode of a file that was written → its length
        self.grown: list[tuple[int, bytes, int]] = []  # process, directory as it calls it, bytes: its files' growth
        self._here: set[int] = set()  # processes that had a file of the filesystem open for writing

    def written(self) -> list[tuple[int, bytes, bytes, int, int, bool]]:
        """Rows of (process, container or b"", command, parent, bytes, is it here) of those that wrote anything.

        What the kernel counts does not say where. Other processes than those of known containers, be they the host's
        or another engine's, are here once they were seen with a file of this filesystem open.
        """
        there = {int(name) for name in os.listdir(self._proc) if name.isdigit()}
        for gone in self._whose.keys() - there:
            del self._whose[gone]
        found = [row for pid in there if (row := self._row(pid)) is not None]
        self._find(found)
        self._before = {row[0]: row[4] for row in found}
        return [(*row, row[1] in self._known or row[0] in self._here) for row in found]

    def _row(self, pid: int) -> tuple[int, bytes, bytes, int, int] | None:
        count = self._count(pid)
        whose = self._whose.get(pid) or self._look(pid) if count else None
        if whose is None:
            return None
        self._whose[pid] = container, command, parent = whose
        return None if parent == _KERNEL or (container and command == _BY_ITSELF) else (pid, *whose, count)

    def _find(self, rows: list[tuple[int, bytes, bytes, int, int]]) -> None:
        """Look where the fastest write, of the known containers and of the other processes as many each."""
        self._here &= {row[0] for row in rows}
        grown = sorted(((row[4] - self._before.get(row[0], row[4]), *row[:2]) for row in rows), reverse=True)
        known = [one for one in grown if one[2] in self._known]
        others = [one for one in grown if one[2] not in self._known]
        sizes: dict[tuple[int, int], int] = {}
        self.grown = []
        for more, pid, container in (*known[:_LOOKED_INTO], *others[:_LOOKED_INTO]):
            if more > 0 and (files := self._files(pid)):
                self._here.add(pid)
                if not container or container in self._known:  # of another engine's nobody knows whose paths these are
                    self._compare(pid, more, files, sizes)
        self._sizes = sizes

    def _compare(
        self, pid: int, more: int, files: dict[tuple[int, int], tuple[bytes, int]], sizes: dict[tuple[int, int], int]
    ) -> None:
        """Note which directories a process' files grew in; a file that is new here by no more than it has written."""
        known = {key: size - self._sizes[key] for key, (_, size) in files.items() if key in self._sizes}
        left = max(0, more - sum(known.values()))
        for key, (path, size) in files.items():
            sizes[key] = size
            by = known[key] if key in known else min(size, left)
            left -= 0 if key in known else by
            if by > 0:
                self.grown.append((pid, os.path.dirname(path), by))

    def _files(self, pid: int) -> dict[tuple[int, int], tuple[bytes, int]]:
        """Path and length of each file of this filesystem that the process has open for writing."""
        folder, found = b"%s/%d/fd" % (self._proc, pid), {}
        try:
            names = os.listdir(folder)[:_DESCRIPTORS]
        except OSError:
            return {}
        for name in names:
            file = b"%s/%s" % (folder, name)
            try:
                if self._is_here(file):
                    status = os.stat(file)
                    found[status.st_dev, status.st_ino] = (os.readlink(file), status.st_size)
            except OSError:  # closed meanwhile
                continue
        return found

    def _is_here(self, file: bytes) -> bool:
        """Is an open file one of this filesystem, open for writing? Raises OSError."""
        if not os.lstat(file).st_mode & stat.S_IWUSR or not os.readlink(file).startswith(b"/"):
            return False
        device = os.stat(file).st_dev
        if os.major(device):
            return device == os.stat(self._path).st_dev
        return os.statvfs(file).f_blocks == os.statvfs(self._path).f_blocks  # a subvolume, or a container's own view

    def _count(self, pid: int) -> int:
        read = self._read(pid, b"io")
        match = _WRITTEN.search(read) if read is not None else None
        return int(match[1]) if match is not None else 0

    def _look(self, pid: int) -> tuple[bytes, bytes, int] | None:
        group, status = self._read(pid, b"cgroup"), self._read(pid, b"stat")
        if group is None or status is None:
            return None
        ids = _CONTAINER.findall(group)
        command, _, rest = status.partition(b"(")[2].rpartition(b")")
        fields = rest.split()
        return ids[-1] if ids else b"", command, int(fields[1]) if len(fields) > 1 else 0

    def _read(self, pid: int, name: bytes) -> bytes | None:
        try:
            fd = os.open(b"%s/%d/%s" % (self._proc, pid, name), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # it has ended, or is none of ours to look into
            return None
        try:
            return os.read(fd, 4096)
        except OSError:
            return None
        finally:
            os.close(fd)


def run(request: dict[str, Any]) -> None:
    """`path`, `proc`, `logs`: {name: paths}, `known`: containers, `period_s`. A frame each period while somebody reads:

    ("tick", seconds, statvfs as `space` gives it, {log's name: bytes}, rows of `Processes.written` or None, and with
    them rows of (process, directory, bytes that its files there grew by)).
    """
    processes = Processes(request["proc"], request["path"], frozenset(request["known"]))
    look_at = 0.0
    while True:
        begun = monotonic()
        figures = space(request["path"])
        logs = {name: _size(paths) for name, paths in request["logs"].items()}
        rows = None
        if begun >= look_at:
            spent = process_time()
            rows = processes.written()
            look_at = begun + max(0.0, (process_time() - spent) / _SHARE - request["period_s"] / 2)
        send(("tick", begun, figures, logs, rows, processes.grown if rows is not None else []))
        sleep(max(0.05, request["period_s"] - (monotonic() - begun)))


def _size(paths: list[bytes]) -> int:
    count = 0
    for path in paths:
        try:
            count += os.stat(path).st_size
        except OSError:
            continue
    return count
