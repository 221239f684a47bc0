"""One filesystem, studied: room, holders of its bytes, its own share, deleted files that are still open."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from collectors import drivers
from collectors.filesystems import btrfs as btrfs_source
from collectors.filesystems.reserved import own_blocks
from collectors.inventory import coverage, exact
from collectors.inventory.request import Clock, Request, cache_folder
from collectors.inventory.units import (
    Places,
    bind_units,
    docker_units,
    host_directories,
    split_rules,
    subvolume_units,
    unlisted_units,
)
from collectors.model.btrfs import Btrfs, Sharing
from collectors.model.engine import Container
from collectors.model.filesystem import Filesystem, Mount, Occupancy
from collectors.model.owner import Owner, OwnerKind
from collectors.model.reading import Exact, Reading, Size, Unavailable
from collectors.model.snapshot import FilesystemStudy, SourceReport
from collectors.model.store import Store, Unit, UnitKind
from collectors.system.open_deleted import open_deleted
from collectors.system.statvfs import space as statvfs
from collectors.system.walk import walk

# What comes after the walk (joining, judging, printing) needs a moment of the deadline too.
_KEEP_S = 0.6


@dataclass(frozen=True, slots=True)
class Context:
    """What is known before a filesystem is studied."""

    request: Request
    clock: Clock
    places: Places
    docker_root: str
    store: Reading[Store]
    containers: tuple[Container, ...]


def study(context: Context, mount: Mount) -> tuple[FilesystemStudy, tuple[SourceReport, ...]]:
    """Everything about one filesystem, its parts side by side."""
    mountpoint, clock, host = Path(mount.mountpoint), context.clock, context.request.host
    units = _units(context, mount)
    with ThreadPoolExecutor(4, thread_name_prefix="study") as pool:
        first = pool.submit(statvfs, mountpoint, timeout_s=clock.left(at_most=5.0))
        own = pool.submit(own_blocks, mount, host, timeout_s=clock.left(at_most=10.0))
        opened = pool.submit(open_deleted, host, mount.device, deadline_s=clock.left(keep=_KEEP_S))
        holders = pool.submit(_btrfs if mount.fstype == "btrfs" else _walk, context, mount, units)
        units, occupancy, btrfs, own_of_btrfs = holders.result()
        own_bytes = own.result() if own_of_btrfs is None else own_of_btrfs
        # Again, so that it is of the same moment as the holders: their walk may have committed what was dirty.
        again = statvfs(mountpoint, timeout_s=clock.left(at_most=5.0))
        space = again if isinstance(again, Exact) else first.result()
        answer = FilesystemStudy(
            Filesystem(mount, space),
            units,
            occupancy,
            btrfs,
            own_bytes,
            opened.result(),
            context.places.covered(mount),
        )
    return answer, _reports(answer)


_Holders = tuple[tuple[Unit, ...], Reading[Occupancy], Reading[Btrfs] | None, Size | None]


def _walk(context: Context, mount: Mount, units: tuple[Unit, ...]) -> _Holders:
    found = walk(
        Path(mount.mountpoint),
        units,
        deadline_s=context.clock.left(keep=_KEEP_S),
        cache=cache_folder(context.request.host),
    )
    return units, found, None, None


def _btrfs(context: Context, mount: Mount, units: tuple[Unit, ...]) -> _Holders:
    """The exact walk; without it the trees cannot tell who shares what, and a walk by name would count copies."""
    mountpoint, clock, host = Path(mount.mountpoint), context.clock, context.request.host
    facts = btrfs_source.filesystem(mountpoint, host, timeout_s=clock.left(at_most=10.0))
    if isinstance(facts, Unavailable):
        return units, facts, facts, facts
    units = (*units, *subvolume_units(facts.value, mount, context.places, units))
    units = (*units, *host_directories(mount, context.places, context.docker_root))
    rules = split_rules((u for u in units if u.path.startswith("/")), context.places)
    sharing: Reading[Sharing] = btrfs_source.sharing(
        mountpoint,
        host,
        facts.value,
        rules,
        deadline_s=clock.left(keep=_KEEP_S),
        cache=cache_folder(host),
    )
    # The walk commits first, which moves metadata: the figures beside it are those after it.
    later = btrfs_source.filesystem(mountpoint, host, timeout_s=clock.left(at_most=5.0))
    whole = replace(later.value if isinstance(later, Exact) else facts.value, sharing=sharing)
    own = exact.own_bytes(whole, sharing)
    nameless = frozenset({Owner(OwnerKind.UNLINKED, "")})
    units = (*units, Unit(exact.UNLINKED, UnitKind.UNLINKED, "", "deleted, still open", nameless, False, None))
    if isinstance(sharing, Unavailable):
        return units, sharing, Exact(whole, facts.origin), own
    if isinstance(facts.value.subvolumes, Unavailable):
        units = (*units, *unlisted_units(sharing.value, units))
    return units, Exact(exact.occupancy(sharing), sharing.origin), Exact(whole, facts.origin), own


def _units(context: Context, mount: Mount) -> tuple[Unit, ...]:
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
    if study.btrfs is not None:
        lines.append(btrfs_report(study.btrfs))
    return tuple(lines)


def btrfs_report(btrfs: Reading[Btrfs]) -> SourceReport:
    """The coverage line of btrfs' own figures, with those parts that lacked a privilege."""
    if isinstance(btrfs, Unavailable):
        return coverage.line("btrfs", btrfs)
    facts = btrfs.value
    parts = (facts.devices, facts.spaces, facts.chunks, facts.unallocated_bytes, facts.subvolumes, facts.quotas)
    return coverage.line("btrfs", btrfs, coverage.missing(*parts))
