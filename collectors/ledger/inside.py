"""Where inside a thing its bytes are: the largest directories and files of its units, as paths in the thing. Pure.

A layer's files are named as its container sees them, a volume's from the volume's own root. At most `MOST` are named,
and none that holds less than a twentieth of the thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from collectors.model.filesystem import Occupancy, PathUsage, Usage
from collectors.model.owner import HOST_UNIT, UnitId
from collectors.model.reading import Exact, Origin, Unavailable, Why
from collectors.model.store import Unit, UnitKind

MOST = 5
_LEAST_PART = 20
_LAYERS = frozenset(
    {
        UnitKind.IMAGE_LAYER,
        UnitKind.WRITABLE_LAYER,
        UnitKind.INIT_LAYER,
        UnitKind.BUILD_SNAPSHOT,
        UnitKind.ORPHAN_CANDIDATE,
    }
)
_VOLUME_DATA = "_data"  # of a local volume's directory, whichever engine keeps it


def inside_units(units: Iterable[Unit], usages: Mapping[UnitId, Usage], contents: str) -> tuple[PathUsage, ...]:
    """The largest of all `units` together. `contents`: the folder in a layer's directory that holds its files."""
    found: dict[tuple[str, bool], PathUsage] = {}
    for unit in units:
        usage = usages.get(unit.id)
        for place in _named(unit, usage, contents) if usage is not None else ():
            key = place.path, place.is_directory
            found[key] = _sum(found[key], place) if key in found else place
    return _largest(found.values())


def host_directories(occupancy: Occupancy, origin: Origin) -> Iterator[tuple[str, Usage]]:
    """The host's largest directories like units, by path, each with those of the host's files that stand out in it."""
    host = occupancy.usages.get(HOST_UNIT)
    for directory in occupancy.largest_others:
        yield (
            directory.path,
            Usage(
                Exact(directory.allocated_bytes, origin),
                Exact(directory.apparent_bytes, origin),
                Exact(directory.inodes, origin),
                Unavailable(Why.NOT_ASKED, "one of many directories", origin),
                _files_in(directory, occupancy.largest_others, host.inside if host else ()),
            ),
        )


def _files_in(directory: PathUsage, others: Iterable[PathUsage], files: Iterable[PathUsage]) -> tuple[PathUsage, ...]:
    """Those of the host's `files` that stand out in `directory`, and lie in none of the `others` below it."""
    deeper = [one.path for one in others if one.path != directory.path and _within(one.path, directory.path)]
    mine = [
        file
        for file in files
        if _within(file.path, directory.path) and not any(_within(file.path, path) for path in deeper)
    ]
    return _largest(file for file in mine if file.allocated_bytes * _LEAST_PART >= directory.allocated_bytes)


def _named(unit: Unit, usage: Usage, contents: str) -> Iterator[PathUsage]:
    folder = contents if unit.kind in _LAYERS else _VOLUME_DATA if unit.kind is UnitKind.VOLUME else ""
    if not folder:
        yield from usage.inside
        return
    for place in usage.inside:  # what lies beside the folder is the engine's
        if _within(place.path, f"/{folder}"):
            yield replace(place, path=place.path.removeprefix(f"/{folder}") or "/")


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _sum(one: PathUsage, other: PathUsage) -> PathUsage:
    return replace(
        one,
        allocated_bytes=one.allocated_bytes + other.allocated_bytes,
        apparent_bytes=one.apparent_bytes + other.apparent_bytes,
        inodes=one.inodes + other.inodes,
    )


def _largest(places: Iterable[PathUsage]) -> tuple[PathUsage, ...]:
    """By bytes and by inodes alike: which of the two is short, only who judges knows."""
    known = list(places)
    bytes_all, inodes_all = sum(one.allocated_bytes for one in known), sum(one.inodes for one in known)

    def part(place: PathUsage) -> float:
        return max(place.allocated_bytes / (bytes_all or 1), place.inodes / (inodes_all or 1))

    chosen = sorted(known, key=lambda place: (-part(place), place.path))[:MOST]
    return tuple(place for place in chosen if part(place) * _LEAST_PART >= 1)
