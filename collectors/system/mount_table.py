"""Which mount a path is on, what lies beside it, and how much room its filesystem says that it has.

Lookups in one mount table are pure. Room: refuses to mix what root may use with what users may use.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from collectors.model import ContainerId
from collectors.model.filesystem import ContainerView, FsSpace, Mount
from collectors.model.reading import Reading, Why
from collectors.system import deadline, killable
from collectors.system.deadline import Declined, Host, Malformed

_ROOT = -1  # stands for the parent of the mount that has none


class MountTree:
    """The mount table as the kernel walks it: from the root, crossing at the first mountpoint that the path meets.

    So a mount that is covered by a later one on a directory above it is not taken for visible. The order of the table
    says nothing about that.
    """

    def __init__(self, mounts: tuple[Mount, ...]) -> None:
        known = {mount.mount_id for mount in mounts}
        self._on: dict[tuple[int, str], Mount] = {}
        self._children: dict[int, list[Mount]] = {}
        for mount in mounts:
            is_root = mount.parent_id == mount.mount_id or mount.parent_id not in known
            parent = _ROOT if is_root else mount.parent_id
            self._on[parent, mount.mountpoint] = mount
            self._children.setdefault(parent, []).append(mount)

    def of(self, path: str) -> Mount | None:
        """The mount that `path` (absolute, normal, without links) resolves into; None where the table has no root."""
        here: Mount | None = None
        for prefix in _prefixes(path):
            while (over := self._on.get((_ROOT if here is None else here.mount_id, prefix))) is not None:
                here = over
        return here

    def children(self, mount: Mount) -> tuple[Mount, ...]:
        """The mounts that lie directly on `mount`."""
        return tuple(self._children.get(mount.mount_id, ()))


class Places:
    """Which mount a path is on, asked many times: the one that the kernel resolves it into.

    The longest mountpoint above a path is not always it: engines bind their root over itself, and where that does not
    carry along what was mounted below, a disk in there is covered and the path leads to the directory under it.
    """

    def __init__(self, mounts: tuple[Mount, ...]) -> None:
        self.mounts = mounts
        self._tree = MountTree(mounts)

    def mount_of(self, path: str) -> Mount | None:
        """The mount of `path` (absolute, without links)."""
        return self._tree.of(path)

    def widest(self, mount: Mount) -> Mount:
        """The mount that shows the most of the same filesystem and all that `mount` shows; often itself.

        Engines bind their root over itself: seen through that bind, a filesystem would end at the Docker root.
        """
        around = (m for m in self.mounts if m.device == mount.device and within(mount.root, m.root))
        seen = [m for m in around if self.mount_of(m.mountpoint) is m]
        return min(seen, key=lambda m: (len(m.root), not within(mount.mountpoint, m.mountpoint)), default=mount)

    def home_of(self, path: str) -> Mount | None:
        """Through which mount the filesystem of `path` is best studied."""
        mount = self.mount_of(path)
        return None if mount is None else self.widest(mount)

    def on(self, path: str, mount: Mount) -> bool:
        """Whether `path` lies on the filesystem of `mount`, through whatever mount of it.

        dockerd binds `<root>/btrfs` over itself: the same filesystem under another mount.
        """
        here = self.mount_of(path)
        return here is not None and here.device == mount.device

    def under(self, path: str, mount: Mount) -> bool:
        """Whether `path` is reached through `mount` itself."""
        here = self.mount_of(path)
        return here is not None and here.mount_id == mount.mount_id

    def disks_below(self, folder: str) -> list[str]:
        """Where a whole disk is mounted within a folder, as an engine does it for a volume that is one."""
        whole = (m for m in self.mounts if m.root == "/" and m.source.startswith("/dev/"))
        return [m.mountpoint for m in whole if within(m.mountpoint, folder) and self.mount_of(m.mountpoint) is m]

    def disk_of(self, path: str) -> Mount | None:
        """The filesystem of a directory, or on a disk by its own path, where it is on a disk and mounted here."""
        on = next((m.mountpoint for m in self.mounts if m.source == path and self.mount_of(m.mountpoint) is m), path)
        home = self.home_of(on)
        return home if home is not None and home.source.startswith("/dev/") else None

    def covered(self, mount: Mount) -> tuple[str, ...]:
        """Directories of `mount` that are mountpoints of another filesystem."""
        seen = (m for m in self.mounts if self.mount_of(m.mountpoint) is m)
        others = (m.mountpoint for m in seen if m.device != mount.device and m.mountpoint != "/")
        return tuple(sorted({path for path in others if self._above(path) == mount.mount_id}))

    def _above(self, mountpoint: str) -> int | None:
        holder = self.mount_of(mountpoint.rpartition("/")[0] or "/")
        return holder.mount_id if holder is not None else None

    def inside(self, path: str) -> str:
        """`path` from the top of its filesystem, without a leading slash; a mountpoint is the directory below it."""
        here = self.mount_of(path)
        if here is not None and here.mountpoint == path and path != "/":
            above = self.mount_of(path.rpartition("/")[0] or "/")
            here = above if above is not None and above.device != here.device else here
        return (path if here is None else path_within(path, here)).strip("/")


# Files that an engine binds from the container's own directory under its root into every container.
_BOUND = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")
# Docker: <root>/containers/<id>/hostname · Podman: <root>/overlay-containers/<id>/userdata/hostname
_CONTAINER = re.compile(r"(?P<root>.*)/(?:overlay-)?containers/(?P<id>[0-9a-f]{64})/(?P<podman>userdata/)?[^/]+")


def filesystem_of(path: Path, mounts: tuple[Mount, ...]) -> Mount | None:
    """The mount that `path` (absolute, without links) resolves into; None where the table holds no root for it."""
    return MountTree(mounts).of(os.path.normpath(path))


def within(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies below it, by name."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def below(path: str, folder: str) -> str:
    """`path`, which is `folder` or lies below it, relative to it: "" for the folder itself."""
    return path[len(folder.rstrip("/")) :].strip("/")


def path_within(path: str, mount: Mount) -> str:
    """`path`, which lies on `mount`, as a path from the root of its filesystem."""
    rest = below(path, mount.mountpoint)
    return f"{mount.root.rstrip('/')}/{rest}" if rest else mount.root


def host_view_from_container(host: Host, mounts: tuple[Mount, ...]) -> Reading[ContainerView]:
    """Inside a container that has only the socket: where to ask for the host's filesystem, and which container we are.

    NOT_APPLICABLE where nothing is bound over /etc/hostname, /etc/hosts or /etc/resolv.conf: this is no container.
    """

    def look() -> ContainerView:
        for name in _BOUND:
            path = str(host.here(name))
            for mount in mounts:
                found = _CONTAINER.fullmatch(mount.root) if mount.mountpoint == path else None
                if found:
                    return ContainerView(
                        container_id=ContainerId(found["id"]),
                        path="/" if found["podman"] else path,
                        device=mount.device,
                        fstype=mount.fstype,
                        source=mount.source,
                        docker_root=found["root"] or "/",
                    )
        raise Declined(Why.NOT_APPLICABLE, "no file of a container is bound here")

    return deadline.read("filesystem.container", "mount table", look, timeout_s=1.0)


def _prefixes(path: str) -> Iterator[str]:
    """`/`, `/var`, `/var/lib` …"""
    yield "/"
    at = 0
    while path != "/" and at >= 0:
        at = path.find("/", at + 1)
        yield path if at < 0 else path[:at]


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


def space(mountpoint: Path, *, timeout_s: float) -> Reading[FsSpace]:
    """statvfs of the filesystem that holds `mountpoint`, in bytes and inodes.

    A mount that does not answer costs `timeout_s` once; while it hangs it is not asked again.
    """
    call = f"statvfs {mountpoint}"
    request = {"task": "statvfs", "path": os.fsencode(mountpoint)}
    return deadline.read(
        "filesystem.space",
        call,
        lambda: decode(killable.ask(request, call, timeout_s)),
        timeout_s=timeout_s + killable.GRACE_S,
    )


_LATELY_S = 1.0
_answered: dict[bytes, float] = {}  # path → when, on time.monotonic()


def must_answer(path: Path, *, timeout_s: float) -> None:
    """Have a child ask for `path` first, before this process does: Declined where its mount does not answer.

    Raises OSError as statvfs does. A thread of ours that hangs there would keep us from ever ending. What answered a
    moment ago is not asked again: the proof that the engine runs here and the search for its root ask for one path.
    """
    asked = os.fsencode(path)
    if time.monotonic() - _answered.get(asked, -_LATELY_S) < _LATELY_S:
        return
    killable.ask({"task": "statvfs", "path": asked}, f"statvfs {path}", timeout_s)
    _answered[asked] = time.monotonic()


def decode(frame: tuple[object, ...]) -> FsSpace:
    """The child's answer. Raises Malformed, and Declined where the filesystem does not say how large it is."""
    match frame:
        case (
            "statvfs",
            int(fsid),
            int(unit),
            int(blocks),
            int(free),
            int(available),
            int(files),
            int(files_free),
            int(files_available),
            int(flags),
        ):
            if not blocks:
                raise Declined(Why.NOT_REPORTED, "the filesystem names no size")
            return FsSpace(
                fsid=fsid,
                block_bytes=unit,
                total_bytes=blocks * unit,
                free_bytes=free * unit,
                available_bytes=available * unit,
                inodes=files,
                inodes_free=files_free,
                inodes_available=files_available,
                read_only=bool(flags & os.ST_RDONLY),
            )
    raise Malformed(f"not an answer of statvfs: {frame!r}")
