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
        self._where: dict[int, str] = {}  # process → the directory in which its files grew most when they last did

    def look(
        self,
        at_s: float,
        logs: Mapping[str, int],
        rows: Sequence[tuple[Any, ...]] | None,
        grown: Sequence[tuple[Any, ...]] = (),
    ) -> None:
        """One more look. What grew since the last one is added up for whoever it belongs to.

        `grown` comes with `rows`: by process the directories in which its files grew, and by how much.
        """
        logged = 0
        for container, size in logs.items():
            more = max(0, size - self._logs.get(container, size))  # a rotated log begins again
            logged += more
            self._count(("log", container, None), more, at_s)
        self._logs = dict(logs)
        if rows is not None:
            self._processes(at_s, rows, logged)
            self._directories(at_s, grown)

    def _directories(self, at_s: float, grown: Sequence[tuple[Any, ...]]) -> None:
        most: dict[int, tuple[int, str]] = {}
        sums: Counter[_Key] = Counter()
        for pid, directory, more in grown:
            path = os.fsdecode(directory)
            sums[("directory", path, None)] += more
            most[pid] = max(most.get(pid, (0, "")), (more, path))
        self._where |= {pid: path for pid, (_, path) in most.items()}
        for key in {key for key in self._counters if key[0] == "directory"} | sums.keys():
            self._count(key, sums[key], at_s)

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
            if key[0] not in ("log", "directory"):
                self._count(key, grown.get(key, 0), at_s)
        self._before = now
        self._where = {pid: path for pid, path in self._where.items() if pid in now}

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
        shown = name if kind in ("process", "directory") else self._names.get(name, name[:12])
        return Writer(kind, shown, pid, rate, self._where.get(pid, "") if pid is not None else "")


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
