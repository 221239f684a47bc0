"""The common currency of trend and forecast: values over time. Pure data.

One figure of a journal over time. Pure; an unknown figure is no point.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from datetime import timedelta

from collectors.journal.record import Journal, Record


@dataclass(frozen=True, slots=True)
class Point:
    """One measured value. `at_s` is Unix time; `boot_id` None where it is not known."""

    at_s: float
    value: int
    boot_id: str | None


USED, AVAILABLE, USED_PERCENT, UNALLOCATED = "used", "available", "used_percent", "unallocated"
OWNER = "owner:"
# A supervisor's own figure adds nothing to a run of ours this close.
_SAME_RUN = timedelta(minutes=10)


def series(journal: Journal, key: str) -> tuple[Point, ...]:
    """The points of `key`, oldest first: "used", "available", "unallocated" (bytes), "used_percent" (whole percent,
    rounded up as df does), a category ("logs"), or "owner:" and an owner's name ("owner:container:api-1").

    Only of the filesystem of the newest record: a Docker root that moved to another disk is no drop.
    """
    if not journal.records:
        return _foreign(journal, ()) if key == USED_PERCENT else ()
    newest = journal.records[-1].filesystem
    own = tuple(record for record in journal.records if record.filesystem == newest)
    points = [
        Point(record.at.timestamp(), value, record.boot_id)
        for record in own
        if (value := figure(record, key)) is not None
    ]
    if key == USED_PERCENT:
        points += _foreign(journal, own)
    return tuple(sorted(points, key=lambda point: point.at_s))


def only(journal: Journal, filesystem: str | None) -> Journal:
    """The journal of one filesystem: several hosts or disks may write into one folder."""
    return replace(journal, records=tuple(record for record in journal.records if record.filesystem == filesystem))


def figure(record: Record, key: str) -> int | None:
    """One figure of one record; None where that run did not know it."""
    if key == USED:
        return record.used_bytes
    if key == AVAILABLE:
        return record.available_bytes
    if key == UNALLOCATED:
        return record.allocation.unallocated_bytes if record.allocation is not None else None
    if key == USED_PERCENT:
        return record.used_percent
    if key.startswith(OWNER):
        return (record.owners or {}).get(key.removeprefix(OWNER))
    return record.categories.get(key)


def keys(journal: Journal) -> tuple[str, ...]:
    """Every key that the newest record has a figure for: used, its categories, its owners."""
    if not journal.records:
        return ()
    newest = journal.records[-1]
    named = (USED, *newest.categories, *(OWNER + name for name in newest.owners or ()))
    return tuple(key for key in named if figure(newest, key) is not None)


def _foreign(journal: Journal, own: tuple[Record, ...]) -> tuple[Point, ...]:
    taken = sorted(record.at for record in own)
    return tuple(
        Point(point.at.timestamp(), point.used_percent, None)
        for point in journal.foreign
        if bisect_left(taken, point.at - _SAME_RUN) == bisect_right(taken, point.at + _SAME_RUN)
    )
