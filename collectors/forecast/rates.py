"""How fast the fill of a disk moves, and what each writer writes, from looks a second apart. Pure."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median_high
from typing import Any, TypeAlias

from collectors.model.report import Writer

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

    def look(self, at_s: float, logs: Mapping[str, int], rows: Sequence[tuple[Any, ...]] | None) -> None:
        """One more look. What grew since the last one is added up for whoever it belongs to."""
        logged = 0
        for container, size in logs.items():
            grown = max(0, size - self._logs.get(container, size))  # a rotated log begins again
            logged += grown
            self._count(("log", container, None), grown, at_s)
        self._logs = dict(logs)
        if rows is not None:
            self._processes(at_s, rows, logged)

    def _processes(self, at_s: float, rows: Sequence[tuple[Any, ...]], logged: int) -> None:
        now = {pid: (parent, count) for pid, _, _, parent, count, _ in rows}
        inherited = self._inherited(now)
        grown: dict[_Key, int] = {}
        for pid, container, command, _, count, here in rows:
            more = max(0, count - self._before.get(pid, (0, 0 if self._before else count))[1] - inherited[pid])
            name = os.fsdecode(command)
            key = ("container", os.fsdecode(container), None) if container else ("process", name, pid)
            if name in _ENGINES:
                more = max(0, more - logged)
            grown[key] = grown.get(key, 0) + (more if here else 0)
        for key in self._counters.keys() | grown.keys():
            if key[0] != "log":
                self._count(key, grown.get(key, 0), at_s)
        self._before = now

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
        """Fastest first; a container's log is a writer of its own."""
        found = [
            Writer(kind, self._names.get(name, name[:12]) if kind != "process" else name, pid, round(counter.rate()))
            for (kind, name, pid), counter in self._counters.items()
        ]
        quick = [one for one in found if one.bytes_per_s >= _LEAST_BYTES_PER_S]
        return tuple(sorted(quick, key=lambda one: (-one.bytes_per_s, one.name)))[:_WRITERS]


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
