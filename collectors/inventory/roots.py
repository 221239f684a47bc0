"""Where Docker keeps its data, as this process can open it; and what can be said of a disk that it cannot open.

That is so inside a container, and of a remote engine.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from collectors.drivers import container_roots
from collectors.drivers.containerd import SYSTEM_CONTAINERD
from collectors.drivers.containerd_store import serves_others
from collectors.drivers.inner import EngineProcess, containerd_roots, engine_processes, root_behind
from collectors.engine.endpoint import DEFAULT
from collectors.engine.locality import keep_root, last_known
from collectors.filesystems import kind_of
from collectors.inventory import filesystem
from collectors.inventory.filesystem import Request, facts_line
from collectors.model.engine import Engine, EngineView, Volume, all_unread
from collectors.model.filesystem import Filesystem, Mount
from collectors.model.reading import Exact, Origin, Reading, Unavailable, Why, listed
from collectors.model.snapshot import FilesystemStudy, Snapshot, SourceReport
from collectors.model.store import Store
from collectors.system import deadline
from collectors.system.deadline import Clock, Host
from collectors.system.mount_table import Places, host_view_from_container, must_answer, within
from collectors.system.mount_table import space as statvfs

_BY_CUSTOM = "the usual places"
_USUAL = ("/var/lib/docker", "/var/lib/containers/storage")


def docker_root(request: Request, engine: Reading[Engine], local: Reading[bool], clock: Clock) -> Reading[str]:
    """The flag, else what a local engine says, else where it was last known to be, else the usual places.

    A remote engine has none here. Where a silent engine's root is known and cannot be seen, no other place stands in.
    """
    origin = Origin("docker.root", "which directory", datetime.now(UTC), 0.0)
    if (where := elsewhere(request, engine, local)) is not None:
        return Unavailable(Why.NOT_REACHABLE, where, origin)
    named, source = _named(request, engine)
    others = _beside(request, engine) if source == _BY_CUSTOM else ()
    timeout_s = clock.left(at_most=5.0)

    def find() -> str:
        for path in (*named, *others):
            found = _directory(path, timeout_s)
            if found is not None and (path in named or serves_others(Path(found))):
                return found
        raise deadline.Declined(Why.NOT_REACHABLE, f"no directory {' or '.join(named)} here (from {source})")

    found = deadline.read("docker.root", f"stat {named[0]} (from {source})", find, timeout_s=timeout_s)
    if isinstance(engine, Exact) and engine.value.root and isinstance(found, Exact):
        keep_root(request.host, request.endpoint, engine.value.root)
    return found


def _named(request: Request, engine: Reading[Engine]) -> tuple[list[str], str]:
    """The directories that it may be, and who says so."""
    host = request.host
    if host.docker_root is not None:
        return [str(host.docker_root)], "--docker-root"
    if isinstance(engine, Exact) and engine.value.root:
        return [str(host.here(engine.value.root))], "the engine"
    if (known := last_known(host, request.endpoint)) is not None:
        return [str(host.here(known[0]))], known[1]
    return [str(host.here(path)) for path in _USUAL], _BY_CUSTOM


def _beside(request: Request, engine: Reading[Engine]) -> list[str]:
    """Where there is no engine, nobody asked for one and none was here: the roots of a containerd."""
    gone = isinstance(engine, Unavailable) and engine.why is Why.NOT_REACHABLE
    if request.endpoint.source != DEFAULT or not gone:
        return []
    return [str(request.host.here(path)) for path in containerd_roots(request.host)]


def as_it_applies(snapshot: Snapshot) -> EngineView:
    """What the engine told; where none stands above a containerd, that there is nothing to be told."""
    view = snapshot.engine
    if not snapshot.alone or isinstance(view.engine, Exact):
        return view
    why = "a containerd with no engine above it: ctr, nerdctl or crictl ask it"
    return all_unread(Unavailable(Why.NOT_APPLICABLE, why, view.engine.origin))


def without_asking(request: Request, clock: Clock) -> str | None:
    """Where the root is before the engine has said so: named by the user, or the usual place of the usual engine."""
    asked = request.host.docker_root
    if asked is None and (request.endpoint.remote or request.endpoint.source != DEFAULT):
        return None
    path = str(asked if asked is not None else request.host.here(_USUAL[0]))
    timeout_s = clock.left(at_most=1.0)
    found = deadline.read("docker.root", f"stat {path}", lambda: _directory(path, timeout_s), timeout_s=timeout_s)
    return found.value if isinstance(found, Exact) else None


def _directory(path: str, timeout_s: float) -> str | None:
    """The directory, without links; None where there is none.

    A child that can be killed asks first: a mount that never answers would keep this process from ending.
    """
    with suppress(OSError):
        must_answer(Path(path), timeout_s=max(0.0, timeout_s - 0.5))
    return os.path.realpath(path) if Path(path).is_dir() else None


def elsewhere(request: Request, engine: Reading[Engine], local: Reading[bool]) -> str | None:
    """Why the engine that was asked has no root here, in words; None where it has one, or may have.

    A directory of the same name proves nothing: behind a tunnel on localhost there may be any machine's engine.
    """
    if request.endpoint.remote or (isinstance(local, Exact) and not local.value):
        return "the engine runs on another machine"
    if isinstance(engine, Unavailable) or isinstance(local, Exact):
        return None
    unproven = request.endpoint.socket is None and request.host.docker_root is None
    return local.detail if unproven or local.why is Why.INCONSISTENT else None


def likely_home(request: Request, engine: Reading[Engine], places: Places) -> tuple[str, Mount] | None:
    """Where a Docker root would usually be, and the filesystem there: of use where neither it nor an engine was found.

    None where somebody said where the root is, or where this looks like the inside of a container.
    """
    if request.host.docker_root is not None or isinstance(engine, Exact):
        return None
    path = str(request.host.here(_USUAL[0]))
    mount = places.mount_of(path)
    return None if mount is None or mount.fstype in container_roots() else (path, mount)


def containerd_root(
    request: Request, clock: Clock, engine: Reading[Engine], engines: Iterable[EngineProcess]
) -> Path | None:
    """Where the engine's containerd keeps its data outside the Docker root: by its socket, else the system's."""
    socket = engine.value.containerd if isinstance(engine, Exact) else ""

    def find() -> str:
        return os.path.realpath(request.host.here(root_behind(socket, engines) or SYSTEM_CONTAINERD))

    found = deadline.read("containerd.root", "stat", find, timeout_s=clock.left(at_most=2.0))
    return Path(found.value) if isinstance(found, Exact) and Path(found.value).is_dir() else None


def mounted_by(volume: Volume, host: Host, clock: Clock) -> str | None:
    """The directory or disk of the host that an engine mounts where a container uses the volume; None: its own folder.

    `docker volume create -o type=none -o o=bind -o device=/srv/db`, or `-o type=ext4 -o device=/dev/sdc1`.
    """
    device = volume.options.get("device", "")
    if not device.startswith("/"):
        return None  # it has none, or it lies on another machine
    path, timeout_s = str(host.here(device)), clock.left(at_most=1.0)
    if within(path, "/dev"):
        return os.path.realpath(path)
    found = deadline.read("volume", f"stat {path}", lambda: _directory(path, timeout_s), timeout_s=timeout_s)
    return found.value if isinstance(found, Exact) else None


def filesystems(root: str, store: Reading[Store], mounted: Iterable[str], places: Places) -> list[Mount]:
    """The filesystems that hold the engine's data, that of the root first; `mounted`: what its volumes are made of."""
    homes = [places.home_of(root)]
    if isinstance(store, Exact) and isinstance(store.value.units, Exact):
        homes += [places.home_of(unit.path) for unit in store.value.units.value]
    homes += [places.home_of(path) for path in places.disks_below(root)]
    homes += [mount for path in mounted if (mount := places.disk_of(path)) is not None]
    found: dict[str, Mount] = {}
    for mount in homes:
        if mount is not None:
            found.setdefault(mount.device, mount)
    return list(found.values())


def running_engines(request: Request, named: tuple[tuple[int, str], ...], clock: Clock) -> tuple[EngineProcess, ...]:
    """Those among the `named` processes. Their configuration is read where they see it, which may hang."""

    def find() -> tuple[EngineProcess, ...]:
        return engine_processes(request.host, named)

    return listed(deadline.read("processes", "engines", find, timeout_s=clock.left(at_most=2.0)))


Found = tuple[FilesystemStudy, tuple[SourceReport, ...]]


def from_container(request: Request, mounts: tuple[Mount, ...], view: EngineView, clock: Clock) -> Found | None:
    """The host's filesystem through the bind mount of /etc/hostname: its fill, and what the filesystem tells of itself.

    None where this is no container, or not one of the engine that was asked (it lists no container of our id).
    """
    seen = host_view_from_container(request.host, mounts)
    if isinstance(seen, Unavailable):
        return None
    inside = seen.value
    if isinstance(view.containers, Exact) and inside.container_id not in {c.id for c in view.containers.value}:
        return None
    mount = next(m for m in reversed(mounts) if m.mountpoint == inside.path)
    space = statvfs(Path(inside.path), timeout_s=clock.left(at_most=5.0))
    detail = "the Docker root is not mounted in this container: bind it read-only to see who holds the bytes"
    unseen = Unavailable(Why.NOT_REACHABLE, detail, seen.origin)
    kind, timeout_s = kind_of(mount.fstype), clock.left(at_most=5.0)
    found = kind.unopened(mount, Path(inside.path), request.host, unseen, timeout_s=timeout_s)
    own = found.own or kind.own(mount, request.host, timeout_s=timeout_s)
    here = Filesystem(mount, space)
    study = FilesystemStudy(
        here, (), unseen, found.facts, own.bytes, unseen, (), found.snapshots, found.beyond_mount, own.inodes
    )
    lines = [
        filesystem.line("docker root", unseen),
        filesystem.line(f"statvfs through {inside.path}", space),
        filesystem.line("bytes by holder", unseen),
        filesystem.line("filesystem's own bytes", own.bytes),
        filesystem.line("deleted but open", unseen),
    ]
    if found.facts is not None:
        lines.append(facts_line(mount, found.facts))
    return study, tuple(lines)


def remote_study(why: Unavailable) -> Found:
    """A filesystem of which nothing is known but what the engine claims."""
    origin = Origin("statvfs", "not asked", datetime.now(UTC), 0.0)
    unknown = Unavailable(why.why, why.detail, origin)
    mount = Mount(0, 0, "", "/", "?", (), "unknown", "unknown", ())
    study = FilesystemStudy(
        Filesystem(mount, unknown), (), unknown, None, unknown, unknown, (), unknown, False, unknown
    )
    return study, (filesystem.line("filesystem", unknown),)
