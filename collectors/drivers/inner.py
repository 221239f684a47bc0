"""Things inside units that deserve a name of their own: core dumps in writable layers, unfinished downloads in tmp, and
Docker roots inside Docker (an engine in a container). Lists one or two folders of each unit and looks no deeper.

Of the engine's temporary files a download or a build context that was touched lately is taken to go on, and so is one
that a process has open. Opens nothing but folders; judges no name that is not the engine's.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from collectors.model.owner import Owner, OwnerKind, UnitId
from collectors.model.reading import Exact, Reading
from collectors.model.store import Unit, UnitKind
from collectors.system.unlinked_files import OpenFileSearch

WATCHED = r"(?:GetImageBlob|docker-builder|docker-import-|docker-export-)\d+"
NAMES = re.compile(WATCHED)
_AT_MOST_ENTRIES = 200_000  # a context with more than that is not looked through, and stays


def without_opened(units: tuple[Unit, ...], search: Reading[OpenFileSearch]) -> tuple[Unit, ...]:
    """The units, of which a temporary file is no leftover that some process has open, or may have open for all we know.

    A process that cannot be looked into may still hold one: whoever removes something asks the kernel once more.
    """
    opened = search.value.opened if isinstance(search, Exact) and search.value.whole else None
    return tuple(replace(unit, owners=frozenset()) if _in_use(unit, opened) else unit for unit in units)


def _in_use(unit: Unit, opened: frozenset[str] | None) -> bool:
    left_over = unit.kind is UnitKind.TEMPORARY and any(who.kind is OwnerKind.LEFTOVER for who in unit.owners)
    return left_over and (opened is None or Path(unit.path).name in opened)


def _untouched(folder: Path, oldest_s: float) -> frozenset[str]:
    """Paths directly below `folder` that nothing has touched since `oldest_s`."""
    named = _named(folder)
    return frozenset(p for p in named if (touched := last_touched_s(p)) is not None and touched <= oldest_s)


def last_touched_s(path: str) -> float | None:
    """The latest modification in the tree, seconds since the epoch; None where it cannot be told."""
    try:
        return max(status.st_mtime for _, status in tree(path))
    except OSError:
        return None


def tree(path: str) -> Iterator[tuple[str, os.stat_result]]:
    """Everything from `path` down, links not followed. OSError where something vanishes, or for too many entries."""
    left, count = [path], 0
    while left:
        one = left.pop()
        status = os.lstat(one)
        yield one, status
        count += 1
        if count > _AT_MOST_ENTRIES:
            raise OSError(f"more than {_AT_MOST_ENTRIES} entries")
        if stat.S_ISDIR(status.st_mode):
            with os.scandir(one) as entries:
                left += [entry.path for entry in entries]


def _named(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries if NAMES.fullmatch(entry.name))
    except OSError:
        return []


# The kernel's default names: core, core.<pid>; others are set by core_pattern and lie where it says.
_CORE = re.compile(r"core(\.\d+)?")
# Where a layer's files begin, below the directory of each driver.
_INSIDE = ("diff", "fs", "")
_DRIVERS = frozenset({"overlay2", "btrfs", "vfs", "fuse-overlayfs", "containerd"})
_ENGINE = frozenset({"containers", "image", "volumes"})


def inner_units(units: Iterable[Unit], here: Callable[[str], bool], oldest_s: float) -> tuple[Unit, ...]:
    """The units inside `units`. What cannot be listed has none: its bytes stay with the unit that holds them.

    A temporary file that nothing touched since `oldest_s` (seconds since the epoch) is a leftover, unless it is open.

    `here` says whether a folder lies on the Docker root's own filesystem. Others are not listed: a volume may be a
    network mount that hangs, and a thread that hangs on it would keep this process from ever ending.
    """
    found: list[Unit] = []
    for unit in units:
        if not here(str(Path(unit.path, "_data"))):
            continue
        if unit.kind is UnitKind.WRITABLE_LAYER:
            top = _top(unit.path)
            found += _core_dumps(unit, top)
            found += _nested_root(unit, Path(top, "var/lib/docker"))
        elif unit.kind is UnitKind.VOLUME:
            found += _nested_root(unit, Path(unit.path, "_data"))
        elif unit.kind is UnitKind.TEMPORARY and Path(unit.path).name == "tmp":
            found += _temporary(unit, oldest_s)
    return tuple(found)


def _temporary(folder: Unit, oldest_s: float) -> Iterator[Unit]:
    over = _untouched(Path(folder.path), oldest_s)
    for name, path in _names(folder.path).items():
        owners = frozenset({Owner(OwnerKind.LEFTOVER, path)}) if path in over else folder.owners
        yield replace(_of(folder, UnitKind.TEMPORARY, path, name), owners=owners)


def _core_dumps(unit: Unit, top: str) -> Iterator[Unit]:
    for name, path in _names(top).items():
        if _CORE.fullmatch(name) and _is_file(path):
            yield _of(unit, UnitKind.CORE_DUMP, path, f"{name} in {unit.name}")


def _nested_root(unit: Unit, folder: Path) -> Iterator[Unit]:
    names = _names(str(folder)).keys()
    if names & _DRIVERS and len(names & _ENGINE) >= 2:
        yield _of(unit, UnitKind.NESTED_ROOT, str(folder), f"Docker root in {unit.name}")


def _of(unit: Unit, kind: UnitKind, path: str, name: str) -> Unit:
    return Unit(UnitId(path), kind, path, name, unit.owners, False, None)


def _top(layer: str) -> str:
    for inside in _INSIDE:
        if Path(layer, inside).is_dir():
            return f"{layer}/{inside}".rstrip("/")
    return layer


def _names(folder: str) -> dict[str, str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.path for entry in entries}
    except OSError:
        return {}


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False
