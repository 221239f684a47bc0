"""The layer database, `image/<driver>/layerdb`: which directory of the driver holds which layer, and for whom.

Refuses a row that lacks what the engine always writes: a layer whose directory is not known would make that directory
look like nobody's.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from collectors.drivers.ages import times
from collectors.drivers.files import folders_if_there, names, read_word, read_word_or_none
from collectors.drivers.rows import Rows, collect
from collectors.model.ids import CacheId, ChainId, ContainerId, DiffId
from collectors.model.store import ContainerLayers, Layer
from collectors.system.deadline import Malformed

_REMOVING = "-removing"
_NOT_ALGORITHMS = ("mounts", "tmp")


@dataclass(frozen=True, slots=True)
class Removing:
    """A layer whose removal began: its row is renamed first, the directory goes after, then the row."""

    name: str
    path: str
    cache_id: CacheId | None
    touched_s: float  # last change of the row, seconds since the epoch


@dataclass(frozen=True, slots=True)
class Write:
    """`layerdb/tmp/write-set-*`: a layer that is being registered, or whose registration was interrupted."""

    name: str
    path: str
    cache_id: CacheId | None  # written last: most of the time it is not there yet
    began_s: float | None  # seconds since the epoch; None: cannot be known
    touched_s: float  # last change of any file in it


def layers(layerdb: Path) -> Rows[Layer]:
    """Every row below `layerdb/<algorithm>/`. OSError when the database cannot be listed."""
    return collect((row for row in _rows(layerdb) if not row.name.endswith(_REMOVING)), _layer)


def _layer(row: Path) -> Layer:
    cache_id = _directory_name(read_word(f"{row}/cache-id"), row)
    size = read_word(f"{row}/size")
    if not size.isdecimal():
        raise Malformed(f"{row}: its size is no number")
    parent = read_word_or_none(f"{row}/parent")
    return Layer(
        chain_id=ChainId(f"{row.parent.name}:{row.name}"),
        parent=ChainId(parent) if parent else None,
        diff_id=DiffId(read_word(f"{row}/diff")),
        cache_id=cache_id,
        size_bytes=int(size),
    )


def container_layers(layerdb: Path) -> Rows[ContainerLayers]:
    """`layerdb/mounts/<container>`: each container's writable layer, init layer and parent chain."""
    mounts = layerdb / "mounts"
    return collect((mounts / name for name in folders_if_there(mounts)), _mount)


def _mount(row: Path) -> ContainerLayers:
    init_id = read_word_or_none(f"{row}/init-id")
    parent = read_word_or_none(f"{row}/parent")
    return ContainerLayers(
        container_id=ContainerId(row.name),
        mount_id=_directory_name(read_word(f"{row}/mount-id"), row),
        init_id=_directory_name(init_id, row) if init_id else None,
        parent=ChainId(parent) if parent else None,
    )


def removing(layerdb: Path) -> tuple[Removing, ...]:
    """Rows that were renamed to `<layer>-<random>-removing` and still stand."""
    found: list[Removing] = []
    for row in _rows(layerdb):
        if row.name.endswith(_REMOVING) and (touched_s := _touched_s(row)) is not None:
            found.append(Removing(row.name, str(row), _cache_id_or_none(row), touched_s))
    return tuple(found)


def writes(layerdb: Path) -> tuple[Write, ...]:
    """Layers being registered, and those whose registration was cut short."""
    pending = layerdb / "tmp"
    found: list[Write] = []
    for name in folders_if_there(pending):
        row = pending / name
        try:
            began_s = times(str(row)).since_s
        except FileNotFoundError:
            continue
        if (touched_s := _touched_s(row)) is not None:
            found.append(Write(name, str(row), _cache_id_or_none(row), began_s, touched_s))
    return tuple(found)


def _rows(layerdb: Path) -> tuple[Path, ...]:
    algorithms = (name for name in names(layerdb) if name not in _NOT_ALGORITHMS and (layerdb / name).is_dir())
    return tuple(
        layerdb / algorithm / name for algorithm in algorithms for name in folders_if_there(layerdb / algorithm)
    )


def _directory_name(word: str, row: Path) -> CacheId:
    if word in ("", ".", "..") or "/" in word or "\0" in word:
        raise Malformed(f"{row}: names no directory")
    return CacheId(word)


def _cache_id_or_none(row: Path) -> CacheId | None:
    word = read_word_or_none(f"{row}/cache-id")
    return _directory_name(word, row) if word else None


def _touched_s(folder: Path) -> float | None:
    """The latest modification in a folder of files; None when it went away."""
    try:
        moments = [folder.stat().st_mtime]
        with os.scandir(folder) as entries:
            moments += [entry.stat(follow_symlinks=False).st_mtime for entry in entries]
    except FileNotFoundError:
        return None
    return max(moments)
