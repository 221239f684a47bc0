"""One filesystem, studied: room, holders of its bytes, its own share, deleted files that are still open."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from collectors import drivers
from collectors.filesystems import kind_of
from collectors.filesystems.base import KEEP_S, StudyQuestion
from collectors.inventory import coverage
from collectors.inventory.request import Request, cache_folder
from collectors.inventory.units import bind_units, docker_units
from collectors.model.engine import Container
from collectors.model.facts import FilesystemFacts
from collectors.model.filesystem import Filesystem, Mount
from collectors.model.reading import Exact, Reading
from collectors.model.snapshot import FilesystemStudy, SourceReport
from collectors.model.store import Store, Unit
from collectors.system.deadline import Clock
from collectors.system.places import Places
from collectors.system.statvfs import space as statvfs
from collectors.system.unlinked_files import open_deleted


@dataclass(frozen=True, slots=True)
class StudyContext:
    """What is known before a filesystem is studied."""

    request: Request
    clock: Clock
    places: Places
    docker_root: str
    store: Reading[Store]
    containers: tuple[Container, ...]


def study(context: StudyContext, mount: Mount) -> tuple[FilesystemStudy, tuple[SourceReport, ...]]:
    """Everything about one filesystem, its parts side by side."""
    mountpoint, clock, host = Path(mount.mountpoint), context.clock, context.request.host
    kind = kind_of(mount.fstype)
    with ThreadPoolExecutor(4, thread_name_prefix="study") as pool:
        first = pool.submit(statvfs, mountpoint, timeout_s=clock.left(at_most=5.0))
        own = pool.submit(kind.own_bytes, mount, host, timeout_s=clock.left(at_most=10.0))
        opened = pool.submit(open_deleted, host, mount.device, deadline_s=clock.left(keep=KEEP_S))
        found = pool.submit(kind.holders, _question(context, mount)).result()
        # Again, so that it is of the same moment as the holders: their walk may have committed what was dirty.
        again = statvfs(mountpoint, timeout_s=clock.left(at_most=5.0))
        space = again if isinstance(again, Exact) else first.result()
        answer = FilesystemStudy(
            Filesystem(mount, space),
            found.units,
            found.occupancy,
            found.facts,
            own.result() if found.own is None else found.own,
            opened.result(),
            context.places.covered(mount),
            found.snapshots,
            found.beyond_mount,
        )
    return answer, _reports(answer)


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
    return (*units, *bind_units(context.containers, context.docker_root, mount, context.places))


def _reports(study: FilesystemStudy) -> tuple[SourceReport, ...]:
    where = study.filesystem.mount.mountpoint
    lines = [coverage.line(f"statvfs {where}", study.filesystem.space)]
    gaps = study.occupancy.value.unread if isinstance(study.occupancy, Exact) else ()
    lines.append(coverage.line("bytes by holder", study.occupancy, gaps))
    lines.append(coverage.line("filesystem's own bytes", study.own))
    open_gaps = study.open_deleted.value.unread if isinstance(study.open_deleted, Exact) else ()
    lines.append(coverage.line("deleted but open", study.open_deleted, open_gaps))
    if study.filesystem_facts is not None:
        lines.append(facts_line(study.filesystem.mount, study.filesystem_facts))
    return tuple(lines)


def facts_line(mount: Mount, facts: Reading[FilesystemFacts]) -> SourceReport:
    """The line of what the filesystem tells of itself, with those parts that were not there."""
    return coverage.line(mount.fstype, facts, facts.value.unread if isinstance(facts, Exact) else ())
