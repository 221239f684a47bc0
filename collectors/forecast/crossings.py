"""How one figure grows, and when it will cross each threshold, with 90 % intervals, from what is known up to now. Pure.

Three shapes are told apart: a ramp, a sawtooth that prunes keep, and growth that follows the day and the week. Nothing
is said from fewer than 6 samples or 2 hours, and a disk that is full already is not "resolved" because it cannot grow.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from collectors.forecast import Point, Split, split
from collectors.forecast.periodic import sawtooth, season
from collectors.forecast.rates import Path, ramp
from collectors.forecast.slope import FEWEST, SHORTEST_S, Line, adaptive
from collectors.model import dataclass
from collectors.model.filesystem import most_used_bytes
from collectors.model.report import Crossing
from collectors.model.settings import Thresholds

DAY = 86400.0
LOOK_BACK_S = 35 * DAY


@dataclass(frozen=True, slots=True)
class Study:
    """A history that is long enough, cut and measured: what growth and forecast both start from."""

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


def _at(point: Point) -> float:
    return point.at_s


# An alarm wants a crossing that is not only likely soon but sure in the end: the latest within so many times the limit.
_SURE_WITHIN = 3.0
# And it wants to have watched for a fair share of what it looks ahead: three hours do not tell a day.
_WATCHED_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Forecast:
    """`crossings` of the thresholds that still lie ahead and will be met, nearest first; `passed` lie behind.

    `path` gives the band for a chart. `reason` says why nothing is foreseen, "" where something is.
    """

    now: datetime
    crossings: tuple[Crossing, ...]
    passed: tuple[int, ...]
    path: Path | None
    watched_s: float  # from the oldest sample to the newest
    reason: str

    def crosses(self, percent: int, within: timedelta) -> bool:
        """Is `percent` to be expected `within` this time? The test that alarms are made of."""
        return imminent(self.crossings, percent, now=self.now, within=within, watched_s=self.watched_s)


def imminent(
    crossings: Iterable[Crossing], percent: int, *, now: datetime, within: timedelta, watched_s: float
) -> bool:
    """Will `percent` be crossed `within` this time, by the best guess, and for certain in the end?

    `watched_s` is how long the history behind the forecast is. Held against a fleet of simulated hosts: a crossing that
    is merely likely is an alarm that people learn to ignore.
    """
    return watched_s >= _WATCHED_SHARE * within.total_seconds() and any(
        crossing.percent == percent
        and crossing.at <= now + within
        and crossing.latest is not None
        and crossing.latest <= now + _SURE_WITHIN * within
        for crossing in crossings
    )


def forecast(points: Sequence[Point], *, total: int, thresholds: Thresholds, now: datetime) -> Forecast:
    """The crossings of `p1_percent`, `p0_percent` and of 100 %. `total` is what users may use, in bytes.

    A level is crossed with the byte at which the used % shows it; 100 % is crossed when nothing is left.
    """
    walls = sorted({round(thresholds.p1_percent), round(thresholds.p0_percent), 100})
    now_s = now.timestamp()
    known = [point for point in points if point.at_s <= now_s]
    newest = max(known, key=lambda point: point.at_s).value if known else 0
    passed = tuple(percent for percent in walls if newest >= _begins(percent, total))
    found = study(known, now_s)
    if found is None:
        return Forecast(now, (), passed, None, 0.0, "too few runs: a forecast wants 6 of them over 2 hours")
    path = path_of(found, now_s)
    watched_s = found.points[-1].at_s - found.points[0].at_s
    ahead = (percent for percent in walls if percent not in passed)
    crossings = [_met(path, percent, _begins(percent, total), now) for percent in ahead]
    met = tuple(crossing for crossing in crossings if crossing is not None)
    if met:
        return Forecast(now, met, passed, path, watched_s, "")
    reason = "it is full" if 100 in passed else "it does not grow towards a threshold"
    return Forecast(now, (), passed, path, watched_s, reason)


def filled(points: Sequence[Point], most_bytes: int, now: datetime) -> Crossing | None:
    """When a figure that grows comes to so many bytes; None where it does not, or too few runs tell."""
    found = study(points, now.timestamp())
    return None if found is None else _met(path_of(found, now.timestamp()), 100, most_bytes, now)


def _met(path: Path, percent: int, wall_bytes: int, now: datetime) -> Crossing | None:
    """When a level is met; None where it is not foreseen that it ever is."""
    earliest, best, latest = path.reach(wall_bytes)
    if best is None:
        return None
    return Crossing(
        percent,
        now + timedelta(seconds=best),
        now + timedelta(seconds=best if earliest is None else min(earliest, best)),
        None if latest is None else now + timedelta(seconds=max(latest, best)),
    )


def _begins(percent: int, total: int) -> int:
    """The used bytes with which a level begins."""
    return total if percent >= 100 else most_used_bytes(percent - 1, total) + 1


def path_of(known: Study, now_s: float) -> Path:
    """The shape that this history has, most particular first."""
    straight = ramp(known.parts.runs[-1], known.line, now_s)
    return sawtooth(known.parts.drops, straight, now_s) or season(known.parts.runs, straight, now_s) or straight
