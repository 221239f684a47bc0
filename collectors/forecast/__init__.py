"""When the disk will be full, what grows, what is rebuilt again and again: from journaled runs. Pure but for `view`.

Here is what all of it works on: one figure of a journal over time, where an unknown figure is no point, cut where it is
no growth: drops (prunes), reboots, gaps; steps (a pull) are taken out. Growth is only ever measured inside an
uninterrupted run. A step is a rise that is far beyond what the history does otherwise, takes at most four samples, and
does not keep coming back: pulls that recur are growth.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from math import inf
from operator import itemgetter
from statistics import median
from typing import TypeAlias

from collectors.journal import Journal, Record
from collectors.model import dataclass
from collectors.model.filesystem import Allocation


@dataclass(frozen=True, slots=True)
class Point:
    """One measured value. `at_s` is Unix time; `boot_id` None where it is not known."""

    at_s: float
    value: int
    boot_id: str | None


USED, AVAILABLE, USED_PERCENT = "used", "available", "used_percent"
TREES_USED, TREES_LEFT = "trees_used", "trees_left"  # of a btrfs' metadata: what it holds, what it may still get
OWNER = "owner:"
# A supervisor's own figure adds nothing to a run of ours this close.
_SAME_RUN = timedelta(minutes=10)


def series(journal: Journal, key: str) -> tuple[Point, ...]:
    """The points of `key`, oldest first: "used", "available", "trees_used", "trees_left" (bytes), "used_percent" (whole
    percent, rounded up as df does), a category ("logs"), or "owner:" and an owner's name ("owner:container:api-1").

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
    """The journal of one filesystem, also of one that is not the Docker root's: several hosts or disks may write into
    one folder. What supervisors wrote is of the newest record's own filesystem."""
    records = tuple(seen for record in journal.records if (seen := record.seen_of(filesystem)) is not None)
    own = bool(journal.records) and journal.records[-1].filesystem == filesystem
    return replace(journal, records=records, foreign=journal.foreign if own else ())


def figure(record: Record, key: str) -> int | None:
    """One figure of one record; None where that run did not know it."""
    if key == USED:
        return record.used_bytes
    if key == AVAILABLE:
        return record.available_bytes
    if key in (TREES_USED, TREES_LEFT):
        return None if record.allocation is None else _of_trees(record.allocation, key)
    if key == USED_PERCENT:
        return record.used_percent
    if key.startswith(OWNER):
        return (record.owners or {}).get(key.removeprefix(OWNER))
    return record.categories.get(key)


def _of_trees(allocation: Allocation, key: str) -> int | None:
    more = allocation.allocatable_metadata_bytes
    if key == TREES_USED:
        return allocation.metadata_used_bytes
    return None if more is None else allocation.metadata_total_bytes - allocation.metadata_used_bytes + more


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


HOUR = 3600.0
Run: TypeAlias = Sequence[tuple[float, float]]  # (Unix seconds, bytes), oldest first

# A jump is this many times the scatter of the increments, and this share of the largest value: less is noise.
_JUMP_SCATTERS = 8.0
_JUMP_SHARE = 0.004
_JUMP_BYTES = float(1 << 20)
# No sample for this long: what happened meanwhile is not known to be even.
_GAP_INTERVALS = 6.0
_GAP_S = 1.5 * HOUR
# A step takes no longer than this many samples, there are few of them, or it dwarfs the jumps that recur.
_STEP_SAMPLES = 4
_STEPS = 3
_STEP_DWARFS = 5.0
_STEP_NEEDS = 12


@dataclass(frozen=True, slots=True)
class Drop:
    """A fall from `before` to `after` bytes, over at `at_s`."""

    at_s: float
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Rise:
    """A rise by `bytes` that is not growth, over at `at_s`."""

    at_s: float
    bytes: int


@dataclass(frozen=True, slots=True)
class Split:
    """`runs` are level: steps are taken out of what lies before them, so that each ends at its measured value."""

    runs: tuple[Run, ...]
    drops: tuple[Drop, ...]
    steps: tuple[Rise, ...]


def split(points: Sequence[Point]) -> Split:
    """The runs of at least two `points` in order of time."""
    spans = [later.at_s - earlier.at_s for earlier, later in pairwise(points)]
    rises = [float(later.value - earlier.value) for earlier, later in pairwise(points)]
    pace = median(rise / span for rise, span in zip(rises, spans, strict=True))
    scatter = 1.4826 * median(abs(rise - pace * span) for rise, span in zip(rises, spans, strict=True))
    jump = max(_JUMP_SCATTERS * scatter, _JUMP_SHARE * max(point.value for point in points), _JUMP_BYTES)
    gap_s = max(_GAP_INTERVALS * median(spans), _GAP_S)
    breaks = {index for index, (one, next_) in enumerate(pairwise(points)) if _is_break(one, next_, gap_s)}
    # Against the usual pace: what shrinks all the time does not fall.
    falls = _falls([rise - min(pace, 0.0) * span for rise, span in zip(rises, spans, strict=True)], jump)
    cuts = breaks | {index for begin, end in falls for index in range(begin, end)}
    steps = _steps(rises, spans, pace, jump, cuts)
    lift = [0.0] * len(points)  # by how much each point is stepped up to
    for index in (index for begin, end in steps for index in range(begin, end)):
        lift[index + 1] = rises[index] - pace * spans[index]
    return Split(
        tuple(_level_runs(points, lift, cuts)),
        tuple(Drop(points[end].at_s, float(points[begin].value), float(points[end].value)) for begin, end in falls),
        tuple(Rise(points[end].at_s, round(sum(lift[begin + 1 : end + 1]))) for begin, end in steps),
    )


def _level_runs(points: Sequence[Point], lift: Sequence[float], cuts: set[int]) -> list[Run]:
    """The points between cuts, with all steps that come after them put below them."""
    ahead = sum(lift)
    runs: list[list[tuple[float, float]]] = [[]]
    lifted = 0.0
    for index, point in enumerate(points):
        lifted += lift[index]
        if index - 1 in cuts:
            runs.append([])
        runs[-1].append((point.at_s, point.value + ahead - lifted))
    return [*runs]


def recent(runs: Sequence[Run], since_s: float, until_s: float = inf) -> list[Run]:
    """The parts of the runs from `since_s` to `until_s` that have at least two points."""
    kept = (
        run[bisect_left(run, since_s, key=itemgetter(0)) : bisect_right(run, until_s, key=itemgetter(0))]
        for run in runs
        if run[-1][0] >= since_s and run[0][0] <= until_s
    )
    return [run for run in kept if len(run) >= 2]


def _is_break(earlier: Point, later: Point, gap_s: float) -> bool:
    """Is it not known how it went on from one to the other?"""
    return later.at_s - earlier.at_s > gap_s or _rebooted(earlier, later)


def _rebooted(earlier: Point, later: Point) -> bool:
    return earlier.boot_id is not None and later.boot_id is not None and earlier.boot_id != later.boot_id


def _falls(rises: Sequence[float], jump: float) -> list[tuple[int, int]]:
    """Stretches of falling samples that lose more than a jump, cut to where the fall is steep."""
    found = []
    for begin, end in _stretches([rise < 0 for rise in rises]):
        steep = [index for index in range(begin, end) if rises[index] < -jump / 2]
        if steep and sum(rises[begin:end]) < -jump:
            found.append((steep[0], steep[-1] + 1))
    return found


def _steps(
    rises: Sequence[float], spans: Sequence[float], pace: float, jump: float, cuts: set[int]
) -> list[tuple[int, int]]:
    if len(rises) < _STEP_NEEDS:
        return []
    events = _stretches([rise > jump and index not in cuts for index, rise in enumerate(rises)])
    sizes = {event: sum(rises[event[0] : event[1]]) - pace * sum(spans[event[0] : event[1]]) for event in events}
    if len(events) > _STEPS:
        usual = median(sizes.values())
        events = [event for event in events if sizes[event] > _STEP_DWARFS * usual][:_STEPS]
    return [(begin, end) for begin, end in events if end - begin <= _STEP_SAMPLES]


def _stretches(marks: Sequence[bool]) -> list[tuple[int, int]]:
    """The half-open ranges of indices where `marks` holds."""
    found: list[tuple[int, int]] = []
    begin: int | None = None
    for index, mark in enumerate((*marks, False)):
        if mark and begin is None:
            begin = index
        elif not mark and begin is not None:
            found.append((begin, index))
            begin = None
    return found
