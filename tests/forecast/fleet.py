"""A simulated fleet of hosts: seeded histories of used bytes, with the future that the forecast must not see.

Each host is a true path at one value every 5 minutes, and what a run every 20 minutes saw of it: late by a jitter, now
and then missing, sometimes hours of outage, with reboots and with the noise of files that come and go. The growth
itself is uneven: it comes in bursts, not by the ruler. The parameters are drawn wide, not chosen to suit an estimator.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

from collectors.forecast import Point

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
TICK_S = 5 * MINUTE
RUN_S = 20 * MINUTE
EPOCH_S = 1_795_392_000.0  # a Monday, 00:00 UTC
GIB = 1 << 30


@dataclass(frozen=True)
class Host:
    """One history. `points` is everything that was ever sampled; look at it through `seen`."""

    kind: str
    seed: int
    total: int
    now_s: float  # a moment to forecast at; the path goes on behind it
    begin_s: float
    path: tuple[float, ...]  # used bytes at begin_s, begin_s + TICK_S, …
    points: tuple[Point, ...]

    def seen(self, now_s: float) -> tuple[Point, ...]:
        """What had been sampled by `now_s`."""
        return self.points[: bisect_left(self.points, now_s + 1e-6, key=lambda point: point.at_s)]

    def crossing_s(self, percent: float, after_s: float) -> float | None:
        """When the true path first reaches `percent` after `after_s`; None: not within the simulated future."""
        wall = percent / 100 * self.total
        start = max(0, int((after_s - self.begin_s) // TICK_S))
        for index in range(start, len(self.path)):
            if self.path[index] >= wall:
                return self.begin_s + index * TICK_S
        return None

    @property
    def end_s(self) -> float:
        return self.begin_s + float((len(self.path) - 1) * TICK_S)


def steady_ramp(seed: int) -> Host:
    """Something writes all the time: logs, uploads, layers. Some ramps start only after quiet days."""
    rng = _rng("ramp", seed)
    total = _total(rng)
    lead_s = rng.uniform(5 * HOUR, 6 * DAY)  # from now to 80 %
    seen_s = rng.uniform(2.5 * HOUR, 5 * DAY)  # of the ramp, by now
    start = rng.uniform(0.1, 0.7) * total
    rate = (0.8 * total - start) / (lead_s + seen_s)
    quiet_s = rng.choice((0.0, 0.0, rng.uniform(6 * HOUR, 4 * DAY)))
    grow = _Bursts(rng, rate)
    path = _grow(start, quiet_s + seen_s + 3 * lead_s + 2 * DAY, lambda at_s: grow() if at_s >= quiet_s else 0.0)
    return _host("ramp", seed, rng, total, path, quiet_s + seen_s)


def noisy_ramp(seed: int) -> Host:
    """A ramp under the coming and going of big temporary files: builds, exports, compactions."""
    rng = _rng("noise", seed)
    total = _total(rng)
    lead_s = rng.uniform(8 * HOUR, 6 * DAY)
    seen_s = rng.uniform(1 * DAY, 6 * DAY)
    start = rng.uniform(0.2, 0.65) * total
    grow = _Bursts(rng, (0.8 * total - start) / (lead_s + seen_s))
    swing = _swing(rng, rng.uniform(0.002, 0.012) * total)
    base = _grow(start, seen_s + 3 * lead_s + 2 * DAY, lambda _: grow())
    return _host("noise", seed, rng, total, [used + swing() for used in base], seen_s)


def flat_noise(seed: int) -> Host:
    """Nothing grows; files come and go."""
    rng = _rng("flat", seed)
    total = _total(rng)
    level = rng.uniform(0.3, 0.72) * total
    swing = _swing(rng, rng.uniform(0.001, 0.012) * total)
    path = [min(level + swing(), 0.795 * total) for _ in range(int(12 * DAY / TICK_S))]
    return _host("flat", seed, rng, total, path, rng.uniform(1 * DAY, 8 * DAY))


def sawtooth(seed: int) -> Host:
    """Growth and prunes that hold it: by the clock, or when a mark is reached. Peaks stay below 80 %."""
    rng = _rng("sawtooth", seed)
    total = _total(rng)
    peak = rng.uniform(0.45, 0.77) * total
    depth = rng.uniform(0.03, 0.3) * total
    period_s = rng.choice((6 * HOUR, 12 * HOUR, DAY, DAY, 2 * DAY))
    path = _saw(rng, total, peak - depth, depth, period_s, 0.0, 16 * DAY)
    return _host("sawtooth", seed, rng, total, path, rng.uniform(2.5, 6.0) * period_s + 0.5 * DAY)


def rising_sawtooth(seed: int) -> Host:
    """Prunes that take back less than what grew: each peak is higher, and one will cross 80 %."""
    rng = _rng("rising sawtooth", seed)
    total = _total(rng)
    period_s = rng.choice((6 * HOUR, 12 * HOUR, DAY, DAY))
    depth = rng.uniform(0.04, 0.15) * total
    low = rng.uniform(0.2, 0.4) * total
    cycles = rng.uniform(8, 20)  # until the peaks reach 80 %
    leak = (0.8 * total - low - depth) / cycles
    path = _saw(rng, total, low, depth, period_s, leak, 2.5 * cycles * period_s)
    return _host("rising sawtooth", seed, rng, total, path, rng.uniform(0.35, 0.8) * cycles * period_s)


def step(seed: int) -> Host:
    """A quiet host that pulled something big, once, twice or three times; the last time not long ago."""
    rng = _rng("step", seed)
    total = _total(rng)
    level = rng.uniform(0.25, 0.5) * total
    now_at_s = rng.uniform(1.5 * DAY, 7 * DAY)
    count = rng.choice((1, 1, 2, 3))
    pulls = [now_at_s - rng.uniform(0, 10 * HOUR), *(rng.uniform(0, now_at_s) for _ in range(count - 1))]
    size = rng.uniform(0.02, 0.28) * total / count
    takes_s = [rng.choice((TICK_S, TICK_S, 20 * MINUTE, 45 * MINUTE)) for _ in pulls]
    creep = _Bursts(rng, rng.uniform(0, 0.004) * total / DAY)

    def grow(at_s: float) -> float:
        pulled = sum(
            size * TICK_S / took for begin, took in zip(pulls, takes_s, strict=True) if begin <= at_s < begin + took
        )
        return creep() + pulled

    return _host("step", seed, rng, total, _grow(level, now_at_s + 5 * DAY, grow), now_at_s)


def stepped_ramp(seed: int) -> Host:
    """A ramp that a pull or two lifted on its way."""
    rng = _rng("stepped ramp", seed)
    total = _total(rng)
    lead_s = rng.uniform(8 * HOUR, 6 * DAY)
    seen_s = rng.uniform(10 * HOUR, 5 * DAY)
    start = rng.uniform(0.1, 0.5) * total
    pulls = [rng.uniform(0, seen_s) for _ in range(rng.choice((1, 2)))]
    size = rng.uniform(0.02, 0.08) * total
    grow = _Bursts(rng, (0.8 * total - start - size * len(pulls)) / (lead_s + seen_s))
    path = _grow(
        start,
        seen_s + 3 * lead_s + 2 * DAY,
        lambda at_s: grow() + sum(size for begin in pulls if begin <= at_s < begin + TICK_S),
    )
    return _host("stepped ramp", seed, rng, total, path, seen_s)


def kept_by_gc(seed: int) -> Host:
    """It fills to a ceiling and a collector keeps it there: often and little, as BuildKit's does."""
    rng = _rng("gc", seed)
    total = _total(rng)
    ceiling = rng.uniform(0.4, 0.77) * total
    slack = rng.uniform(0.004, 0.04) * total
    filled_s = rng.uniform(0.5 * DAY, 2 * DAY)
    grow = _Bursts(rng, rng.uniform(0.1, 0.4) * total / filled_s)
    used = ceiling - grow.rate * filled_s
    path: list[float] = []
    for _ in range(int(14 * DAY / TICK_S)):
        used += grow()
        if used > ceiling:
            used = ceiling - slack * rng.uniform(0.7, 1.3)
        path.append(used)
    return _host("gc", seed, rng, total, path, filled_s + rng.uniform(1.5 * DAY, 6 * DAY))


def weekly_cycle(seed: int) -> Host:
    """People work by day and on weekdays; what they leave behind grows with them."""
    rng = _rng("week", seed)
    total = _total(rng)
    night, weekend = rng.uniform(0.1, 0.6), rng.uniform(0.0, 0.4)
    lead_s = rng.uniform(1 * DAY, 12 * DAY)
    seen_s = rng.uniform(15 * DAY, 28 * DAY)
    start = rng.uniform(0.1, 0.45) * total
    mean = (5 * (10 + 14 * night) + 2 * 24 * weekend) / 168
    grow = _Bursts(rng, (0.8 * total - start) / (lead_s + seen_s) / mean)
    offset_s = rng.uniform(0, 7 * DAY)

    def work(at_s: float) -> float:
        hour, day = (at_s + offset_s) / HOUR % 24, int((at_s + offset_s) / DAY) % 7
        return grow() * (weekend if day >= 5 else 1.0 if 8 <= hour < 18 else night)

    path = _grow(start, seen_s + 2.5 * lead_s + 4 * DAY, work)
    return _host("week", seed, rng, total, path, seen_s)


class _Bursts:
    """Growth of one tick: a share that flows, the rest in bursts (builds, uploads, rotations) of random size."""

    def __init__(self, rng: random.Random, rate: float) -> None:
        self.rate = rate
        self._rng = rng
        self._flow = rng.uniform(0.2, 1.0)
        self._every_s = rng.uniform(5 * MINUTE, 90 * MINUTE)

    def __call__(self) -> float:
        used = self._flow * self.rate * TICK_S * self._rng.uniform(0.7, 1.3)
        if self._rng.random() < TICK_S / self._every_s:
            used += (1 - self._flow) * self.rate * self._every_s * self._rng.expovariate(1.0)
        return used


def _swing(rng: random.Random, size: float) -> Callable[[], float]:
    """Temporary files: they appear, stay for minutes to hours, and go."""
    keep = rng.uniform(0.6, 0.97)
    state = rng.gauss(0, size)

    def swing() -> float:
        nonlocal state
        state = keep * state + math.sqrt(1 - keep * keep) * rng.gauss(0, size)
        return state

    return swing


def _saw(
    rng: random.Random, total: int, low: float, depth: float, period_s: float, leak: float, span_s: float
) -> list[float]:
    by_clock = rng.random() < 0.5
    grow = _Bursts(rng, (depth + leak) / period_s)
    used = low + rng.random() * depth
    floor, path = low, list[float]()
    next_s = (1 - (used - low) / depth) * period_s
    for tick in range(int(span_s / TICK_S)):
        used += grow()
        at_s = tick * TICK_S
        if at_s >= next_s if by_clock else used >= floor + depth + leak:
            floor += leak
            used = max(min(used, floor), used - (depth + leak) * rng.uniform(0.85, 1.15)) if by_clock else floor
            next_s += period_s + (rng.uniform(-0.02, 0.02) * period_s)
        path.append(max(0.0, used))
    return path


def _grow(start: float, span_s: float, grow: Callable[[float], float]) -> list[float]:
    path, used = [], start
    for tick in range(int(span_s / TICK_S)):
        path.append(used)
        used += grow(tick * TICK_S)
    return path


def _host(kind: str, seed: int, rng: random.Random, total: int, path: list[float], now_at_s: float) -> Host:
    begin_s = EPOCH_S + rng.uniform(0, 7 * DAY)
    path = [min(max(used, 0.0), float(total)) for used in path]
    flicker = rng.uniform(0, 0.0005) * total  # what a sample sees beside the truth
    points: list[Point] = []
    missing, boot = rng.uniform(0, 0.1), 0
    outage_at = rng.uniform(0, len(path) * TICK_S) if rng.random() < 0.25 else None
    outage_s = rng.uniform(1, 6) * HOUR
    reboot_p = RUN_S / rng.uniform(3 * DAY, 60 * DAY)
    at_s = rng.uniform(0, RUN_S)
    while at_s < (len(path) - 1) * TICK_S:
        seen_s = at_s + rng.uniform(0, 90)
        boot += rng.random() < reboot_p
        down = outage_at is not None and outage_at <= at_s < outage_at + outage_s
        if not down and rng.random() >= missing:
            value = path[min(int(seen_s / TICK_S), len(path) - 1)] + abs(rng.gauss(0, flicker))
            points.append(Point(begin_s + seen_s, min(total, max(0, int(value))), f"boot-{boot}"))
        at_s += RUN_S
    return Host(kind, seed, total, begin_s + now_at_s, begin_s, tuple(path), tuple(points))


def _rng(kind: str, seed: int) -> random.Random:
    return random.Random(f"{kind}:{seed}")


def _total(rng: random.Random) -> int:
    return int(rng.choice((60, 250, 930, 3700)) * GIB * rng.uniform(0.8, 1.2))


GROWING: tuple[Callable[[int], Host], ...] = (steady_ramp, noisy_ramp, stepped_ramp, rising_sawtooth, weekly_cycle)
HARMLESS: tuple[Callable[[int], Host], ...] = (sawtooth, step, flat_noise, kept_by_gc)
