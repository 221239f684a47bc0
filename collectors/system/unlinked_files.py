"""Unlinked files that a process keeps open: they fill the disk, and no walk finds them.

Each inode is reported once, under the first process that holds it. A file that was unlinked in a container but still
lies in a layer of its image takes no space of its own, and is left out. Refuses silence: processes that could not be
looked into are named in `unread`. One search serves a whole run, whoever asks and for whichever filesystem: on a host
with thousands of processes each costs seconds.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from collectors.model import dataclass
from collectors.model.filesystem import Mount, OpenDeleted, OpenFiles
from collectors.model.reading import Exact, Origin, Reading, Unavailable, Why
from collectors.system import deadline, killable, mountinfo
from collectors.system.deadline import Declined, Host, Malformed
from collectors.system.killable import Asking
from collectors.system.mount_table import MountTree, path_within
from collectors.system.walk_result import BLOCK_BYTES

_SOURCE = "filesystem.open_deleted"
_CONTAINER = re.compile(rb"[0-9a-f]{64}")
_SOFT_SHARE = 0.9  # of the deadline: then the search stops by itself
_KERNEL_THREADS = 2  # the process that is every kernel's second, in the outermost namespace only


@dataclass(frozen=True, slots=True)
class UnlinkedFile:
    """One file as found, and the mount that it was opened on, where its process's table tells."""

    file: OpenDeleted
    mount: Mount | None


@dataclass(frozen=True, slots=True)
class OpenFileSearch:
    """One pass over all processes. `opened` is what the watched pattern found in paths that some process has open.

    `whole`: every process that may be looked into was, to the end; else more may be open.
    """

    deleted: OpenFiles  # of every filesystem
    opened: frozenset[str]
    whole: bool


def search_open_files(host: Host, *, watched: str = "", deadline_s: float) -> Reading[OpenFileSearch]:
    """Unlinked files that processes keep open or mapped, largest first, and what is `watched` for, by a pattern.

    The scan is bounded: of a process with very many such files the small ones come as one row with the inode 0. Source:
    /proc/<pid>/fd, cwd and maps.
    """
    call = f"open files in {host.proc}"
    until = time.monotonic() + deadline_s

    def work() -> OpenFileSearch:
        return _search(host, os.fsencode(watched), call, until)

    return deadline.read(_SOURCE, call, work, timeout_s=deadline_s + killable.GRACE_S)


def deleted_on(search: Reading[OpenFileSearch], device: str | None) -> Reading[OpenFiles]:
    """Of a search the files on `device` ("254:0"; None: any filesystem)."""
    if isinstance(search, Unavailable):
        return search
    every = search.value.deleted
    files = tuple(file for file in every.files if device in (None, file.device))
    return Exact(OpenFiles(files, every.unread), search.origin)


def _search(host: Host, watched: bytes, call: str, until: float) -> OpenFileSearch:
    tables: dict[int, dict[int, Mount]] = {}
    held: list[UnlinkedFile] = []
    failures: list[tuple[int, int, int]] = []
    opened: list[bytes] = []
    clean = False
    left_s = until - time.monotonic()
    request: dict[str, Any] = {
        "task": "open files",
        "proc": os.fsencode(host.proc),
        "stop_at": time.monotonic() + left_s * _SOFT_SHARE,
        "watched": watched,
    }
    with Asking(call, until) as asking:
        asking.start(request)
        for _, frame in asking.frames():
            killable.check(frame)
            match frame:
                case ("mounts", int(namespace), bytes(table)):
                    tables[namespace] = {mount.mount_id: mount for mount in mountinfo.parse(table)}
                case ("files", list(records)):
                    held += [decode(record, tables) for record in records]
                case ("opened", list(opened)):
                    pass
                case ("end", bool(clean), list(failures)):
                    pass
    overlays = Overlays(_host_table(host))
    held = [_on_disk(item, overlays) for item in held]
    unread = _unread(host, call, failures)
    if not clean and time.monotonic() < request["stop_at"]:
        unread.append(Unavailable(Why.FAILED, "the search was ended before it was done", _now(call)))
    elif not clean:
        unread.append(Unavailable(Why.TIMED_OUT, "the search was not finished in time", _now(call)))
    try:
        held = _not_in_a_layer(held, overlays, host, call, until)
    except (Declined, OSError) as error:
        # Whether these bytes are an image's was not to be found out: what is reported is there for certain.
        held = [item for item in held if not _paths_in_layers(item, overlays, host)]
        why, detail = deadline.reason(error)
        unread.append(Unavailable(why, f"files of containers were not looked up in layers: {detail}", _now(call)))
    files = sorted((item.file for item in held), key=lambda file: (-file.allocated_bytes, file.device, file.inode))
    names = frozenset(os.fsdecode(name) for name in opened)
    return OpenFileSearch(OpenFiles(tuple(files), tuple(unread)), names, clean)


def decode(record: tuple[Any, ...], tables: dict[int, dict[int, Mount]]) -> UnlinkedFile:
    """One of the child's records. Raises Malformed."""
    match record:
        case (
            int(pid),
            bytes(path),
            int(count),
            str(device),
            int(inode),
            int(blocks),
            int(apparent),
            int(mount),
            int(namespace),
            bytes(command),
            bytes(cgroup),
            bytes(stat_line),
        ):
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
    raise Malformed(f"not a record of an open file: {record!r}")


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


def _host_table(host: Host) -> tuple[Mount, ...]:
    """Of the first process, in whose namespace engines mount; else our own."""
    for process in ("1", "self"):
        with contextlib.suppress(OSError):
            return mountinfo.parse((host.proc / process / "mountinfo").read_bytes())
    return ()


def _unread(host: Host, call: str, failures: list[tuple[int, int, int]]) -> list[Unavailable]:
    origin = _now(call)
    unread = []
    if not _sees_all(host):
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


def _sees_all(host: Host) -> bool:
    try:
        return (host.proc / str(_KERNEL_THREADS) / "comm").read_bytes() == b"kthreadd\n"
    except OSError:
        return False


class Overlays:
    """The overlays of a machine, by the table of the namespace in which they were mounted: the host's."""

    def __init__(self, host: tuple[Mount, ...]) -> None:
        self._tree = MountTree(host)
        self._mountpoints = {mount.device: mount.mountpoint for mount in host if mount.fstype == "overlay"}

    def device_of(self, mount: Mount) -> str:
        """The device that a file on `mount` takes its space from: "254:0"."""
        upper = self._folders(mount, "upperdir")
        below = self._tree.of(upper[0]) if upper else None
        return mount.device if below is None else below.device

    def lower_paths(self, mount: Mount, path: str) -> list[str]:
        """Where the file at `path` (as seen inside the overlay) may still lie in a layer, unlinked only from above."""
        inside = path_within(path, mount).lstrip("/")
        return [f"{folder}/{inside}" for folder in self._folders(mount, "lowerdir")]

    def _folders(self, mount: Mount, option: str) -> list[str]:
        """Absolute paths. Where the options would be too long Docker gives them relative to the driver's directory."""
        if mount.fstype != "overlay":
            return []
        merged = self._mountpoints.get(mount.device, "/")  # <driver>/<layer>/merged
        home = os.path.dirname(os.path.dirname(merged))  # noqa: PTH120 - strings of another namespace
        folders = [folder for value in _values(mount.super_options, option) for folder in _split(value)]
        return [os.path.normpath(folder if folder[0] == "/" else f"{home}/{folder}") for folder in folders]


def _values(options: Iterable[str], name: str) -> Iterable[str]:
    # With the newer mount calls each layer is an option of its own: lowerdir+=/a,lowerdir+=/b
    return (value for key, _, value in (option.partition("=") for option in options) if key in (name, f"{name}+"))


def _split(folders: str) -> list[str]:
    """At colons that are not escaped; an empty part stands before layers that only hold data."""
    parts = folders.replace("\\:", "\0").split(":")
    return [part.replace("\0", ":") for part in parts if part]
