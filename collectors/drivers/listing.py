"""Directories and files as units of accounting: names, paths and ages, without looking inside.

Refuses to follow links, and to take an unreadable folder for an empty one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from collectors.drivers.ages import times
from collectors.drivers.base import NOBODY
from collectors.model.ids import UnitId
from collectors.model.owner import Owner
from collectors.model.store import Unit, UnitKind


@dataclass(frozen=True, slots=True)
class Entry:
    """One directory or file, as it was listed."""

    key: str  # path below the folder that was listed from
    path: str
    is_folder: bool
    created_at: datetime | None  # birth time; None: the filesystem does not tell
    since_s: float | None  # from when its age counts, seconds since the epoch; None: cannot be known

    @property
    def name(self) -> str:
        """The last component."""
        return self.key.rpartition("/")[2]


def entries(folder: Path, shelf: str = "") -> tuple[Entry, ...]:
    """Everything in `folder/shelf`, sorted; what vanishes meanwhile is left out. OSError when it cannot be listed."""
    listed = (entry(folder, key, is_folder) for key, is_folder in _keys(folder, shelf))
    return tuple(one for one in listed if one is not None)


def keys(folder: Path, shelf: str = "") -> frozenset[str]:
    """The keys that `entries` would give, without a look at each."""
    return frozenset(key for key, _ in _keys(folder, shelf))


def _keys(folder: Path, shelf: str) -> list[tuple[str, bool]]:
    prefix = f"{shelf}/" if shelf else ""
    with os.scandir(folder / shelf) as found:
        return sorted((prefix + one.name, one.is_dir(follow_symlinks=False)) for one in found)


def entries_if_there(folder: Path, shelf: str = "") -> tuple[Entry, ...]:
    """As `entries`; empty when there is no such folder."""
    try:
        return entries(folder, shelf)
    except FileNotFoundError:
        return ()


def entry(folder: Path, key: str, is_folder: bool) -> Entry | None:
    """One entry; None when it is not there any more."""
    path = f"{folder}/{key}"
    try:
        when = times(path)
    except FileNotFoundError:
        return None
    return Entry(key, path, is_folder, when.created_at, when.since_s)


def unit(
    one: Entry, kind: UnitKind, *, name: str | None = None, owners: frozenset[Owner] = NOBODY, immutable: bool = False
) -> Unit:
    """An entry as a unit; called by its last component where `name` is None."""
    return Unit(UnitId(one.path), kind, one.path, one.name if name is None else name, owners, immutable, one.created_at)


def unit_at(
    path: Path, kind: UnitKind, *, name: str | None = None, owners: frozenset[Owner] = NOBODY
) -> tuple[Unit, ...]:
    """The unit at `path`; empty when nothing is there."""
    one = entry(path.parent, path.name, True)
    return (unit(one, kind, name=name, owners=owners),) if one is not None else ()


def born_s(path: Path) -> float | None:
    """When `path` came into being, seconds since the epoch; None: cannot be known."""
    try:
        return times(str(path)).born_s
    except OSError:
        return None
