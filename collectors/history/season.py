"""The path of used bytes that follows the day and the week: people build by day and not on Sundays. Pure.

The rate of each part of the day or week is taken from the earlier ones. Believed only where earlier weeks (or days)
tell a part's growth clearly better than the mean does, and while the last hours keep to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import ceil, floor, sqrt

from collectors.history.ramp import Ramp, Reach, edges
from collectors.history.scatter import quantile
from collectors.history.segments import HOUR, Run

DAY = 24 * HOUR
PART_S = 4 * HOUR
_CLOSE_S = 0.75 * PART_S
# (period, least history): a pattern has to be seen twice, and a bit.
_PERIODS = ((7 * DAY, 14.5 * DAY), (DAY, 3.5 * DAY))
# The pattern's error on a part that it has not seen, against that of the mean rate.
_BETTER = 0.6
_KEEPS_WITHIN = 3.0
_RECENT_PARTS = 6


@dataclass(frozen=True, slots=True)
class Season:
    """`growth` is the growth of each part of the period in bytes, from the part that holds the Unix epoch on."""

    now_s: float
    level: float
    growth: tuple[float, ...]
    walk: float  # bytes² per second around the pattern
    span_s: float  # how much history it was taken from
    freedom: float
    shape: str = "season"

    @property
    def pace(self) -> tuple[float, float, float]:
        best = sum(self.growth) / (len(self.growth) * PART_S)
        doubt = quantile(self.freedom) * sqrt(self.walk / self.span_s)
        return best - doubt, best, best + doubt

    def band(self, ahead_s: float) -> tuple[float, float, float]:
        best = self.level + self._grown(self.now_s, self.now_s + ahead_s)
        doubt = quantile(self.freedom) * sqrt(self.walk * (ahead_s + ahead_s * ahead_s / self.span_s))
        return best - doubt, best, best + doubt

    def reach(self, wall: float) -> Reach:
        return edges(self.band, wall)

    def _grown(self, from_s: float, to_s: float) -> float:
        return self._until(to_s) - self._until(from_s)

    def _until(self, at_s: float) -> float:
        """Growth by the pattern since the epoch."""
        part, into_s = divmod(at_s, PART_S)
        rounds, index = divmod(int(part), len(self.growth))
        done = sum(self.growth[:index]) + self.growth[index] * into_s / PART_S
        return rounds * sum(self.growth) + done


def season(runs: Sequence[Run], ahead: Ramp, now_s: float) -> Season | None:
    """The weekly, else the daily pattern in these runs, where there is one and it still holds; None otherwise."""
    span_s = now_s - runs[0][0][0]
    grown: dict[int, float] = {}
    for period_s, least_s in _PERIODS:
        if span_s < least_s:
            continue
        grown = grown or _parts(runs)
        found = _pattern(grown, round(period_s / PART_S), ahead, now_s)
        if found is not None:
            return found
    return None


def _pattern(grown: dict[int, float], parts: int, ahead: Ramp, now_s: float) -> Season | None:
    seen: dict[int, list[float]] = defaultdict(list)
    for part, value in grown.items():
        seen[part % parts].append(value)
    if len(seen) < parts or min(map(len, seen.values())) < 2:
        return None
    mean = sum(grown.values()) / len(grown)
    # Each part against the others of its place: what the pattern would have said without it.
    misses = {
        part: value - (sum(seen[part % parts]) - value) / (len(seen[part % parts]) - 1) for part, value in grown.items()
    }
    if sum(miss * miss for miss in misses.values()) > _BETTER * sum((value - mean) ** 2 for value in grown.values()):
        return None
    growth = tuple(sum(seen[index]) / len(seen[index]) for index in range(parts))
    rounds = len(grown) / parts
    walk, freedom = _walk({part: miss * sqrt((rounds - 1) / rounds) for part, miss in misses.items()})
    found = Season(now_s, ahead.level, growth, walk, len(grown) * PART_S, freedom)
    return found if _keeps(found, grown) else None


def _parts(runs: Sequence[Run]) -> dict[int, float]:
    """Growth in each whole part of the day that lies inside a run, in bytes, by number since the epoch.

    A part whose ends lie between samples that are far apart is not known.
    """
    grown: dict[int, float] = {}
    for run in runs:
        known: dict[int, float] = {}
        for (t0, y0), (t1, y1) in pairwise(run):
            if t1 - t0 <= _CLOSE_S:
                for edge in range(ceil(t0 / PART_S), floor(t1 / PART_S) + 1):
                    known[edge] = y0 + (y1 - y0) * (edge * PART_S - t0) / (t1 - t0)
        grown |= {edge: known[edge + 1] - value for edge, value in known.items() if edge + 1 in known}
    return grown


def _walk(misses: dict[int, float]) -> tuple[float, float]:
    """The random walk around the pattern, in bytes² per second, and its degrees of freedom.

    By sums over a day, where they are steadier than what single parts say: misses that hang together add up.
    """
    a_day = round(DAY / PART_S)
    single = sum(miss * miss for miss in misses.values()) / len(misses) / PART_S
    days: dict[int, list[float]] = defaultdict(list)
    for part, miss in misses.items():
        days[part // a_day].append(miss)
    whole = [sum(day) for day in days.values() if len(day) == a_day]
    if len(whole) < 4:
        return single, 4.0
    return max(single, sum(day * day for day in whole) / len(whole) / DAY), max(3.0, len(whole) / 2)


def _keeps(pattern: Season, grown: dict[int, float]) -> bool:
    """Have the last parts grown as the pattern says, alone and together?"""
    newest = sorted(grown)[-_RECENT_PARTS:]
    strays = accumulate(grown[part] - pattern.growth[part % len(pattern.growth)] for part in reversed(newest))
    return all(
        abs(stray) <= _KEEPS_WITHIN * quantile(pattern.freedom) * sqrt(pattern.walk * PART_S * (number + 1))
        for number, stray in enumerate(strays)
    )
