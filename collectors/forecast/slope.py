"""The slope of a history, robust, with the error that follows from how it strays from its line. Pure.

Theil–Sen: the median of the slopes of all pairs inside a run, weighted by their distance in time, so that a minority of
odd values moves nothing. The window adapts: it reaches back as long as the longer slope agrees with every shorter one.

A history strays by white noise, files that come and go, and by a random walk, growth that comes unevenly (bursts,
builds): its error grows with the horizon. Both are measured by second differences, which do not see the slope (the idea
of the Allan variance).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from math import sqrt
from statistics import median

from collectors.forecast import HOUR, Run, recent
from collectors.model import dataclass

_LONGEST_LAG = 72
# Two-sided 90 % quantiles of Student's t by degrees of freedom.
_T90 = (
    (1.0, 6.31),
    (2.0, 2.92),
    (3.0, 2.35),
    (4.0, 2.13),
    (5.0, 2.02),
    (6.0, 1.94),
    (8.0, 1.86),
    (12.0, 1.78),
    (20.0, 1.72),
    (40.0, 1.68),
    (1e9, 1.645),
)


@dataclass(frozen=True, slots=True)
class Scatter:
    """`white` in bytes², `walk` in bytes² per second; `freedom` is how well they are known, in degrees of freedom."""

    white: float
    walk: float
    freedom: float


def measure(runs: Sequence[Run]) -> Scatter | None:
    """The scatter inside the runs; None where no run has three points."""
    near = _second_differences(runs, 1)
    if near is None:
        return None
    samples = sum(map(len, runs))
    lag = max(2, min(samples // 10, max(map(len, runs)) // 3, _LONGEST_LAG))
    far = _second_differences(runs, lag)
    if far is None:
        return Scatter(near.square / 6, near.square / 2 / near.lag_s, max(1.0, 0.7 * near.blocks))
    # E[second difference²] = 6 white + 2 walk · lag: two lags, two unknowns. Files that stay for hours are white only
    # to lags that are longer, so the shorter lag is not the shortest. A difference of two overlapping squares is known
    # worse than either: it has fewer degrees of freedom than there are blocks.
    middle = _second_differences(runs, max(1, lag // 3)) or near
    walk = max(0.0, (far.square - middle.square) / 2 / (far.lag_s - middle.lag_s))
    white = max(0.0, (middle.square - 2 * walk * middle.lag_s) / 6)
    return Scatter(white, walk, max(1.5, 0.4 * far.blocks))


@lru_cache(maxsize=256)
def quantile(freedom: float) -> float:
    """How many standard errors a 90 % interval reaches to each side."""
    for (low, high_t), (high, low_t) in pairwise(_T90):
        if freedom <= low:
            return high_t
        if freedom < high:
            share = (1 / low - 1 / freedom) / (1 / low - 1 / high)
            return high_t + share * (low_t - high_t)
    return _T90[-1][1]


@dataclass(frozen=True, slots=True)
class _Differences:
    square: float  # mean square, bytes²
    lag_s: float  # mean
    blocks: float  # how many of them do not overlap


def _second_differences(runs: Sequence[Run], lag: int) -> _Differences | None:
    total = lag_s = 0.0
    count = 0
    for run in runs:
        for (t0, y0), (t1, y1), (t2, y2) in zip(run, run[lag:], run[2 * lag :], strict=False):
            difference = (y2 - y1) - (y1 - y0) * (t2 - t1) / (t1 - t0)
            total += difference * difference
            lag_s += (t2 - t0) / 2
            count += 1
    return _Differences(total / count, lag_s / count, count / lag) if count else None


DAY = 24 * HOUR
# Each reaches back 1.6 times as far as the one before.
WINDOWS_S = (
    2.2 * HOUR,
    3.5 * HOUR,
    6 * HOUR,
    10 * HOUR,
    16 * HOUR,
    26 * HOUR,
    42 * HOUR,
    68 * HOUR,
    4.6 * DAY,
    7.5 * DAY,
    12 * DAY,
)
FEWEST = 6  # samples
SHORTEST_S = 2 * HOUR
_SCATTER_S = 7 * DAY
# Pairs grow with the square of the points: more than this add cost, not certainty.
_POINTS = 36
# A longer window has to agree with the shorter ones within this many half-widths of their 90 % intervals.
_AGREES = 1.4
_BEFORE = 1.2
_LONGER = 1.2
# Growth comes in bursts: near pairs mostly show the lulls, and their median undercuts the mean.
_DISTANT = 0.4


@dataclass(frozen=True, slots=True)
class Line:
    """Growth in bytes per second. `window_s` is how far back it was measured, `span_s` how much of that is runs."""

    slope: float
    error: float  # standard error
    scatter: Scatter
    window_s: float
    span_s: float
    samples: int

    @property
    def reach(self) -> float:
        """Half the width of the slope's 90 % interval."""
        return quantile(self.scatter.freedom) * self.error


def adaptive(runs: Sequence[Run], now_s: float) -> Line | None:
    """The slope over the longest window that agrees with all shorter ones; None from too few or too close samples."""
    usual = measure(recent(runs, now_s - _SCATTER_S))
    if usual is None:
        return None
    best: Line | None = None
    for window_s in WINDOWS_S:
        inside = recent(runs, now_s - window_s)
        if best is not None and _span_s(inside) < _LONGER * best.span_s:
            continue
        if best is not None and not _agree(best, runs, now_s, usual):
            break
        best = fit(inside, window_s, usual) or best
    return best


def _agree(newer: Line, runs: Sequence[Run], now_s: float, usual: Scatter) -> bool:
    """Did it grow as fast before the window of `newer`, as far as can be told?"""
    until_s = now_s - newer.window_s
    older = fit(recent(runs, until_s - _BEFORE * newer.window_s, until_s), newer.window_s, usual)
    if older is None:
        return True
    return abs(newer.slope - older.slope) <= _AGREES * sqrt(newer.reach**2 + older.reach**2)


def _span_s(runs: Sequence[Run]) -> float:
    return sum(run[-1][0] - run[0][0] for run in runs)


def fit(runs: Sequence[Run], window_s: float, usual: Scatter) -> Line | None:
    """The line through these runs; `usual` is the longer history's scatter, which a quiet hour does not undercut."""
    samples = sum(map(len, runs))
    if samples < FEWEST:
        return None
    own = measure(runs)
    scatter = own if own is not None and own.walk > usual.walk else usual
    thinned = [_thin(run, max(2, _POINTS * len(run) // samples)) for run in runs]
    slope = _weighted_median([pair for run in thinned for pair in _slopes(run)])
    leverage = walk = 0.0
    for run in thinned:
        middle = sum(at for at, _ in run) / len(run)
        own_leverage = sum((at - middle) ** 2 for at, _ in run)
        leverage += own_leverage
        # A random walk of variance w a second moves the slope of a span S by a variance of 1.2 w / S.
        walk += own_leverage**2 * 1.2 / (run[-1][0] - run[0][0])
    white = scatter.white / leverage * sum(map(len, thinned)) / samples
    return Line(slope, sqrt(white + scatter.walk * walk / leverage**2), scatter, window_s, _span_s(runs), samples)


def _slopes(run: Run) -> list[tuple[float, float]]:
    """The slopes of the distant pairs of a run, each with its distance as its weight."""
    least_s = _DISTANT * (run[-1][0] - run[0][0])
    return [
        ((later[1] - earlier[1]) / (later[0] - earlier[0]), later[0] - earlier[0])
        for index, earlier in enumerate(run)
        for later in run[index + 1 :]
        if later[0] - earlier[0] >= least_s
    ]


def _weighted_median(pairs: list[tuple[float, float]]) -> float:
    pairs.sort()
    half = sum(weight for _, weight in pairs) / 2
    for value, weight in pairs:
        half -= weight
        if half <= 0:
            return value
    return pairs[-1][0]


def _thin(run: Run, count: int) -> Run:
    """At most `count` points, each the mean time and median value of its neighbours."""
    if len(run) <= count:
        return run
    groups = [run[len(run) * index // count : len(run) * (index + 1) // count] for index in range(count)]
    return [(sum(at for at, _ in group) / len(group), median(value for _, value in group)) for group in groups]
