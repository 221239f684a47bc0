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
from collectors.model.reading import Exact, Reading, Unavailable, Why
from collectors.model.report import LiveFigures
from collectors.model.snapshot import FilesystemStudy, Snapshot
from collectors.system.deadline import Declined, Malformed
from collectors.system.killable import HELPER, Asking, check
from collectors.system.mount_table import decode
from collectors.system.mount_table import space as room

_SHARE = 0.012  # of one processor, for scans that nobody asked for
_SAVED_SCANS = 4
_LEAST_MOVED_BYTES = 4 << 20
_ASK_S = 5.0  # between two questions to the engine
_ANSWER_S = 2.0


@dataclass(frozen=True, slots=True)
class LiveTargets:
    """What a scan found to look at: a path on the filesystem at `mount`, the log files and names of containers.

    `alone`: the engine's data lies on no other filesystem, so what a container writes is written to this one.
    """

    mount: str
    path: str
    proc: str
    logs: Mapping[str, tuple[str, ...]]  # container id → its log files
    names: Mapping[str, str]  # container id → name
    alone: bool


def targets(snapshot: Snapshot, proc: Path, mount: str) -> LiveTargets | None:
    """What to watch of the filesystem that is mounted there, of the Docker root's where none is; None: none at all."""
    if not snapshot.studies:
        return None
    study, listed = study_at(snapshot, mount), snapshot.engine.containers
    names: dict[str, str] = {one.id: one.name for one in listed.value} if isinstance(listed, Exact) else {}
    here = study.filesystem.mount.mountpoint
    of_root, alone = study is snapshot.studies[0], len(snapshot.studies) == 1
    path = snapshot.store.value.root if of_root and isinstance(snapshot.store, Exact) else here
    logs = snapshot.logs.value if of_root and isinstance(snapshot.logs, Exact) else ()
    return LiveTargets(here, path, str(proc), {log.container_id: log.paths for log in logs}, names, alone)


def study_at(snapshot: Snapshot, mount: str) -> FilesystemStudy:
    """That of the filesystem which is mounted there, else the Docker root's."""
    here = (study for study in snapshot.studies if study.filesystem.mount.mountpoint == mount)
    return next(here, snapshot.studies[0])


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

    def aim(self, used_bytes: int) -> None:
        """Another filesystem is looked at: what was used of it at the last scan."""
        self._used = self._last = used_bytes

    def due(self, at_s: float, space: FsSpace, *, told: bool) -> bool:
        """Is it time? `told`: the engine says that something happened. A fall goes before growth that goes on."""
        self._save(at_s)
        if self._used is None:
            return False
        before, self._last = self._last, space.used_bytes
        least = _least_moved(space)
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


def _least_moved(space: FsSpace) -> int:
    """What used has to move by for a scan, in bytes."""
    return max(_LEAST_MOVED_BYTES, space.total_bytes // 2000)


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
            "known": [name.encode() for name in what.names] if what.alone else [],
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
                    figures = _figures(what.mount, frame, rates, fill)
                    if figures is not None:
                        on_figures(figures)
        except (OSError, Declined, Malformed):
            return  # the figures grow old on screen, which says so

    def stop(self) -> None:
        """End it from another thread; `run` returns once the child is gone."""
        self.stopped = True
        if self._asking is not None:
            self._asking.kill()


def _figures(mount: str, frame: tuple[Any, ...], rates: WriteRates, fill: FillRate) -> LiveFigures | None:
    match frame:
        case ("tick", float(at_s), tuple(answer), dict(logs), rows, list(grown)):
            space = decode(("statvfs", *answer))
            rates.look(at_s, logs, rows, grown)
            writers = rates.writers()
            moves = fill.look(at_s, space.used_bytes, written=bool(writers))
            return LiveFigures(mount, datetime.now(UTC), space, moves, writers)
    return None


def spent_s() -> float:
    """What this process and its ended children have taken of a processor, in seconds."""
    return sum(os.times()[:4]) + HELPER.spent_s


class LiveMachine:
    """What goes on between scans, and whether a new one is due. `run` in one thread, the others from any.

    Of several filesystems the one that is looked at is asked each second, the others now and then.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._pace = RescanPace()
        self._lock = threading.Lock()
        self._watch: LiveWatch | None = None
        self._targets: LiveTargets | None = None
        self._seen: tuple[Snapshot, Path] | None = None  # the last scan, and where processes are listed
        self._mount = ""
        self._changed = threading.Event()
        self._asked_at = datetime.now(UTC)

    def scanned(self, snapshot: Snapshot, proc: Path, cost_s: float) -> None:
        """A scan ended that took `cost_s` of a processor: look at what it found from now on."""
        with self._lock:
            self._seen = snapshot, proc
            space = study_at(snapshot, self._mount).filesystem.space if snapshot.studies else None
            if isinstance(space, Exact):
                self._pace.scanned(time.monotonic(), cost_s, space.value.used_bytes)
            self._changed.clear()
            self._asked_at = snapshot.began_at
            self._aim(snapshot, proc)

    def look_at(self, mount: str) -> None:
        """Look at this filesystem from now on."""
        with self._lock:
            if mount == self._mount or self._seen is None:
                return
            self._mount = mount
            snapshot, proc = self._seen
            space = study_at(snapshot, mount).filesystem.space if snapshot.studies else None
            if isinstance(space, Exact):
                self._pace.aim(space.value.used_bytes)
            self._aim(snapshot, proc)

    def _aim(self, snapshot: Snapshot, proc: Path) -> None:
        found = targets(snapshot, proc, self._mount)
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
        """Ask every few seconds whether anything came or went, the engine itself too; one that is slow is let be."""
        from collectors.engine import Past

        while True:
            time.sleep(_ASK_S)
            since = self._asked_at
            with Past(self._endpoint, deadline_s=_ANSWER_S) as past:
                answer = past.changed(since=since)
            if (isinstance(answer, Exact) and answer.value) or self.is_other_engine(answer) or self.others_moved():
                self._changed.set()

    def is_other_engine(self, answer: Reading[bool]) -> bool:
        """Has the engine gone since the scan, or come?"""
        with self._lock:
            seen = self._seen
        if seen is None:
            return False
        was_there = isinstance(seen[0].engine.engine, Exact)
        gone = isinstance(answer, Unavailable) and answer.why is Why.NOT_REACHABLE
        return (was_there and gone) or (not was_there and isinstance(answer, Exact))

    def others_moved(self) -> bool:
        """Is one of the other filesystems fuller or emptier than the scan found it?"""
        with self._lock:
            seen, looked_at = self._seen, self._targets
        studies = seen[0].studies if seen is not None and looked_at is not None else ()
        return any(_moved(one) for one in studies if looked_at and one.filesystem.mount.mountpoint != looked_at.mount)


def _moved(study: FilesystemStudy) -> bool:
    before = study.filesystem.space
    now = room(Path(study.filesystem.mount.mountpoint), timeout_s=_ANSWER_S)
    if isinstance(before, Unavailable) or isinstance(now, Unavailable):
        return False
    return abs(now.value.used_bytes - before.value.used_bytes) >= _least_moved(before.value)
