"""The path of used bytes where prunes keep coming: a sawtooth, told by its peaks. Pure.

What counts on such a host is not how steep the tooth is but where the next prune finds it, and whether the peaks rise.
A prune that comes by the clock meets the tooth as it is; one that comes at a mark meets it at the mark. Where the tooth
stands above the peaks and nothing comes, it is a ramp again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from statistics import median

from collectors.history.ramp import HORIZON_S, Ramp, Reach
from collectors.history.scatter import quantile
from collectors.history.segments import Drop

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
    if not drops:
        return None
    largest = max(drop.before - drop.after for drop in drops)
    prunes = [drop for drop in drops if drop.before - drop.after >= _PRUNE_SHARE * largest]
    if len(prunes) < _FEWEST:
        return None
    spans = [later.at_s - earlier.at_s for earlier, later in pairwise(prunes)]
    climb = median((later.before - earlier.after) / (later.at_s - earlier.at_s) for earlier, later in pairwise(prunes))
    if climb <= 0:
        return None
    peaks = [drop.before for drop in prunes]
    rise = _rise(peaks)
    base = median(peak - rise * index for index, peak in enumerate(peaks))
    strayed = sqrt(sum((peak - base - rise * index) ** 2 for index, peak in enumerate(peaks)) / max(1, len(peaks) - 2))
    taken = median(drop.before - drop.after for drop in prunes)
    period_s = median(spans)
    period_error_s = sqrt(sum((span - period_s) ** 2 for span in spans) / max(1, len(spans) - 1))
    peak = base + rise * len(peaks)
    at_a_mark = strayed / taken < period_error_s / period_s
    if at_a_mark:
        due_s = (peak - tooth.level) / max(tooth.line.slope, climb / 4)
    else:
        due_s = prunes[-1].at_s + period_s - now_s
    scatter = max(strayed, _LEAST_SCATTER * taken)
    found = Sawtooth(tooth, max(0.0, due_s), period_s, period_error_s, peak, rise, scatter, len(peaks), climb)
    since = (now_s - prunes[-1].at_s) / max(spans)
    above = tooth.level - max(peak + found.unsure, *peaks)
    if since > _GONE or (at_a_mark and above > taken / 2) or (since > _LATE and above > 0):
        return None
    return found


def _rise(peaks: Sequence[float]) -> float:
    """By how much the peaks grow a cycle (Theil–Sen). Two peaks always differ: that is no rise yet."""
    if len(peaks) < _RISE_PEAKS:
        return 0.0
    return median((b - a) / (j - i) for i, a in enumerate(peaks) for j, b in enumerate(peaks[i + 1 :], i + 1))
