"""Unlinked files that a process keeps open: they fill the disk, and no walk finds them.

Each inode is reported once, under the first process that holds it. A file that was unlinked in a container but still
lies in a layer of its image takes no space of its own, and is left out. Refuses silence: processes that could not be
looked into are named in `unread`. One search serves a whole run, whoever asks and for whichever filesystem: on a host
with thousands of processes each costs seconds.
"""

from __future__ import annotations

import os
import re
import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from collectors.model import dataclass
from collectors.model.filesystem import Mount, OpenDeleted, OpenFiles
from collectors.model.reading import Exact, Origin, Reading, Unavailable, Why
from collectors.system import deadline, killable, mountinfo
from collectors.system.deadline import Clock, Declined, Host, Malformed, sees_all_processes
from collectors.system.killable import Asking
from collectors.system.mount_table import Overlays
from collectors.system.walk_result import BLOCK_BYTES

_SOURCE = "filesystem.open_deleted"
_CONTAINER = re.compile(rb"[0-9a-f]{64}")
_SOFT_SHARE = 0.9  # of the deadline: then the search stops by itself
_DESCRIPTORS, _MAPPINGS = "descriptors", "mappings"
_WORTH_TWO = 500  # processes
_CUT_SHORT = {
    Why.FAILED: "the search was ended before it was done",
    Why.TIMED_OUT: "the search was not finished in time",
}
_RECORD = (int, bytes, int, str, int, int, int, int, int, bytes, bytes, bytes)


@dataclass(frozen=True, slots=True)
class UnlinkedFile:
    """One file as found, and the mount that it was opened on, where its process's table tells."""

    file: OpenDeleted
    mount: Mount | None


@dataclass(frozen=True, slots=True)
class OpenFileSearch:
    """One pass over all processes. `opened` is what the watched pattern found in paths that some process has open.

    `whole`: every process that may be looked into was, to the end; else more may be open. `mapped`: what is mapped and
    not open any more was looked for too, and where processes work.
    """

    deleted: OpenFiles  # of every filesystem
    opened: frozenset[str]
    whole: bool
    mapped: bool


class ProcessSearch:
    """The search of one look, beside whatever else is read.

    Descriptors first. Reading mappings, and where processes work, takes longer: that is done only for who asks, once.
    """

    def __init__(self, host: Host, watched: str, clock: Clock, keep_s: float) -> None:
        self._host, self._watched, self._clock, self._keep_s = host, os.fsencode(watched), clock, keep_s
        self._call = f"open files in {host.proc}"
        self._found = _Found()
        self._lock = threading.Lock()
        self._first: Future[Reading[OpenFileSearch]] = Future()
        self._second: Reading[OpenFileSearch] | None = None
        self._thread = threading.Thread(target=self._look, name="open files", daemon=True)  # nobody may want to know

    def begin(self) -> None:
        """Unless it has begun. Who does not ask for the result does not wait for it."""
        with self._lock:
            if self._thread.ident is None:
                self._thread.start()

    def _look(self) -> None:
        self._first.set_result(self._pass(_DESCRIPTORS))

    def descriptors(self) -> Reading[OpenFileSearch]:
        """What processes have open; waits for it."""
        self.begin()
        return self._first.result()

    def with_mappings(self) -> Reading[OpenFileSearch]:
        """What processes have open or mapped, and where they work."""
        first = self.descriptors()
        with self._lock:
            if self._second is None:
                done = isinstance(first, Exact) and first.value.mapped
                self._second = first if done else self._pass(_MAPPINGS)
            return self._second

    def _pass(self, look: str) -> Reading[OpenFileSearch]:
        left_s = self._clock.left(keep=self._keep_s)
        until = time.monotonic() + left_s

        def work() -> OpenFileSearch:
            parts = _parts(self._host)
            self._ask((look,), parts, until)
            if self._found.rest and parts > 1:
                # Which small files two children have both counted cannot be told any more.
                self._found = _Found()
                self._ask((_DESCRIPTORS, _MAPPINGS), 1, until)
            return _joined(self._found, self._host, self._call, until)

        return deadline.read(_SOURCE, self._call, work, timeout_s=left_s + killable.GRACE_S)

    def _ask(self, looks: tuple[str, ...], parts: int, until: float) -> None:
        found = self._found
        found.mapped = _MAPPINGS in looks
        request: dict[str, Any] = {
            "task": "open files",
            "proc": os.fsencode(self._host.proc),
            "stop_at": time.monotonic() + (until - time.monotonic()) * _SOFT_SHARE,
            "watched": self._watched,
            "looks": looks,
        }
        with Asking(self._call, until) as asking:
            for part in range(parts):
                asking.start({**request, "part": (part, parts)})
            found.unfinished = parts
            for _, frame in asking.frames():
                killable.check(frame)
                found.take(frame)
        if found.unfinished:
            found.cut_short.add(Why.FAILED if time.monotonic() < request["stop_at"] else Why.TIMED_OUT)


def _parts(host: Host) -> int:
    """How many children share the work. Of a directory of directories the links tell how many there are."""
    many = host.proc.stat().st_nlink >= _WORTH_TWO
    return 2 if many and len(os.sched_getaffinity(0)) > 1 else 1


class _Found:
    """What the children of a search have sent."""

    def __init__(self) -> None:
        self.tables: dict[int, dict[int, Mount]] = {}
        self.held: dict[tuple[str, int], UnlinkedFile] = {}  # by device and inode, as the process sees them
        self.rest: list[UnlinkedFile] = []  # sums of files that nobody knows one by one
        self.opened: set[str] = set()
        self.failures: dict[int, tuple[int, int]] = {}  # errno → processes not looked into: how many, and the first
        self.unfinished = 0  # children that have not come to their end
        self.cut_short: set[Why] = set()  # why a pass was not done to its end
        self.mapped = False

    def take(self, frame: tuple[Any, ...]) -> None:
        """One frame. Raises Malformed."""
        match frame:
            case ("mounts", int(namespace), bytes(table)):
                self.tables[namespace] = {mount.mount_id: mount for mount in mountinfo.parse(table)}
            case ("files", list(records)):
                for record in records:
                    self._add(decode(record, self.tables))
            case ("opened", list(opened)):
                self.opened.update(map(os.fsdecode, opened))
            case ("end", bool(clean), list(failures)):
                self.unfinished -= clean
                self._fail(failures)

    def _add(self, item: UnlinkedFile) -> None:
        file = item.file
        if not file.inode:
            self.rest.append(item)
            return
        before = self.held.get((file.device, file.inode))
        if before is None or file.pid < before.file.pid:
            self.held[file.device, file.inode] = item

    def _fail(self, failures: list[tuple[int, int, int]]) -> None:
        for number, count, first in failures:
            known, before = self.failures.get(number, (0, first))
            self.failures[number] = known + count, min(before, first)


def deleted_on(search: Reading[OpenFileSearch], device: str | None) -> Reading[OpenFiles]:
    """Of a search the files on `device` ("254:0"; None: any filesystem)."""
    if isinstance(search, Unavailable):
        return search
    every = search.value.deleted
    files = tuple(file for file in every.files if device in (None, file.device))
    return Exact(OpenFiles(files, every.unread), search.origin)


def _joined(found: _Found, host: Host, call: str, until: float) -> OpenFileSearch:
    overlays = Overlays(mountinfo.of_the_engine(host))
    held = [_on_disk(item, overlays) for item in (*found.held.values(), *found.rest)]
    failures = [(number, count, first) for number, (count, first) in found.failures.items()]
    unread = _unread(host, call, failures)
    unread += [Unavailable(why, _CUT_SHORT[why], _now(call)) for why in sorted(found.cut_short)]
    try:
        held = _not_in_a_layer(held, overlays, host, call, until)
    except (Declined, OSError) as error:
        # Whether these bytes are an image's was not to be found out: what is reported is there for certain.
        held = [item for item in held if not _paths_in_layers(item, overlays, host)]
        why, detail = deadline.reason(error)
        unread.append(Unavailable(why, f"files of containers were not looked up in layers: {detail}", _now(call)))
    files = sorted((item.file for item in held), key=lambda file: (-file.allocated_bytes, file.device, file.inode))
    return OpenFileSearch(
        OpenFiles(tuple(files), tuple(unread)), frozenset(found.opened), not found.cut_short, found.mapped
    )


def decode(record: tuple[Any, ...], tables: dict[int, dict[int, Mount]]) -> UnlinkedFile:
    """One of the child's records. Raises Malformed."""
    if tuple(map(type, record)) != _RECORD:
        raise Malformed(f"not a record of an open file: {record!r}")
    pid, path, count, device, inode, blocks, apparent, mount, namespace, command, cgroup, stat_line = record
    file = OpenDeleted(
        device=device,
        inode=inode,
        allocated_bytes=blocks * BLOCK_BYTES,
        apparent_bytes=apparent,
        path=os.fsdecode(path) or f"{count} smaller files",
        pid=pid,
        command=os.fsdecode(command.rstrip(b"\n")),
        container=_container(cgroup),
        started_ticks=_started(stat_line),
    )
    return UnlinkedFile(file, tables.get(namespace, {}).get(mount))


def _container(cgroup: bytes) -> str:
    """The innermost container's id in /proc/<pid>/cgroup; "" for the host's own processes."""
    found = _CONTAINER.findall(cgroup)
    return found[-1].decode("ascii") if found else ""


def _started(stat_line: bytes) -> int | None:
    """Field 22 of /proc/<pid>/stat. The command, in parentheses before it, may hold spaces, parentheses, newlines."""
    fields = stat_line.rpartition(b")")[2].split()
    return int(fields[19]) if len(fields) > 19 and fields[19].isdigit() else None


def _on_disk(item: UnlinkedFile, overlays: Overlays) -> UnlinkedFile:
    # A mount tells the filesystem's own device, also on btrfs, where each subvolume shows another.
    if item.mount is None:
        return item
    return replace(item, file=replace(item.file, device=overlays.device_of(item.mount)))


def _paths_in_layers(item: UnlinkedFile, overlays: Overlays, host: Host) -> list[bytes]:
    """Where the file may lie in a layer, unlinked in the container only."""
    if item.mount is None or not item.file.inode:
        return []
    return [os.fsencode(host.here(path)) for path in overlays.lower_paths(item.mount, item.file.path)]


def _not_in_a_layer(
    held: list[UnlinkedFile], overlays: Overlays, host: Host, call: str, until: float
) -> list[UnlinkedFile]:
    """Without the files whose bytes an image layer still holds. Raises Declined, OSError, Malformed."""
    asked = [(item, paths) for item in held if (paths := _paths_in_layers(item, overlays, host))]
    if not asked:
        return held
    request = {"task": "still there", "questions": [(item.file.inode, paths) for item, paths in asked]}
    frame = killable.ask(request, f"{call}, layers", max(0.0, until - time.monotonic()))
    match frame:
        case ("still there", list(answers)):
            in_layer = {id(item) for (item, _), there in zip(asked, answers, strict=True) if there}
            return [item for item in held if id(item) not in in_layer]
    raise Malformed(f"not an answer about layers: {frame[:1]!r}")


def _unread(host: Host, call: str, failures: list[tuple[int, int, int]]) -> list[Unavailable]:
    origin = _now(call)
    unread = []
    if not sees_all_processes(host.proc):
        detail = "only processes of this container can be seen, not the host's"
        unread.append(Unavailable(Why.NOT_REACHABLE, detail, origin))
    for number, count, first in sorted(failures):
        why, detail = deadline.reason(OSError(number, os.strerror(number)))
        who = _name(host, first) if count == 1 else f"{count} processes, the first {_name(host, first)}"
        unread.append(Unavailable(why, f"{detail}: not looked into {who}", origin))
    return unread


def _name(host: Host, pid: int) -> str:
    """A process in words."""
    try:
        return f"process {pid} ({os.fsdecode((host.proc / str(pid) / 'comm').read_bytes()).strip()})"
    except OSError:
        return f"process {pid}"


def _now(call: str) -> Origin:
    return Origin(_SOURCE, call, datetime.now(UTC), 0.0)
