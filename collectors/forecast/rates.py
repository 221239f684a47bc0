"""How fast the fill of a disk moves: looks a second apart with each writer's share; a path with growing doubt. Pure.

The path is that of used bytes where nothing takes back: a straight line with doubt on both sides.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from itertools import pairwise
from math import sqrt
from statistics import median, median_high
from typing import Any, Protocol, TypeAlias

from collectors.forecast import Run
from collectors.forecast.slope import Line, quantile
from collectors.model import dataclass
from collectors.model.report import Writer

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


PERIOD_S = 1.0
_LOOKS = 4  # what one rate is made of
_FILL_LOOKS, _LONG_LOOKS = 5, 31
_LEAST_BYTES_PER_S = 16 << 10  # less is a heartbeat, no writer
_WRITERS = 12
_ENGINES = ("dockerd", "podman")  # write the logs of containers, which are told apart already
_Key: TypeAlias = tuple[str, str, int | None]  # kind, name, process


@dataclass(slots=True)
class _Counter:
    """The last looks at one number that only grows: (seconds, bytes)."""

    looks: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_LOOKS))

    def rate(self) -> float:
        """Bytes a second of the middle one of the last looks; their mean where most of them saw nothing.

        The first look at a writer sees only a part of a second's work, so the mean would call it slower than it is.
        """
        steps = [(b - a) / (then - now) for (now, a), (then, b) in pairwise(self.looks) if then > now]
        if not steps:
            return 0.0
        usual = median_high(steps)
        return usual if usual > 0 else sum(steps) / len(steps)


class WriteRates:
    """Rows of what processes and logs have written, look after look → who writes how fast. No system calls."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._counters: dict[_Key, _Counter] = {}
        self._sums: dict[_Key, int] = {}
        self._before: dict[int, tuple[int, int]] = {}  # process → parent, bytes
        self._logs: dict[str, int] = {}
        self._where: dict[_Key, str] = {}  # writer → the directory in which its files grew most when they last did

    def look(
        self,
        at_s: float,
        logs: Mapping[str, int],
        rows: Sequence[tuple[Any, ...]] | None,
        grown: Sequence[tuple[Any, ...]] = (),
    ) -> None:
        """One more look. What grew since the last one is added up for whoever it belongs to.

        `grown` comes with `rows`: by process the directories in which its files grew, and by how much. A container's
        are told as `web-1:/var/lib/data`.
        """
        logged = 0
        for container, size in logs.items():
            more = max(0, size - self._logs.get(container, size))  # a rotated log begins again
            logged += more
            self._count(("log", container, None), more, at_s)
        self._logs = dict(logs)
        if rows is not None:
            self._processes(at_s, rows, logged)
            self._directories(at_s, grown, {row[0]: _key_of(row) for row in rows})

    def _directories(self, at_s: float, grown: Sequence[tuple[Any, ...]], whose: Mapping[int, _Key]) -> None:
        most: dict[_Key, tuple[int, str]] = {}
        sums: Counter[_Key] = Counter()
        for pid, directory, more in grown:
            path, writer = os.fsdecode(directory), whose[pid]
            inside = f"{self._name(writer[1])}:" if writer[0] == "container" else ""
            sums[("directory", f"{inside}{path}", None)] += more
            most[writer] = max(most.get(writer, (0, "")), (more, path))
        self._where |= {writer: path for writer, (_, path) in most.items()}
        for key in {key for key in self._counters if key[0] == "directory"} | sums.keys():
            self._count(key, sums[key], at_s)

    def _processes(self, at_s: float, rows: Sequence[tuple[Any, ...]], logged: int) -> None:
        now = {pid: (parent, count) for pid, _, _, parent, count, _ in rows}
        inherited = self._inherited(now)
        grown: dict[_Key, int] = {}
        for pid, container, command, _, count, here in rows:
            more = max(0, count - self._before.get(pid, (0, 0 if self._before else count))[1] - inherited[pid])
            key = _key_of((pid, container, command))
            if key[0] == "process" and key[1] in _ENGINES:
                more = max(0, more - logged)
            grown[key] = grown.get(key, 0) + (more if here else 0)
        for key in self._counters.keys() | grown.keys():
            if key[0] not in ("log", "directory"):
                self._count(key, grown.get(key, 0), at_s)
        self._before = now
        self._where = {key: path for key, path in self._where.items() if key in grown}

    def _inherited(self, now: Mapping[int, tuple[int, int]]) -> Counter[int]:
        """By process what children that have ended wrote: their parent is given it, all at once."""
        left: Counter[int] = Counter()
        for pid in self._before.keys() - now.keys():
            parent, count = self._before[pid]
            left[parent] += count
        return left

    def _count(self, key: _Key, grown: int, at_s: float) -> None:
        if not grown and key not in self._counters:
            return
        self._sums[key] = self._sums.get(key, 0) + grown
        looks = self._counters.setdefault(key, _Counter()).looks
        if not looks:
            looks.append((at_s - PERIOD_S, 0))
            self._sums[key] = grown
        looks.append((at_s, self._sums[key]))
        if len(looks) == _LOOKS and looks[0][1] == looks[-1][1]:
            del self._counters[key], self._sums[key]

    def writers(self) -> tuple[Writer, ...]:
        """Fastest first; a container's log is a writer of its own. Directories stand behind who writes to them."""
        found = [self._writer(*key, round(counter.rate())) for key, counter in self._counters.items()]
        quick = [one for one in found if one.bytes_per_s >= _LEAST_BYTES_PER_S]
        return tuple(sorted(quick, key=lambda one: (one.kind == "directory", -one.bytes_per_s, one.name)))[:_WRITERS]

    def _writer(self, kind: str, name: str, pid: int | None, rate: int) -> Writer:
        shown = name if kind in ("process", "directory") else self._name(name)
        return Writer(kind, shown, pid, rate, self._where.get((kind, name, pid), ""))

    def _name(self, container: str) -> str:
        return self._names.get(container, container[:12])


def _key_of(row: Sequence[Any]) -> _Key:
    """Whose bytes a row's are: its container's, else its own."""
    pid, container, command = row[:3]
    return ("container", os.fsdecode(container), None) if container else ("process", os.fsdecode(command), pid)


class FillRate:
    """How fast the used bytes move, over a few seconds.

    Where somebody writes and nothing moves, the filesystem tells in steps (btrfs, with each commit): then over longer.
    """

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int]] = deque(maxlen=_LONG_LOOKS)

    def look(self, at_s: float, used_bytes: int, *, written: bool) -> int | None:
        """Bytes a second after this look; None before there are two."""
        self._looks.append((at_s, used_bytes))
        looks = list(self._looks)
        steps = [(b - a) / (then - now) for (now, a), (then, b) in pairwise(looks[-_FILL_LOOKS:])]
        if not steps:
            return None
        usual = median_high(steps)
        if usual or not written:
            return round(usual)
        (begin_s, begin), (end_s, end) = looks[0], looks[-1]
        return max(0, round((end - begin) / (end_s - begin_s)))
