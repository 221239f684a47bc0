"""The path of used bytes where nothing takes back: a straight line with growing doubt on both sides. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt
from statistics import median
from typing import Protocol, TypeAlias

from collectors.forecast import Run
from collectors.forecast.slope import Line, quantile
from collectors.model.records import dataclass

# Farther than this nothing is said: so long no disk grows as it did.
HORIZON_S = 400 * 86400.0
_LEVEL_SAMPLES = 40
# Peaks of white noise stand about so many standard deviations above the line when the line comes near a wall.
_CREST = 1.5

# Seconds from now to a crossing: earliest and latest of a 90 % interval around the best; None: not to be expected.
Reach: TypeAlias = tuple[float | None, float | None, float | None]


class Path(Protocol):
    """What is to come, in seconds from now and bytes."""

    @property
    def shape(self) -> str:
        """ "ramp", "sawtooth" or "season"."""

    @property
    def pace(self) -> tuple[float, float, float]:
        """Growth in bytes per second over the days to come, prunes counted: low edge, best, high edge."""

    def band(self, ahead_s: float) -> tuple[float, float, float]:
        """The low and high edge of the 90 % band around the best guess: low, best, high in bytes."""

    def reach(self, wall: float) -> Reach:
        """When the path comes to `wall` bytes: earliest, best, latest."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """`level` is where the line stands now; single odd samples do not move it."""

    line: Line
    level: float
    level_variance: float
    shape: str = "ramp"

    @property
    def pace(self) -> tuple[float, float, float]:
        return self.line.slope - self.line.reach, self.line.slope, self.line.slope + self._up()

    def band(self, ahead_s: float) -> tuple[float, float, float]:
        t90 = quantile(self.line.scatter.freedom)
        best = self.level + self.line.slope * ahead_s
        strayed = t90 * t90 * (self.level_variance + self.line.scatter.walk * ahead_s)
        low = best - sqrt(strayed + (ahead_s * self.line.reach) ** 2)
        return low, best, best + sqrt(strayed + (ahead_s * self._up()) ** 2)

    def reach(self, wall: float) -> Reach:
        return edges(self._crest, wall)

    def _crest(self, ahead_s: float) -> tuple[float, float, float]:
        """The band of the highest values: it is a peak of what comes and goes that meets a wall first."""
        low, best, high = self.band(ahead_s)
        crest = _CREST * sqrt(self.line.scatter.white)
        middle = best + crest
        return middle - sqrt((best - low) ** 2 + crest**2), middle, middle + sqrt((high - best) ** 2 + crest**2)

    def _up(self) -> float:
        # Growth comes in bursts, and a stretch with few of them looks slow and even: the doubt is judged at the true
        # rate, not at the measured one (as Wilson's interval does), which reaches farther up than down.
        half = self.line.reach
        if half <= 0:  # a series that never moved leaves no doubt
            return 0.0
        skew = half * half / max(self.line.slope, half / 2)
        return skew / 2 + sqrt(half * half + skew * skew / 4)


def ramp(run: Run, line: Line, now_s: float) -> Ramp:
    """The line from the end of the last run on."""
    tail = run[-_LEVEL_SAMPLES:]
    gain = _gain(tail, line)
    at_s, level = tail[0]
    for later_s, value in tail[1:]:
        level += line.slope * (later_s - at_s)
        level += gain * (value - level)
        at_s = later_s
    return Ramp(line, level + line.slope * (now_s - at_s), gain * line.scatter.white)


def edges(band: Callable[[float], Sequence[float]], wall: float) -> Reach:
    """When the high edge, the best guess and the low edge of a band first come to `wall`."""
    return _first(lambda s: band(s)[2], wall), _first(lambda s: band(s)[1], wall), _first(lambda s: band(s)[0], wall)


def _gain(tail: Run, line: Line) -> float:
    """How far the newest sample is believed against those before it: the steady gain of a Kalman filter, 0 to 1."""
    if len(tail) < 2 or line.scatter.white <= 0:
        return 1.0
    interval_s = median(later[0] - earlier[0] for earlier, later in pairwise(tail))
    ratio = line.scatter.walk * interval_s / line.scatter.white
    gain = (sqrt(ratio * ratio + 4 * ratio) - ratio) / 2 if ratio < 1e6 else 1.0
    return max(gain, 2 / (len(tail) + 1))


def _first(value: Callable[[float], float], wall: float) -> float | None:
    """The first moment that `value`, which wavers little, comes to `wall`; by doubling steps, then bisection."""
    if value(0.0) >= wall:
        return 0.0
    low, high = 0.0, 300.0
    while value(high) < wall:
        low, high = high, high * 1.25
        if high > HORIZON_S:
            return None
    for _ in range(16):
        middle = (low + high) / 2
        low, high = (low, middle) if value(middle) >= wall else (middle, high)
    return high
