"""One filesystem, studied: free space, holders of its bytes, its own share, deleted files that are still open.

Its units are the directories that Docker makes, and bind mounts: a pure join by path. Owners that only make sense
across sources are named here: a log is an owner of its own, so that it can be cut while its container lives; a proven
orphan belongs to itself, and so does what an interrupted write or a former driver left. `Request` is what a look is
asked to read; each source of it gets a row of coverage.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from collectors import drivers
from collectors.drivers.inner import leftovers, without_opened
from collectors.drivers.leftovers import open_nowhere
from collectors.engine.endpoint import Endpoint
from collectors.filesystems import kind_of
from collectors.filesystems.base import StudyQuestion
from collectors.filesystems.limits_and_reflinks import project_quotas
from collectors.model import ContainerId, Owner, OwnerKind, UnitId, dataclass
from collectors.model.engine import Container
from collectors.model.filesystem import Filesystem, Mount, OpenFiles, OwnUse
from collectors.model.reading import AtLeast, Between, Exact, Reading, Size, Unavailable, Why, reason
from collectors.model.snapshot import FilesystemFacts, FilesystemStudy, Outcome, Snapshot, SourceReport
from collectors.model.store import Orphanhood, Store, Unit, UnitKind
from collectors.system import deadline
from collectors.system.deadline import Clock, Host
from collectors.system.mount_table import Places, within
from collectors.system.mount_table import space as statvfs
from collectors.system.mountinfo import with_loop_devices
from collectors.system.unlinked_files import OpenFileSearch, ProcessSearch, deleted_on

PROBE = "probe container"  # the source of what a container sees of the disk


def line(source: str, reading: Reading[object] | Size, partly: Iterable[Unavailable] = ()) -> SourceReport:
    """The line of one reading; `partly` are parts inside an answer that were not read."""
    took_s = reading.origin.took_s
    match reading:
        case Unavailable():
            return SourceReport(source, Outcome.UNREAD, reason(reading), took_s)
        case AtLeast(missing=missing):
            return SourceReport(source, Outcome.PARTIAL, _reasons(missing), took_s)
        case Between(method=method):
            return SourceReport(source, Outcome.PARTIAL, method, took_s)
        case Exact():
            gaps = tuple(partly)
            if gaps:
                return SourceReport(source, Outcome.PARTIAL, _reasons(gaps), took_s)
            return SourceReport(source, Outcome.READ, "", took_s)


def missing(*readings: Reading[object] | Size) -> tuple[Unavailable, ...]:
    """Those of the readings that are not there; what makes no sense here is not missing."""
    return tuple(r for r in readings if isinstance(r, Unavailable) and r.why is not Why.NOT_APPLICABLE)


def _reasons(gaps: Iterable[Unavailable]) -> str:
    told = list(dict.fromkeys(reason(gap) for gap in gaps))
    return "; ".join(told[:3]) + (f"; and {len(told) - 3} more" if len(told) > 3 else "")


OnPart = Callable[[Snapshot, tuple[str, ...]], None]


@dataclass(frozen=True, slots=True)
class Bound:
    """This process lives in a container that was started moments ago, with the Docker root bound into it by the engine.

    So its own mount table shows what is mounted below the root.
    """

    driver: str  # the engine's, which is not asked from here
    container: ContainerId | None  # this one


@dataclass(frozen=True, slots=True)
class Request:
    """One look. `deadline_s` is the time for the whole look; what is not done by then says so."""

    endpoint: Endpoint
    host: Host
    deadline_s: float
    grace_s: float  # a directory that nobody knows is no orphan before this age
    bound: Bound | None = None


def cache_folder(host: Host) -> Path | None:
    """Where sources may keep figures of what cannot change; None keeps nothing."""
    return host.state


def docker_units(store: Store, mount: Mount, places: Places) -> tuple[Unit, ...]:
    """The units of the store that lie on `mount`, with their owners completed."""
    if not isinstance(store.units, Exact):
        return ()
    orphans: frozenset[UnitId] = frozenset()
    if isinstance(store.orphans, Exact):
        orphans = frozenset(p.unit for p in store.orphans.value if p.verdict is Orphanhood.ORPHAN)
    here = (unit for unit in store.units.value if places.on(unit.path, mount))
    stays = not store.driver_facts.clears_unfinished
    return tuple(_owned(unit, orphans, stays) for unit in here)


def _owned(unit: Unit, orphans: frozenset[UnitId], stays: bool) -> Unit:
    if unit.kind is UnitKind.LOG:
        names = (owner.id for owner in unit.owners if owner.kind is OwnerKind.CONTAINER)
        return replace(unit, owners=frozenset(Owner(OwnerKind.LOG, name) for name in names))
    if unit.id in orphans:
        return replace(unit, owners=frozenset({Owner(OwnerKind.ORPHAN, unit.path)}))
    if unit.kind is UnitKind.OTHER_DRIVER or (unit.kind is UnitKind.INTERRUPTED_WRITE and stays):
        return replace(unit, owners=frozenset({Owner(OwnerKind.LEFTOVER, unit.path)}))
    return unit


def bind_units(
    containers: Iterable[Container], volumes: Mapping[str, str], docker_root: str, mount: Mount, places: Places
) -> tuple[Unit, ...]:
    """Host directories that containers mount, or volumes by `volumes`, each once, named after who does.

    They have no owners: removing the container or volume does not remove them. A directory that holds the Docker root,
    or the root of the filesystem, would swallow everything else and is left out.
    """
    users: dict[str, set[str]] = {}
    for source, user in (*_bound(containers), *((path, f"volume {name}") for name, path in volumes.items())):
        if within(docker_root, source) or within(source, docker_root):
            continue
        if source != mount.mountpoint and places.on(source, mount):
            users.setdefault(source, set()).add(user)
    outer = [path for path in sorted(users) if not any(path != other and within(path, other) for other in users)]
    return tuple(
        Unit(UnitId(path), UnitKind.BIND, path, ", ".join(sorted(users[path])), frozenset(), False, None)
        for path in outer
    )


def _bound(containers: Iterable[Container]) -> Iterator[tuple[str, str]]:
    """The directories of the host that containers mount, each with the container's name."""
    for container in containers:
        for attached in container.attachments:
            if attached.kind == "bind" and attached.source.startswith("/"):
                yield os.path.normpath(attached.source), container.name


@dataclass(frozen=True, slots=True)
class StudyContext:
    """What is known before a filesystem is studied."""

    request: Request
    clock: Clock
    places: Places
    docker_root: str
    store: Reading[Store]
    containers: tuple[Container, ...]
    volumes: Mapping[str, str]  # those that are a directory or disk of the host → that
    processes: ProcessSearch  # the one of the look
    asked: Mount | None  # whose fill was asked for at the beginning, and stands where it cannot be asked for again


def study(context: StudyContext, mount: Mount) -> tuple[FilesystemStudy, tuple[SourceReport, ...]]:
    """Everything about one filesystem, its parts side by side."""
    mountpoint, clock, host = Path(mount.mountpoint), context.clock, context.request.host
    kind = kind_of(mount.fstype)
    with ThreadPoolExecutor(4, thread_name_prefix="study") as pool:
        # A question costs a process.
        first = pool.submit(statvfs, mountpoint, timeout_s=clock.left(at_most=5.0)) if mount != context.asked else None
        own = pool.submit(kind.own, mount, host, timeout_s=clock.left(at_most=10.0))
        found = pool.submit(kind.holders, _question(context, mount)).result()
        # Again, so that it is of the same moment as the holders: their walk may have committed what was dirty.
        again = statvfs(mountpoint, timeout_s=clock.left(at_most=5.0))
        space = again if isinstance(again, Exact) or first is None else first.result()
        taken = own.result() if found.own is None else found.own
        opened = _opened(context, mount, found.units, taken)
        answer = FilesystemStudy(
            Filesystem(mount, space),
            without_opened(found.units, opened),
            found.occupancy,
            found.facts,
            taken.bytes,
            _deleted(context, mount, opened),
            context.places.covered(mount),
            found.snapshots,
            found.beyond_mount,
            taken.inodes,
            project_quotas(mount, found.units),
        )
    return answer, _reports(answer)


def _opened(context: StudyContext, mount: Mount, units: tuple[Unit, ...], own: OwnUse) -> Reading[OpenFileSearch]:
    """The search, with mappings unless they cannot tell more.

    They cannot where the kernel says that nobody else has the leftovers open, and every file without a name was found.
    """
    seen = context.processes.descriptors()
    if not isinstance(seen, Exact):
        return seen
    found = Counter(file.inode for file in seen.value.deleted.files if file.device == mount.device)
    left = open_nowhere(leftovers(units, seen.value), timeout_s=context.clock.left(at_most=2.0))
    if own.unlinked is not None and Counter(own.unlinked) <= found and all(left.values()):
        return seen
    every = context.processes.with_mappings()
    if not isinstance(every, Exact):
        return every
    held = every.value.opened | {Path(path).name for path, nowhere in left.items() if nowhere is False}
    return replace(every, value=replace(every.value, opened=held))


def _deleted(context: StudyContext, mount: Mount, opened: Reading[OpenFileSearch]) -> Reading[OpenFiles]:
    """The deleted files that a process or a loop device keeps on this filesystem."""
    found = deleted_on(opened, mount.device)
    if isinstance(found, Unavailable):
        return found
    host, mounts = context.request.host, context.places.mounts
    looked = deadline.read(
        "filesystem.loop",
        mount.mountpoint,
        lambda: with_loop_devices(found.value, mount, host, mounts),
        timeout_s=context.clock.left(at_most=2.0),
    )
    return Exact(looked.value if isinstance(looked, Exact) else found.value, found.origin)


def _question(context: StudyContext, mount: Mount) -> StudyQuestion:
    host = context.request.host
    units = _units(context, mount)
    return StudyQuestion(mount, host, context.places, units, context.docker_root, context.clock, cache_folder(host))


def _units(context: StudyContext, mount: Mount) -> tuple[Unit, ...]:
    units: tuple[Unit, ...] = ()
    if isinstance(context.store, Exact):
        units = docker_units(context.store.value, mount, context.places)
        if (bound := context.request.bound) is not None and bound.container is not None:
            units = (*units, *drivers.records_of(context.store.value, bound.container))
    return (*units, *bind_units(context.containers, context.volumes, context.docker_root, mount, context.places))


def _reports(study: FilesystemStudy) -> tuple[SourceReport, ...]:
    where = study.filesystem.mount.mountpoint
    lines = [line(f"statvfs {where}", study.filesystem.space)]
    gaps = study.occupancy.value.unread if isinstance(study.occupancy, Exact) else ()
    lines.append(line("bytes by holder", study.occupancy, gaps))
    lines.append(line("filesystem's own bytes", study.own))
    open_gaps = study.open_deleted.value.unread if isinstance(study.open_deleted, Exact) else ()
    lines.append(line("deleted but open", study.open_deleted, open_gaps))
    if study.quotas is not None:
        lines.append(line("project quotas", study.quotas))
    if study.filesystem_facts is not None:
        lines.append(facts_line(study.filesystem.mount, study.filesystem_facts))
    return tuple(lines)


def facts_line(mount: Mount, facts: Reading[FilesystemFacts]) -> SourceReport:
    """The line of what the filesystem tells of itself, with those parts that were not there."""
    return line(mount.fstype, facts, facts.value.unread if isinstance(facts, Exact) else ())
