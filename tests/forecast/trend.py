"""The growth of a history in the few figures that tests hold it to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from collectors.forecast import Point, Rise
from collectors.forecast.crossings import study


@dataclass(frozen=True)
class Trend:
    """Growth while nothing takes back, with its 90 % interval; what prunes took in all, what pulls added at once."""

    slope_bytes_per_s: float
    low_bytes_per_s: float
    high_bytes_per_s: float
    span_s: float
    segments: int  # uninterrupted runs
    drops: int
    dropped_bytes: int
    steps: tuple[Rise, ...]

    @property
    def growing(self) -> bool:
        """Is it sure (in 95 of 100 cases) that it grows at all?"""
        return self.low_bytes_per_s > 0


def trend(points: Sequence[Point], *, now: datetime) -> Trend | None:
    """The growth of `points` as seen at `now`; None where the history is too short."""
    found = study(points, now.timestamp())
    if found is None:
        return None
    line, parts = found.line, found.parts
    return Trend(
        line.slope,
        line.slope - line.reach,
        line.slope + line.reach,
        line.span_s,
        len(parts.runs),
        len(parts.drops),
        round(sum(drop.before - drop.after for drop in parts.drops)),
        parts.steps,
    )
