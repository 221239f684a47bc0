"""What is known of the categories where the disk, or a part of it, could not be read. Pure.

What the engine claims, for where the filesystem could not be read.

These are logical bytes counted by the engine's rules. On disk they may be anything up to everything that is used, so
they enter the books as estimates with just these bounds, never as measurements.

What is known of the categories all the same where the disk, or a part of it, could not be read.

Refuses to turn a gap into a zero, and to mix claims into what was measured: a claim stays an estimate with its bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from collectors.ledger.charge import charge
from collectors.model.engine import BuildRecord, EngineView
from collectors.model.filesystem import Occupancy
from collectors.model.ledger import Category
from collectors.model.reading import Between, Exact, Origin, Reading, Size, Unavailable, Why, ceiling, charged, total
from collectors.model.snapshot import FilesystemStudy, Snapshot
from collectors.model.store import UnitKind

METHOD = "the engine's own count of logical bytes"
T = TypeVar("T")


def claims(view: EngineView, used_bytes: int, origin: Origin) -> Mapping[Category, Size]:
    """Estimates for the categories that an engine knows of; Unavailable where it did not answer."""
    return {
        Category.IMAGES: _claim(view.layers_size, used_bytes, origin),
        Category.CONTAINERS: _claim(
            _sum(view.containers, lambda c: [one.writable for one in c], origin), used_bytes, origin
        ),
        Category.VOLUMES: _claim(_sum(view.volumes, lambda v: [one.size for one in v], origin), used_bytes, origin),
        Category.BUILD_CACHE: _claim(_sum(view.build_cache, _private, origin), used_bytes, origin),
    }


def _private(records: tuple[BuildRecord, ...]) -> list[Size]:
    return [record.size for record in records if not record.shared]


def _sum(listing: Reading[tuple[T, ...]], sizes: Callable[[tuple[T, ...]], Iterable[Size]], origin: Origin) -> Size:
    return total(sizes(listing.value), origin) if isinstance(listing, Exact) else listing


def _claim(claimed: Size, used_bytes: int, origin: Origin) -> Size:
    if isinstance(claimed, Unavailable):
        return claimed
    best = charged(claimed)
    if ceiling(claimed) == 0:
        return Exact(0, origin)
    return Between(best, 0, max(best, used_bytes), 1.0, METHOD, origin)


# What only the Docker root tells: nothing of it was seen, so not even a floor is known.
INSIDE = (Category.LOGS, Category.ORPHANS, Category.DOCKER_OTHER)
_EITHER_WAY = "it cannot be told which subvolumes are snapshots without CAP_SYS_ADMIN"


def without_a_walk(snapshot: Snapshot, study: FilesystemStudy, used: Size, origin: Origin) -> dict[Category, Size]:
    """The engine's claims if it runs here, logs that were measured file by file, and what this filesystem never has."""
    sizes: dict[Category, Size] = {}
    local = not (isinstance(snapshot.engine.local, Exact) and not snapshot.engine.local.value)
    if local and charged(used):
        sizes.update(claims(snapshot.engine, charged(used), origin))
    store = snapshot.store
    if isinstance(store, Exact) and isinstance(store.value.logs, Exact):
        sizes[Category.LOGS] = Exact(sum(log.allocated_bytes for log in store.value.logs.value), origin)
    if isinstance(study.snapshots, Exact) and not study.snapshots.value:
        sizes[Category.SNAPSHOTS] = sizes[Category.DELETED_PENDING] = Exact(0, origin)
    return sizes


def behind_a_closed_root(
    snapshot: Snapshot, study: FilesystemStudy, gap: Unavailable, used: Size, origin: Origin
) -> dict[Category, Size]:
    """The same beside a walk that did not enter the Docker root; nothing where it did: its bytes were counted."""
    if gap.why not in (Why.NOT_PERMITTED, Why.NOT_REACHABLE):
        return {}
    return {**dict.fromkeys(INSIDE, gap), **without_a_walk(snapshot, study, used, origin)}


def beyond_the_bind(study: FilesystemStudy) -> Unavailable | None:
    """Why other files are more than a walk by name met: a bind of one directory shows no other."""
    mount = study.filesystem.mount
    if study.beyond_mount or mount.root == "/":
        return None
    detail = f"only {mount.root} of this filesystem is mounted here: what lies elsewhere on it is not seen"
    return Unavailable(Why.NOT_REACHABLE, detail, study.occupancy.origin)


def either_way(
    study: FilesystemStudy, occupancy: Occupancy, found: Mapping[Category, Size], origin: Origin
) -> dict[Category, Size]:
    """Bounds of snapshots and other files where the subvolumes could not be listed: each may be a snapshot."""
    if nameless(study) is None:
        return {}
    units = tuple(
        replace(unit, kind=UnitKind.SNAPSHOT) if unit.kind is UnitKind.SUBVOLUME else unit for unit in study.units
    )
    otherwise = charge(units, occupancy, origin).charged
    nothing = Exact(0, origin)
    sizes: dict[Category, Size] = {}
    for category in (Category.SNAPSHOTS, Category.OTHER_FILES):
        here, there = found.get(category, nothing), otherwise.get(category, nothing)
        if isinstance(here, Exact) and here != there:
            low, high = sorted((here.value, charged(there)))
            sizes[category] = Between(here.value, low, high, 1.0, _EITHER_WAY, origin)
    return sizes


def nameless(study: FilesystemStudy) -> Unavailable | None:
    """Why it is not known which subvolumes are snapshots; None where it is, or there are no others than Docker's."""
    if not isinstance(study.snapshots, Unavailable):
        return None
    return study.snapshots if any(unit.kind is UnitKind.SUBVOLUME for unit in study.units) else None
