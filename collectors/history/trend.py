"""How one figure grows: a robust slope with its interval, what was cut and what was taken out. Pure.

None from fewer than 6 samples or 2 hours: nothing is known then, and nothing is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from collectors.history.points import Point
from collectors.history.segments import Split, Step, split
from collectors.history.slope import FEWEST, SHORTEST_S, Line, adaptive

DAY = 86400.0
LOOK_BACK_S = 35 * DAY


@dataclass(frozen=True, slots=True)
class Trend:
    """Growth while nothing takes back, in bytes per second, with its 90 % interval.

    `samples` and `span_s` say what it rests on; `segments` how many uninterrupted runs the history has. What prunes
    took back in the whole history is in `dropped_bytes`, what pulls added at once in `steps`.
    """

    slope_bytes_per_s: float
    low_bytes_per_s: float
    high_bytes_per_s: float
    samples: int
    span_s: float
    segments: int
    drops: int
    dropped_bytes: int
    steps: tuple[Step, ...]

    @property
    def growing(self) -> bool:
        """Is it sure (in 95 of 100 cases) that it grows at all?"""
        return self.low_bytes_per_s > 0


@dataclass(frozen=True, slots=True)
class Study:
    """A history that is long enough, cut and measured: what trend and forecast both start from."""

    points: tuple[Point, ...]
    parts: Split
    line: Line


def study(points: Sequence[Point], now_s: float) -> Study | None:
    """The points up to `now_s`, in order of time and one a moment; None where they are too few or too close."""
    known = tuple(sorted({p.at_s: p for p in points if now_s - LOOK_BACK_S <= p.at_s <= now_s}.values(), key=_at))
    if len(known) < FEWEST or known[-1].at_s - known[0].at_s < SHORTEST_S:
        return None
    parts = split(known)
    line = adaptive(parts.runs, now_s)
    return None if line is None else Study(known, parts, line)


def trend(points: Sequence[Point], *, now: datetime) -> Trend | None:
    """The growth of `points` as seen at `now`; later points are not looked at."""
    found = study(points, now.timestamp())
    if found is None:
        return None
    line, parts = found.line, found.parts
    return Trend(
        line.slope,
        line.slope - line.reach,
        line.slope + line.reach,
        line.samples,
        line.span_s,
        len(parts.runs),
        len(parts.drops),
        round(sum(drop.before - drop.after for drop in parts.drops)),
        parts.steps,
    )


def _at(point: Point) -> float:
    return point.at_s
