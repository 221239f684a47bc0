"""What is inside a thing: where its files lie, and one directory of them at a time. Read-only.

    for place in places(snapshot, owner):
        Browse(place.path, ()).run(on_listing)      # in a thread of its own; ends by itself or with stop()

A child lists, so that a filesystem which does not answer stops the list and not who looks at it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from collectors.filesystems import kind_of
from collectors.ledger.inside import LAYERS, VOLUME_DATA
from collectors.model import Owner, OwnerKind, dataclass
from collectors.model.reading import Exact, charged
from collectors.model.snapshot import FilesystemStudy, Snapshot
from collectors.model.store import Unit, UnitKind
from collectors.system.deadline import Declined
from collectors.system.killable import Asking, check
from collectors.system.mount_table import within

_LONGEST_S = 3600.0


@dataclass(frozen=True, slots=True)
class FilePlace:
    """One directory or file that a thing consists of; `allocated_bytes` None: not measured.

    `tells_alone`: its filesystem can say what one file alone holds.
    """

    name: str
    path: str
    allocated_bytes: int | None
    tells_alone: bool = False


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One name in a directory. Of a directory the sizes are of all below it, None until they are counted.

    `kind`: directory, file, link, other, or mount, which is another filesystem and not entered.
    """

    name: str
    kind: str
    allocated_bytes: int | None
    apparent_bytes: int | None
    entries_count: int | None
    modified_at: float  # Unix seconds
    exclusive_bytes: int | None = None  # that only this file holds, and gives back when it goes; None: not told


@dataclass(frozen=True, slots=True)
class DirectoryListing:
    """A directory as far as it is read. `reason` says why no more of it will come, "" for nothing wrong."""

    entries: tuple[FileEntry, ...]
    whole: bool  # every entry is there, with the sizes of all directories
    reason: str


def places(snapshot: Snapshot, owner: Owner) -> tuple[FilePlace, ...]:
    """Where the files of a thing lie, largest first; () where it has none that this process could open."""
    if owner.kind is OwnerKind.PATH:
        return (FilePlace(owner.id, owner.id, None, _tells_alone(_study_of(snapshot, owner.id))),)
    store = snapshot.store.value if isinstance(snapshot.store, Exact) else None
    contents = store.driver_facts.contents if store is not None else ""
    found = [
        FilePlace(unit.name or unit.path, _files_of(unit, contents), _measured(study, unit), _tells_alone(study))
        for study in snapshot.studies
        for unit in study.units
        if unit.path and (owner in unit.owners or unit.id == owner.id)
    ]
    return tuple(sorted(found, key=lambda place: (-(place.allocated_bytes or 0), place.path)))


def _study_of(snapshot: Snapshot, path: str) -> FilesystemStudy | None:
    """The study of the filesystem that a path lies on: that of the innermost mount point above it."""
    above = [one for one in snapshot.studies if within(path, one.filesystem.mount.mountpoint)]
    return max(above, key=lambda one: len(one.filesystem.mount.mountpoint), default=None)


def _tells_alone(study: FilesystemStudy | None) -> bool:
    return study is not None and kind_of(study.filesystem.mount.fstype).traits.tells_alone


def _files_of(unit: Unit, contents: str) -> str:
    folder = VOLUME_DATA if unit.kind is UnitKind.VOLUME else contents if unit.kind in LAYERS else ""
    return f"{unit.path}/{folder}" if folder else unit.path


def _measured(study: FilesystemStudy, unit: Unit) -> int | None:
    usage = study.occupancy.value.usages.get(unit.id) if isinstance(study.occupancy, Exact) else None
    return None if usage is None else charged(usage.allocated)


class Browse:
    """One look into one directory."""

    def __init__(self, path: str, inside: Sequence[str], *, tells_alone: bool = False) -> None:
        self._path, self._inside, self._tells_alone = path, tuple(inside), tells_alone
        self._asking: Asking | None = None
        self._entries: dict[bytes, FileEntry] = {}

    def run(self, on_listing: Callable[[DirectoryListing], object]) -> None:
        """Tell the first entries, then all, then again as directories are counted. Never raises."""
        request = {
            "task": "list",
            "path": os.fsencode(self._path),
            "inside": [os.fsencode(name) for name in self._inside],
            "alone": self._tells_alone,
        }
        reason = ""
        try:
            with Asking(f"list {self._path}", float("inf")) as asking:
                self._asking = asking
                asking.start(request)
                for _, frame in asking.frames():
                    check(frame)
                    if self._take(frame):
                        on_listing(DirectoryListing(tuple(self._entries.values()), False, ""))
        except (OSError, Declined, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
        on_listing(DirectoryListing(tuple(self._entries.values()), not reason, reason))

    def _take(self, frame: tuple[Any, ...]) -> bool:
        """Note a frame; True where it is time to tell."""
        match frame:
            case ("entries", list(rows)):
                first = not self._entries
                for name, kind, allocated, apparent, modified in rows:
                    counted = kind != "directory"
                    self._entries[name] = FileEntry(
                        os.fsdecode(name),
                        kind,
                        allocated if counted else None,
                        apparent if counted else None,
                        None,
                        modified,
                    )
                return first  # a screenful at once, however many there are
            case ("below", bytes(name), int(allocated), int(apparent), int(count)):
                known = self._entries[name]
                self._entries[name] = replace(
                    known, allocated_bytes=allocated, apparent_bytes=apparent, entries_count=count
                )
                return len(self._entries) < 200  # else once at the end: a refill of very many is not free
            case ("alone", list(held)):
                for name, count in held:
                    self._entries[name] = replace(self._entries[name], exclusive_bytes=count)
                return True
        # Where nothing is left to be counted, the end tells it anyway.
        return frame == ("listed",) and any(one.kind == "directory" for one in self._entries.values())

    def stop(self) -> None:
        """Nobody looks any more; `run` tells once more and returns."""
        if self._asking is not None:
            self._asking.kill()
