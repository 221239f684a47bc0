"""Directories and files as units of accounting: names, paths and ages, without looking inside; and who reads them.

An `Asker` reads the parts of a Docker root under one deadline: each part within what is left, and each says itself why
it is not there.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from collectors.drivers.files import Rows, last_touched_s
from collectors.model import Owner, OwnerKind, UnitId, dataclass
from collectors.model.reading import Exact, Reading, Unavailable
from collectors.model.store import Unit, UnitKind
from collectors.system.deadline import read

NOBODY: frozenset[Owner] = frozenset()


@dataclass(frozen=True, slots=True)
class Known:
    """One directory (or blob) that a database names."""

    kind: UnitKind
    owners: frozenset[Owner]  # empty: the engine knows it, and nobody needs it
    immutable: bool


@dataclass(frozen=True, slots=True)
class Source:
    """One place that may know a directory's owner, and whether it could be read."""

    name: str
    problem: str | None  # None: read whole


T = TypeVar("T")
U = TypeVar("U")


class Asker:
    """Reads the parts of a Docker root one after the other under a common deadline, and keeps the record.

    A *witness* is a part that may know the owner of a directory: while one is unread, nothing can be called an
    orphan.
    """

    def __init__(self, deadline_s: float) -> None:
        """`deadline_s`: seconds for everything together."""
        self._ends = time.monotonic() + deadline_s
        self.sources: list[Source] = []
        self.notes: list[str] = []

    def part(self, name: str, path: Path, work: Callable[[], T]) -> Reading[T]:
        """`work`'s answer, or why there is none. `name` is the stable name of the part."""
        return read(f"docker_root.{name}", str(path), work, timeout_s=self._ends - time.monotonic())

    def witness(self, name: str, path: Path, work: Callable[[], T]) -> Reading[T]:
        """As `part`, for a witness."""
        reading = self.part(name, path, work)
        self.sources.append(Source(name, _problem(reading)))
        return reading

    def rows(self, name: str, path: Path, work: Callable[[], Rows[T]]) -> Reading[tuple[T, ...]]:
        """As `part`, for records some of which may be damaged: those are noted, the others are the answer."""
        reading = self.part(name, path, work)
        if isinstance(reading, Unavailable):
            return reading
        self.notes.extend(reading.value.broken)
        return Exact(reading.value.good, reading.origin)

    def witness_rows(self, name: str, path: Path, work: Callable[[], Rows[T]]) -> Reading[tuple[T, ...]]:
        """As `rows`, for a witness: with one damaged record it counts as unread."""
        before = len(self.notes)
        reading = self.rows(name, path, work)
        damaged = self.notes[before] if len(self.notes) > before else None
        self.sources.append(Source(name, damaged or _problem(reading)))
        return reading


def _problem(reading: Reading[T]) -> str | None:
    return f"{reading.why}: {reading.detail}" if isinstance(reading, Unavailable) else None


def value(reading: Reading[T], otherwise: T) -> T:
    """What was read, or `otherwise` where nothing was: only for joins whose result is marked by the reading itself."""
    return reading.value if isinstance(reading, Exact) else otherwise


def derived(reading: Reading[T], make: Callable[[T], U]) -> Reading[U]:
    """`make` of what was read; where nothing was, the same reason."""
    return Exact(make(reading.value), reading.origin) if isinstance(reading, Exact) else reading


def needs(made: T, *readings: Reading[object]) -> Reading[T]:
    """`made`, which was joined from all of `readings`: Exact if they are, else the first one's reason."""
    for reading in readings:
        if isinstance(reading, Unavailable):
            return reading
    return Exact(made, readings[-1].origin)


_AT_FDCWD = -100
_AT_SYMLINK_NOFOLLOW = 0x100
_STATX_BTIME = 0x800
_STATX_SIZE_BYTES = 256
_BIRTH_AT = 80
_MASK_AT = 0

_SUBVOLUME_ROOT_INODE = 256
_BTRFS_IOC_GET_SUBVOL_INFO = 0x81F8943C
_SUBVOL_INFO_SIZE_BYTES = 504
_OTIME_AT = 392

_TIME = struct.Struct("=qI")  # seconds, nanoseconds; the same layout in both structures
_MASK = struct.Struct("=I")

_libc = ctypes.CDLL(None, use_errno=True)


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
    listed = (entry(folder, key, is_folder) for key, is_folder in keys_and_kinds(folder, shelf))
    return tuple(one for one in listed if one is not None)


def keys(folder: Path, shelf: str = "") -> frozenset[str]:
    """The keys that `entries` would give, without a look at each."""
    return frozenset(key for key, _ in keys_and_kinds(folder, shelf))


def keys_and_kinds(folder: Path, shelf: str) -> list[tuple[str, bool]]:
    """The keys in order, each with whether it is a folder. OSError when it cannot be listed."""
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


def temporary_units(found: Iterable[tuple[Path, str, UnitKind]], oldest_s: float) -> Iterator[Unit]:
    """Temporary files by folder, name and kind: cache mounts of builds, and what pulls left that were ended.

    One that nothing touched since `oldest_s` (seconds since the epoch) is a leftover, unless it is open.
    """
    for folder, name, kind in found:
        if (its := entry(folder, name, True)) is not None:
            yield unit(its, kind, name=its.path, owners=_held_by(its, kind, oldest_s))


def _held_by(its: Entry, kind: UnitKind, oldest_s: float) -> frozenset[Owner]:
    if kind is UnitKind.CACHE_MOUNTS:
        return frozenset({Owner(OwnerKind.BUILD, its.path)})
    touched = last_touched_s(its.path)
    return frozenset({Owner(OwnerKind.LEFTOVER, its.path)}) if touched is not None and touched <= oldest_s else NOBODY


def born_s(path: Path) -> float | None:
    """When `path` came into being, seconds since the epoch; None: cannot be known."""
    try:
        return times(str(path)).born_s
    except OSError:
        return None


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds since the epoch."""

    born_s: float | None  # birth (btrfs subvolume: creation); None: the filesystem does not tell
    since_s: float | None  # from when age is counted: birth, else the last status change; None: cannot be known

    @property
    def created_at(self) -> datetime | None:
        """The birth time in UTC."""
        if self.born_s is None:
            return None
        try:
            return datetime.fromtimestamp(self.born_s, UTC)
        except (OverflowError, OSError, ValueError):
            return None  # a damaged inode: no date is better than a wrong one


def times(path: str) -> Times:
    """When `path` itself (links are not followed) came into being. OSError when it cannot be asked."""
    status = os.lstat(path)
    if status.st_ino == _SUBVOLUME_ROOT_INODE and stat.S_ISDIR(status.st_mode):
        try:
            created_s = _subvolume_otime_s(path)
        except OSError as error:
            if error.errno not in (errno.ENOTTY, errno.EOPNOTSUPP):  # not btrfs after all
                return Times(None, None)
        else:
            return Times(created_s, created_s)
    born_s = _birth_s(path)
    return Times(born_s, status.st_ctime if born_s is None else born_s)


def _birth_s(path: str) -> float | None:
    """statx's birth time; None where the C library, the kernel or the filesystem has none."""
    statx = getattr(_libc, "statx", None)
    if statx is None:
        return None
    reply = ctypes.create_string_buffer(_STATX_SIZE_BYTES)
    if statx(_AT_FDCWD, os.fsencode(path), _AT_SYMLINK_NOFOLLOW, _STATX_BTIME, reply) != 0:
        return None
    (told,) = _MASK.unpack_from(reply, _MASK_AT)
    if not told & _STATX_BTIME:
        return None
    seconds, nanoseconds = _TIME.unpack_from(reply, _BIRTH_AT)
    return float(seconds + nanoseconds / 1e9)


def _subvolume_otime_s(path: str) -> float:
    """The creation time of the btrfs subvolume whose root directory is `path`; OSError as the kernel gives it."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        reply = ctypes.create_string_buffer(_SUBVOL_INFO_SIZE_BYTES)
        # Linux 6.18 answers 1 on success: the result of its own tree search leaks out.
        if _libc.ioctl(folder, ctypes.c_ulong(_BTRFS_IOC_GET_SUBVOL_INFO), reply) < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), path)
    finally:
        os.close(folder)
    seconds, nanoseconds = _TIME.unpack_from(reply, _OTIME_AT)
    return float(seconds + nanoseconds / 1e9)
