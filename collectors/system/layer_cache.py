"""Figures kept between runs: a layer never changes, so it is measured once in its life.

A layer's figure is used again only where its directory, and what holds its contents, are the same inodes with the same
change times on the same filesystem as when it was measured. What may change (volumes, containers) is used again only
where besides each of its inodes still reads as it did; the walker checks both. Refuses to trust its own file: torn,
altered or from elsewhere, it is as if there were none.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from collectors.model import HOST_UNIT, UnitId, dataclass
from collectors.model.filesystem import PathUsage
from collectors.system import folders

_VERSION = 3
_MAX_BYTES = 256 << 20

Evidence = tuple[tuple[str, int, int], ...]  # (name, inode, change time in ns)
Proof = tuple[tuple[tuple[int, int], ...], int]  # runs of inodes as child/inodes.py names them, and their checksum
Row = tuple[bytes, int, int, int]  # path below the root, blocks, apparent bytes, inodes: of a directory or a file
Settled = tuple[int, int]  # Unix seconds, and those at which the machine was started, by the clock of then
Link = tuple[int, int, int, int, int]  # (inode, links not met in this unit, blocks, apparent bytes, links)


@dataclass(frozen=True, slots=True)
class LayerFigure:
    """What one unit takes, in blocks of 512 bytes, apparent bytes and inodes, and when that was measured."""

    evidence: Evidence
    blocks: int
    apparent: int
    inodes: int
    newest: float
    proofs: tuple[Proof, ...]  # of what may change: how its inodes read; () for a layer, which does not
    rows: tuple[Row, ...]  # of a part of the host: its directories; () for a unit
    files: tuple[Row, ...]  # of a part of the host: its largest files; () for a unit
    inside: tuple[PathUsage, ...]  # of a unit: its largest directories and files; () for a part of the host
    measured_at: float  # Unix seconds


@dataclass(frozen=True, slots=True)
class LinkSet:
    """Inodes with links in exactly these holders; one that two walkers have counted apart is named twice."""

    holders: tuple[UnitId, ...]
    counted: tuple[tuple[int, int], ...]  # blocks and apparent bytes that each has counted of them
    inodes: int
    placed: bool  # every link of every one was met
    packed: str  # inode by inode, as hard_links.py packs them


@dataclass(frozen=True, slots=True)
class LayerCache:
    """The figures of one filesystem."""

    fsid: int
    layers: Mapping[UnitId, LayerFigure]
    unplaced: Mapping[int, int]  # inode → links, where some link was found nowhere when everything was read
    link_sets: tuple[LinkSet, ...]
    settled: Settled  # since when the inode tables tell all of what has not changed


EMPTY = LayerCache(0, {}, {}, (), (0, 0))


def part_id(path: bytes) -> UnitId:
    """Under which name a part of the host is kept; `path` is below the root."""
    return UnitId(f"{HOST_UNIT}/{os.fsdecode(path)}")


def file_for(folder: Path, mountpoint: str) -> Path:
    """Where the figures of the filesystem mounted at `mountpoint` are kept."""
    return folder / f"layers-{hashlib.sha256(os.fsencode(mountpoint)).hexdigest()[:16]}.json"


def load(path: Path) -> LayerCache:
    """What is kept there; EMPTY where there is nothing that can be trusted. Never raises."""
    try:
        document = json.loads(folders.opened(folders.read_own(path, _MAX_BYTES)))
        if document["version"] != _VERSION:
            return EMPTY
        return LayerCache(
            document["fsid"],
            {UnitId(unit): _figure(row) for unit, row in document["layers"].items()},
            {int(inode): links for inode, links in document["unplaced"].items()},
            tuple(_link_set(row) for row in document["links"]),
            _settled(document["settled"]),
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError):
        return EMPTY


def save(path: Path, cache: LayerCache) -> bool:
    """Replace what is kept there, whole or not at all. False where it could not be written: that costs time, later."""
    body = json.dumps(
        {
            "version": _VERSION,
            "fsid": cache.fsid,
            "layers": {unit: _row(figure) for unit, figure in cache.layers.items()},
            "unplaced": {str(inode): links for inode, links in cache.unplaced.items()},
            "settled": cache.settled,
            "links": [(one.holders, one.counted, one.inodes, one.placed, one.packed) for one in cache.link_sets],
        },
        separators=(",", ":"),
    ).encode()
    try:
        path.parent.mkdir(mode=folders.OWN_FOLDER_MODE, parents=True, exist_ok=True)
        folders.replace_whole(path, folders.sealed(body), mode=folders.OWN_MODE, durable=False)
    except OSError:
        return False
    return True


def _row(figure: LayerFigure) -> list[object]:
    return [
        figure.evidence,
        figure.blocks,
        figure.apparent,
        figure.inodes,
        figure.newest,
        figure.proofs,
        [(os.fsdecode(path), *sums) for path, *sums in figure.rows],
        [(os.fsdecode(path), *sums) for path, *sums in figure.files],
        [_place_row(place) for place in figure.inside],
        figure.measured_at,
    ]


def _figure(row: list[object]) -> LayerFigure:
    match row:
        case [
            list(evidence),
            int(blocks),
            int(apparent),
            int(inodes),
            newest,
            list(proofs),
            list(rows),
            list(files),
            list(inside),
            measured_at,
        ]:
            return LayerFigure(
                evidence=tuple((str(name), int(inode), int(changed)) for name, inode, changed in evidence),
                blocks=blocks,
                apparent=apparent,
                inodes=inodes,
                newest=_number(newest),
                proofs=tuple(_proof(proof) for proof in proofs),
                rows=tuple(_host_row(found) for found in rows),
                files=tuple(_host_row(found) for found in files),
                inside=tuple(_place(found) for found in inside),
                measured_at=_number(measured_at),
            )
    raise ValueError(f"not a layer's figure: {row!r}")


def _link_set(row: object) -> LinkSet:
    match row:
        case [list(holders), list(counted), int(inodes), bool(placed), str(packed)] if len(holders) == len(counted) > 0:
            sums = tuple((int(blocks), int(apparent)) for blocks, apparent in counted)
            return LinkSet(tuple(UnitId(str(name)) for name in holders), sums, inodes, placed, packed)
    raise ValueError(f"not a set of hard links: {row!r}")


def _settled(row: object) -> Settled:
    match row:
        case [int(moment), int(clock)]:
            return moment, clock
    raise ValueError(f"not a moment: {row!r}")


def _proof(row: object) -> Proof:
    match row:
        case [list(runs), int(checksum)]:
            return tuple((int(offset), int(count)) for offset, count in runs), checksum
    raise ValueError(f"not a proof: {row!r}")


def _host_row(row: object) -> Row:
    match row:
        case [str(path), int(blocks), int(apparent), int(inodes)]:
            return os.fsencode(path), blocks, apparent, inodes
    raise ValueError(f"not a directory: {row!r}")


def _place_row(place: PathUsage) -> list[object]:
    return [place.path, place.is_directory, place.allocated_bytes, place.apparent_bytes, place.inodes]


def _place(row: object) -> PathUsage:
    match row:
        case [str(path), bool(is_directory), int(allocated), int(apparent), int(inodes)]:
            return PathUsage(path, is_directory, allocated, apparent, inodes, hidden_by="")
    raise ValueError(f"not a directory or file: {row!r}")


def _number(value: object) -> float:
    if isinstance(value, int | float):
        return float(value)
    raise ValueError(f"not a number: {value!r}")
