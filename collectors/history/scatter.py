"""How a history strays from its own straight line: white noise and a random walk. Pure.

White noise is files that come and go; a random walk is growth that comes unevenly (bursts, builds): its error grows
with the horizon. Both are measured by second differences, which do not see the slope (the idea of the Allan variance).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from collectors.history.segments import Run

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
