"""Growth with a pattern: that of the day and the week, and the sawtooth of prunes that keep coming. Pure.

People build by day and not on Sundays: the rate of each part of the day or week is taken from the earlier ones.
Believed only where earlier weeks (or days) tell a part's growth clearly better than the mean does, and while the last
hours keep to it.

What counts where prunes keep coming is not how steep the tooth is but where the next prune finds it, and whether the
peaks rise. A prune that comes by the clock meets the tooth as it is; one that comes at a mark meets it at the mark.
Where the tooth stands above the peaks and nothing comes, it is a ramp again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import accumulate, pairwise
from math import ceil, floor, sqrt
from statistics import median

from collectors.forecast import HOUR, Drop, Run
from collectors.forecast.rates import HORIZON_S, Ramp, Reach, edges
from collectors.forecast.slope import quantile
from collectors.model import dataclass

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
    # Each part against the others of its place: what the pattern would have said without it.
    misses = {
        part: value - (sum(seen[part % parts]) - value) / (len(seen[part % parts]) - 1) for part, value in grown.items()
    }
    if not _tells_better(misses.values(), grown.values()):
        return None
    growth = tuple(sum(seen[index]) / len(seen[index]) for index in range(parts))
    rounds = len(grown) / parts
    walk, freedom = _walk({part: miss * sqrt((rounds - 1) / rounds) for part, miss in misses.items()})
    found = Season(now_s, ahead.level, growth, walk, len(grown) * PART_S, freedom)
    return found if _keeps(found, grown) else None


def _tells_better(misses: Collection[float], values: Collection[float]) -> bool:
    """Does a pattern that misses by so much tell these values clearly better than their mean does?"""
    mean = sum(values) / len(values)
    return sum(miss * miss for miss in misses) <= _BETTER * sum((value - mean) ** 2 for value in values)


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


# Drops smaller than this share of the largest are not the prunes that make the pattern.
_PRUNE_SHARE = 0.25
_FEWEST = 2
_RISE_PEAKS = 3
# Since the last prune, in longest spans between prunes: late, and given up.
_LATE = 1.5
_GONE = 3.0
# With few peaks their scatter is not known: at least this share of what a prune takes.
_LEAST_SCATTER = 0.02
# How many standard deviations the time of a coming prune may stray.
_JITTER = 1.3
_CYCLES_AHEAD = 300


@dataclass(frozen=True, slots=True)
class Sawtooth:
    """`tooth` is the present one, `due_s` seconds from now the prune that ends it. The peaks after it are told by their
    line: `peak` the next, `rise` by how much they grow a cycle, `scatter` how far they stray from it, all in bytes."""

    tooth: Ramp
    due_s: float
    period_s: float
    period_error_s: float
    peak: float
    rise: float
    scatter: float
    cycles: int
    climb: float  # bytes per second between prunes
    shape: str = "sawtooth"

    @property
    def pace(self) -> tuple[float, float, float]:
        k = self.cycles
        doubt = quantile(self._freedom()) * self.scatter * sqrt(12 / (k * (k * k - 1)))
        return (self.rise - doubt) / self.period_s, self.rise / self.period_s, (self.rise + doubt) / self.period_s

    @property
    def unsure(self) -> float:
        """How far the next peak may stray, in bytes, at 90 %."""
        return self._doubt(0)

    def band(self, ahead_s: float) -> tuple[float, float, float]:
        if ahead_s <= self.due_s:
            return self.tooth.band(ahead_s)
        number = int((ahead_s - self.due_s) // self.period_s) + 1
        before_s = self.due_s + number * self.period_s - ahead_s
        best = self._peak(number) - self.climb * before_s
        return best - self._doubt(number), best, best + self._doubt(number)

    def reach(self, wall: float) -> Reach:
        early, best, late = self.tooth.reach(wall)
        return self._reach(early, wall, 1), self._reach(best, wall, 0), self._reach(late, wall, -1)

    def _reach(self, now_on: float | None, wall: float, side: int) -> float | None:
        """By the present tooth if it comes there before its prune, else by the first peak that does."""
        if now_on is not None and now_on <= self.due_s:
            return now_on
        for number in range(1, _CYCLES_AHEAD):
            end_s = self.due_s + number * self.period_s
            if end_s > HORIZON_S:
                return None
            over = self._peak(number) + side * self._doubt(number) - wall
            if over >= 0:
                within_s = max(end_s - over / self.climb, end_s - self.period_s)
                jitter_s = _JITTER * self.period_error_s * sqrt(number + 1)
                return max(0.0, within_s - side * jitter_s)
        return None

    def _peak(self, number: int) -> float:
        return self.peak + number * self.rise

    def _doubt(self, number: int) -> float:
        # Of a line through k points, seen `number` + 1 steps behind the last.
        k = self.cycles
        out = number + (k + 1) / 2
        return quantile(self._freedom()) * self.scatter * sqrt(1 + 1 / k + 12 * out * out / (k * (k * k - 1)))

    def _freedom(self) -> float:
        return max(1.5, self.cycles - 2.0)


def sawtooth(drops: Sequence[Drop], tooth: Ramp, now_s: float) -> Sawtooth | None:
    """The pattern of these drops, oldest first, if they make one and it still holds; None otherwise."""
    prunes = _prunes(drops)
    if len(prunes) < _FEWEST:
        return None
    spans = [later.at_s - earlier.at_s for earlier, later in pairwise(prunes)]
    climb = median((later.before - earlier.after) / (later.at_s - earlier.at_s) for earlier, later in pairwise(prunes))
    if climb <= 0:
        return None
    peaks = [drop.before for drop in prunes]
    peak, rise, strayed = _next_peak(peaks)
    taken = median(drop.before - drop.after for drop in prunes)
    period_s = median(spans)
    period_error_s = sqrt(sum((span - period_s) ** 2 for span in spans) / max(1, len(spans) - 1))
    at_a_mark = strayed / taken < period_error_s / period_s
    if at_a_mark:
        due_s = (peak - tooth.level) / max(tooth.line.slope, climb / 4)
    else:
        due_s = prunes[-1].at_s + period_s - now_s
    scatter = max(strayed, _LEAST_SCATTER * taken)
    found = Sawtooth(tooth, max(0.0, due_s), period_s, period_error_s, peak, rise, scatter, len(peaks), climb)
    since = (now_s - prunes[-1].at_s) / max(spans)
    above = tooth.level - max(peak + found.unsure, *peaks)
    is_over = since > _GONE or (at_a_mark and above > taken / 2) or (since > _LATE and above > 0)
    return None if is_over else found


def _prunes(drops: Sequence[Drop]) -> list[Drop]:
    """Those that are not small beside the largest."""
    least = _PRUNE_SHARE * max((drop.before - drop.after for drop in drops), default=0.0)
    return [drop for drop in drops if drop.before - drop.after >= least]


def _next_peak(peaks: Sequence[float]) -> tuple[float, float, float]:
    """Where a line through these leads next, by how much it rises a cycle, and how far they stray from it."""
    rise = _rise(peaks)
    base = median(peak - rise * index for index, peak in enumerate(peaks))
    strayed = sqrt(sum((peak - base - rise * index) ** 2 for index, peak in enumerate(peaks)) / max(1, len(peaks) - 2))
    return base + rise * len(peaks), rise, strayed


def _rise(peaks: Sequence[float]) -> float:
    """By how much the peaks grow a cycle (Theil–Sen). Two peaks always differ: that is no rise yet."""
    if len(peaks) < _RISE_PEAKS:
        return 0.0
    return median((b - a) / (j - i) for i, a in enumerate(peaks) for j, b in enumerate(peaks[i + 1 :], i + 1))
