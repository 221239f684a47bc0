"""The path of used bytes where prunes keep coming: a sawtooth, told by its peaks. Pure.

What counts on such a host is not how steep the next tooth is but whether the peaks rise, and by how much a cycle. A
tooth that outgrows the peaks, or a prune that is long overdue, is a ramp again.
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
_OVERDUE = 1.5
# With few peaks their scatter is not known: at least this share of what a prune takes.
_LEAST_SCATTER = 0.04
_CYCLES_AHEAD = 1000


@dataclass(frozen=True, slots=True)
class Sawtooth:
    """`peak` is the expected next peak, `rise` by how much the peaks grow a cycle, both in bytes."""

    now_s: float
    next_s: float  # when the next prune is due
    period_s: float
    period_error_s: float
    peak: float
    rise: float
    scatter: float  # standard deviation of a peak around its line
    cycles: int
    climb: float  # bytes per second between prunes
    shape: str = "sawtooth"

    @property
    def pace(self) -> tuple[float, float, float]:
        k = self.cycles
        doubt = quantile(self._freedom()) * self.scatter * sqrt(12 / (k * (k * k - 1)))
        return (self.rise - doubt) / self.period_s, self.rise / self.period_s, (self.rise + doubt) / self.period_s

    def band(self, ahead_s: float) -> tuple[float, float, float]:
        number = max(0, int((ahead_s - (self.next_s - self.now_s)) // self.period_s) + 1)
        before_s = self.next_s + number * self.period_s - (self.now_s + ahead_s)
        best = self._peak(number) - self.climb * before_s
        return best - self._doubt(number), best, best + self._doubt(number)

    def reach(self, wall: float) -> Reach:
        return self._reach(wall, 1), self._reach(wall, 0), self._reach(wall, -1)

    def _reach(self, wall: float, side: int) -> float | None:
        for number in range(_CYCLES_AHEAD):
            due_s = self.next_s - self.now_s + number * self.period_s
            if due_s > HORIZON_S:
                return None
            over = self._peak(number) + side * self._doubt(number) - wall
            if over >= 0:
                within_s = max(due_s - over / self.climb, due_s - self.period_s)
                jitter_s = quantile(self._freedom()) * self.period_error_s * sqrt(number + 1)
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


def sawtooth(drops: Sequence[Drop], ahead: Ramp, now_s: float) -> Sawtooth | None:
    """The pattern of these drops, oldest first, if they make one and it still holds; None otherwise."""
    if not drops:
        return None
    largest = max(drop.before - drop.after for drop in drops)
    prunes = [drop for drop in drops if drop.before - drop.after >= _PRUNE_SHARE * largest]
    if len(prunes) < _FEWEST:
        return None
    spans = [later.at_s - earlier.at_s for earlier, later in pairwise(prunes)]
    period_s = median(spans)
    if now_s - prunes[-1].at_s > _OVERDUE * max(spans):
        return None
    climb = median((later.before - earlier.after) / (later.at_s - earlier.at_s) for earlier, later in pairwise(prunes))
    if climb <= 0:
        return None
    peaks = [drop.before for drop in prunes]
    rise = median((b - a) / (j - i) for i, a in enumerate(peaks) for j, b in enumerate(peaks[i + 1 :], i + 1))
    base = median(peak - rise * index for index, peak in enumerate(peaks))
    strayed = sum((peak - base - rise * index) ** 2 for index, peak in enumerate(peaks))
    taken = median(drop.before - drop.after for drop in prunes)
    scatter = max(sqrt(strayed / max(1, len(peaks) - 2)), _LEAST_SCATTER * taken)
    period_error_s = sqrt(sum((span - period_s) ** 2 for span in spans) / max(1, len(spans) - 1))
    found = Sawtooth(
        now_s,
        max(now_s, prunes[-1].at_s + period_s),
        period_s,
        period_error_s,
        base + rise * len(peaks),
        rise,
        scatter,
        len(peaks),
        climb,
    )
    return None if _outgrown(found, ahead, taken) else found


def _outgrown(pattern: Sawtooth, ahead: Ramp, taken: float) -> bool:
    """Will this tooth surely stand above the next peak when the prune is due?"""
    low, _, _ = ahead.band(pattern.next_s - pattern.now_s)
    _, _, high = pattern.band(pattern.next_s - pattern.now_s)
    return low > max(high, pattern.peak + taken / 2)
