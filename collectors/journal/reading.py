"""Reading a folder of journals from the end, with the runs of one boot on one clock.

No more days than the view needs, and for a chart only samples of each day. A clock that was set, ahead or back, moves
no run. A file or line that cannot be read is skipped and counted; nothing here raises for what a folder holds.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from collectors.journal import Journal, Record, UsedPoint, day
from collectors.system.folders import Folder

# Kernel and wall clock part by less than this while the clock is only steered, not set.
_SET_S = 90.0


def straightened(records: Iterable[Record]) -> tuple[Record, ...]:
    """The records, those of each boot timed by its newest run's clock and their uptimes. Order is kept.

    Without an uptime the time stands as it was written.
    """
    kept = tuple(records)
    newest: dict[str, tuple[float, datetime]] = {}
    for record in kept:
        if record.boot_id is not None and record.uptime_s is not None:
            known = newest.get(record.boot_id)
            if known is None or record.uptime_s > known[0]:
                newest[record.boot_id] = (record.uptime_s, record.at)
    return tuple(_straight(record, newest) for record in kept)


def _straight(record: Record, newest: dict[str, tuple[float, datetime]]) -> Record:
    if record.boot_id is None or record.uptime_s is None:
        return record
    uptime_s, at = newest[record.boot_id]
    meant = at - timedelta(seconds=uptime_s - record.uptime_s)
    return replace(record, at=meant) if abs((meant - record.at).total_seconds()) > _SET_S else record


# A foreign writer may fill a day's file with anything; our own entries of a day take 1 MB.
DAY_BYTES = 8 << 20
_BLOCK_BYTES = 16 << 10
_WIDE_BLOCK_BYTES = 256 << 10  # holds a day's first, whole line
# A clock that ran ahead or behind wrote into the file of another day.
_CLOCK_DAYS = timedelta(days=1)


def read(folder: Folder | Path, *, since: datetime | None = None, limit: int | None = None, now: datetime) -> Journal:
    """Every record from `since` to `now`, or the `limit` newest of them, with their maps; oldest first."""
    records: list[Record] = []
    foreign: list[UsedPoint] = []
    skipped = read_bytes = 0
    for on, paths in _days(folder, since, now):
        for path in paths:
            content, unread = _tail(path)
            found = day.parse(content, on)
            records += found.records
            foreign += found.foreign
            read_bytes += len(content)
            skipped += found.skipped_lines + unread
        if limit is not None and sum(record.at <= now for record in records) >= limit:
            break
    kept = _window(records, since, now)
    return Journal(
        kept if limit is None else kept[max(0, len(kept) - limit) :], _foreign(foreign, since, now), skipped, read_bytes
    )


def sample(folder: Folder | Path, *, since: datetime, count: int, now: datetime) -> Journal:
    """About `count` records spread evenly from `since` to `now`, for charts: figures and categories, no maps.

    Reads a block before each sample, not whole files: a year takes as long as a month. Counts no skipped lines.
    """
    days = list(_days(folder, since, now))
    a_day = max(1, round(count / max(1, len(days))))
    stride = max(1, len(days) // max(1, count))
    records: list[Record] = []
    foreign: list[UsedPoint] = []
    read_bytes = 0
    for on, paths in days[::stride]:
        for path in paths:
            for block in _spread(path, a_day):
                record, point = day.newest(block, on)
                records += [record] if record else []
                foreign += [point] if point else []
                read_bytes += len(block)
    return Journal(_window(records, since, now), _foreign(foreign, since, now), 0, read_bytes)


def _days(folder: Folder | Path, since: datetime | None, now: datetime) -> Iterator[tuple[date, list[Path]]]:
    """The days that may hold records of the window with their files, newest first."""
    found: dict[date, list[Path]] = {}
    last = (now + _CLOCK_DAYS).astimezone(UTC).date()
    first = date.min if since is None else (since - _CLOCK_DAYS).astimezone(UTC).date()
    for place in folder.places if isinstance(folder, Folder) else (folder,):
        try:
            paths = list(place.iterdir())
        except OSError:
            continue  # a missing folder is an empty journal; what cannot be written is said by append
        for path in paths:
            on = day.date_of(path.name)
            if on is not None and first <= on <= last:
                found.setdefault(on, []).append(path)
    for on in sorted(found, reverse=True):
        yield on, found[on]


def _window(records: Iterable[Record], since: datetime | None, now: datetime) -> tuple[Record, ...]:
    unique = {(record.filesystem, record.at): record for record in straightened(records)}
    inside = (record for record in unique.values() if _within(record.at, since, now))
    return tuple(sorted(inside, key=lambda record: record.at))


def _foreign(points: Iterable[UsedPoint], since: datetime | None, now: datetime) -> tuple[UsedPoint, ...]:
    return tuple(sorted({point for point in points if _within(point.at, since, now)}, key=lambda point: point.at))


def _within(at: datetime, since: datetime | None, now: datetime) -> bool:
    return at <= now and (since is None or at >= since)


def _tail(path: Path) -> tuple[bytes, int]:
    """The end of a file from the start of a line on, and 1 where it could not be read."""
    try:
        fd = _open(path)
    except OSError:
        return b"", 1
    try:
        size = os.fstat(fd).st_size
        return _lines(fd, max(0, size - DAY_BYTES), size), 0
    except OSError:
        return b"", 1
    finally:
        os.close(fd)


def _spread(path: Path, count: int) -> Iterator[bytes]:
    """`count` blocks of whole lines that end at even steps through the file, the last at its end."""
    try:
        fd = _open(path)
    except OSError:
        return
    try:
        size = os.fstat(fd).st_size
        for step in range(1, count + 1):
            end = size * step // count
            block = _lines(fd, max(0, end - _BLOCK_BYTES), end)
            if not block.strip():
                block = _lines(fd, max(0, end - _WIDE_BLOCK_BYTES), end)
            yield block
    except OSError:
        return
    finally:
        os.close(fd)


def _lines(fd: int, start: int, end: int) -> bytes:
    """The bytes of the whole lines that start between `start` and `end`; the last may lack its newline at `end`."""
    content = bytearray()
    at = max(0, start - 1)
    while at < end:
        block = os.pread(fd, min(1 << 20, end - at), at)
        if not block:
            break
        content += block
        at += len(block)
    if start > 0:
        del content[: content.find(b"\n") + 1 or len(content)]
    return bytes(content)


def _open(path: Path) -> int:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError("not a regular file")
    return fd
