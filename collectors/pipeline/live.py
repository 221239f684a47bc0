"""The machine between two scans: its fill every second, who writes how fast, and when a new scan is due.

    machine = LiveMachine(endpoint)
    machine.scanned(snapshot, proc, cost_s)   # after each scan: what there is to look at
    machine.run(on_figures)                   # in a thread of its own

One child looks (`system.child.watch`), so a mount that does not answer stops the figures, never who shows them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from collectors.engine.endpoint import Endpoint
from collectors.forecast.rates import PERIOD_S, FillRate, WriteRates
from collectors.model import dataclass
from collectors.model.filesystem import FsSpace
from collectors.model.reading import Exact
from collectors.model.report import LiveFigures
from collectors.model.snapshot import Snapshot
from collectors.system.deadline import Declined, Malformed
from collectors.system.killable import HELPER, Asking, check
from collectors.system.mount_table import decode

_SHARE = 0.012  # of one processor, for scans that nobody asked for
_SAVED_SCANS = 4
_LEAST_MOVED_BYTES = 4 << 20
_ASK_S = 5.0  # between two questions to the engine
_ANSWER_S = 2.0


@dataclass(frozen=True, slots=True)
class LiveTargets:
    """What a scan found to look at: a path on the filesystem, the log files and names of containers."""

    path: str
    proc: str
    logs: Mapping[str, tuple[str, ...]]  # container id → its log files
    names: Mapping[str, str]  # container id → name


def targets(snapshot: Snapshot, proc: Path) -> LiveTargets | None:
    """What to watch after this scan; None where no filesystem was found."""
    if not snapshot.studies:
        return None
    store, listed = snapshot.store, snapshot.engine.containers
    logs = snapshot.logs.value if isinstance(snapshot.logs, Exact) else ()
    names: dict[str, str] = {one.id: one.name for one in listed.value} if isinstance(listed, Exact) else {}
    path = store.value.root if isinstance(store, Exact) else snapshot.studies[0].filesystem.mount.mountpoint
    return LiveTargets(path, str(proc), {log.container_id: log.paths for log in logs}, names)


class RescanPace:
    """When to scan again by oneself: what changed since the last scan, and what scans may cost.

    Scans take a share of one processor over time. What is not used is saved, up to a few scans, so that a change after
    a quiet time is looked into at once.
    """

    def __init__(self) -> None:
        self._cost_s = 0.0
        self._saved_s = 0.0
        self._at_s: float | None = None  # until when savings are counted
        self._used: int | None = None  # at the last scan
        self._last: int | None = None

    def scanned(self, at_s: float, cost_s: float, used_bytes: int) -> None:
        """A scan ended: what it took of a processor, and what was used."""
        first = self._at_s is None
        self._save(at_s)
        self._cost_s = cost_s
        self._saved_s = _SAVED_SCANS * cost_s if first else self._saved_s - cost_s
        self._used = self._last = used_bytes

    def due(self, at_s: float, space: FsSpace, *, told: bool) -> bool:
        """Is it time? `told`: the engine says that something happened. A fall goes before growth that goes on."""
        self._save(at_s)
        if self._used is None:
            return False
        before, self._last = self._last, space.used_bytes
        least = max(_LEAST_MOVED_BYTES, space.total_bytes // 2000)
        moved = space.used_bytes - self._used
        settled = before is not None and abs(space.used_bytes - before) < least
        if moved <= -least and settled:
            return self._saved_s >= 0
        if told:
            return self._saved_s >= 0
        return moved >= least and self._saved_s >= (_SAVED_SCANS - 2) * self._cost_s

    def _save(self, at_s: float) -> None:
        if self._at_s is not None:
            most = _SAVED_SCANS * self._cost_s
            self._saved_s = min(most, self._saved_s + _SHARE * (at_s - self._at_s))
        self._at_s = at_s


class LiveWatch:
    """One child that looks, and what it saw made into figures."""

    def __init__(self, what: LiveTargets) -> None:
        self.targets = what
        self.stopped = False
        self._asking: Asking | None = None

    def run(self, on_figures: Callable[[LiveFigures], object]) -> None:
        """Give figures every second until `stop`. Ends by itself where the child does, or may not be asked again."""
        what = self.targets
        request = {
            "task": "watch",
            "path": os.fsencode(what.path),
            "proc": os.fsencode(what.proc),
            "logs": {name: [os.fsencode(path) for path in paths] for name, paths in what.logs.items()},
            "known": [name.encode() for name in what.names],
            "period_s": PERIOD_S,
        }
        rates, fill = WriteRates(what.names), FillRate()
        try:
            with Asking(f"watch {what.path}", float("inf")) as asking:
                asking.start(request)
                self._asking = asking
                for _, frame in asking.frames():
                    if self.stopped or frame == ("ended",):
                        return
                    check(frame)
                    figures = _figures(frame, rates, fill)
                    if figures is not None:
                        on_figures(figures)
        except (OSError, Declined, Malformed):
            return  # the figures grow old on screen, which says so

    def stop(self) -> None:
        """End it from another thread; `run` returns once the child is gone."""
        self.stopped = True
        if self._asking is not None:
            self._asking.kill()


def _figures(frame: tuple[Any, ...], rates: WriteRates, fill: FillRate) -> LiveFigures | None:
    match frame:
        case ("tick", float(at_s), tuple(answer), dict(logs), rows, list(grown)):
            space = decode(("statvfs", *answer))
            rates.look(at_s, logs, rows, grown)
            writers = rates.writers()
            moves = fill.look(at_s, space.used_bytes, written=bool(writers))
            return LiveFigures(datetime.now(UTC), space, moves, writers)
    return None


def spent_s() -> float:
    """What this process and its ended children have taken of a processor, in seconds."""
    return sum(os.times()[:4]) + HELPER.spent_s


class LiveMachine:
    """What goes on between scans, and whether a new one is due. `run` in one thread, `scanned` from any other."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._pace = RescanPace()
        self._lock = threading.Lock()
        self._watch: LiveWatch | None = None
        self._targets: LiveTargets | None = None
        self._changed = threading.Event()
        self._asked_at = datetime.now(UTC)

    def scanned(self, snapshot: Snapshot, proc: Path, cost_s: float) -> None:
        """A scan ended that took `cost_s` of a processor: look at what it found from now on."""
        found = targets(snapshot, proc)
        space = snapshot.studies[0].filesystem.space if snapshot.studies else None
        with self._lock:
            if isinstance(space, Exact):
                self._pace.scanned(time.monotonic(), cost_s, space.value.used_bytes)
            self._changed.clear()
            self._asked_at = snapshot.began_at
            if found is not None and found != self._targets:
                self._targets = found
                if self._watch is not None:
                    self._watch.stop()

    def run(self, on_figures: Callable[[LiveFigures, bool], object]) -> None:
        """Give figures every second, and whether to scan again; for ever, or not at all where nothing can be seen."""
        if self._targets is None:  # another machine's engine: its disk is not to be seen from here
            return
        threading.Thread(target=self._ask_engine, name="ullage events", daemon=True).start()
        while True:
            with self._lock:
                self._watch = watch = LiveWatch(self._targets)
            watch.run(lambda figures: on_figures(figures, self._due(figures)))
            if not watch.stopped:
                time.sleep(_ASK_S)

    def _due(self, figures: LiveFigures) -> bool:
        with self._lock:
            return self._pace.due(time.monotonic(), figures.space, told=self._changed.is_set())

    def _ask_engine(self) -> None:
        """Ask the engine every few seconds whether anything came or went; one that does not answer is let be."""
        from collectors.engine import Past

        while True:
            time.sleep(_ASK_S)
            since = self._asked_at
            with Past(self._endpoint, deadline_s=_ANSWER_S) as past:
                answer = past.changed(since=since)
            if isinstance(answer, Exact) and answer.value:
                self._changed.set()
