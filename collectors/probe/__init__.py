"""Sizes that the socket alone cannot give: one short-lived container reads the Docker root for us, only when asked to.

Whether one is called for, one probe within what is left of the deadline, its answer joined into the snapshot. Never
raises: why there is no answer stands in one line of coverage, `probe container`. No probe outlives us: those that run
are ended when the program ends, also by a signal that would just kill it. What it starts and removes stands in
`container.py`, what the container may do in `creation.py`; `answer.py` runs inside and is read outside.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from types import FrameType

from collectors.drivers import copies_layers
from collectors.drivers.containerd import SYSTEM_CONTAINERD
from collectors.engine.reply import Api, parse
from collectors.inventory import Request, filesystem
from collectors.inventory.filesystem import PROBE
from collectors.model import ContainerId, dataclass
from collectors.model.engine import Engine, ImageStore
from collectors.model.reading import Exact, Reading, Unavailable, Why
from collectors.model.snapshot import Disk, Outcome, Snapshot, SourceReport
from collectors.probe import answer
from collectors.probe.answer import Question, merged, without
from collectors.probe.container import REMOVE_S, ProbeContainer, Spoken, opened
from collectors.probe.creation import creation, image_of, program
from collectors.system import deadline
from collectors.system.deadline import Declined

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_running: set[ProbeContainer] = set()


@contextlib.contextmanager
def known(container: ProbeContainer) -> Iterator[None]:
    """While it runs."""
    _running.add(container)
    try:
        yield
    finally:
        _running.discard(container)


def end_all() -> None:
    """Have every probe removed, and wait for that as long as an engine may take."""
    ends_at = time.monotonic() + REMOVE_S + 2.0
    containers = tuple(_running)
    for container in containers:
        container.interrupt()
    for container in containers:
        container.ended.wait(max(0.0, ends_at - time.monotonic()))


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """A signal that ends the process first ends its probes. For the main thread; does nothing in others."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _ended)
    try:
        yield
    finally:
        for number in ours:
            if signal.getsignal(number) is _ended:
                signal.signal(number, signal.SIG_DFL)


def _ended(number: int, frame: FrameType | None) -> None:
    # Probes live in threads of their own: they go on while this waits.
    end_all()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


atexit.register(end_all)


_OLDEST = Api(1, 30)  # before, an engine does not wait for what it removes by itself
# Of what is left when a probe begins: to start it and carry its answer, and to remove it.
_START_SHARE, _START_MOST_S = 0.2, 2.0
_REMOVE_SHARE, _REMOVE_MOST_S = 0.25, 4.0
_LEAST_S = 1.0
# The root of a containerd that is not the engine's own child.


@dataclass(frozen=True, slots=True)
class Wish:
    """That a container may be started. `image` "": the one that this process runs in."""

    image: str


@dataclass(frozen=True, slots=True)
class _Answer:
    disk: Disk
    left: str


def probed(snapshot: Snapshot, request: Request, wish: Wish, *, left_s: float) -> Snapshot:
    """The snapshot with what a probe found; without it, and why, where none was called for or none answered."""
    found = deadline.read(
        "probe",
        f"container of {wish.image or 'this image'}",
        lambda: _ask(snapshot, request, wish, left_s),
        timeout_s=left_s,
    )
    if isinstance(found, Exact):
        try:
            joined = merged(snapshot, found.value.disk)
        except Declined as refusal:
            found = Unavailable(refusal.why, refusal.detail, found.origin)
        else:
            return _told(joined, _line(found.value, found))
    return _told(snapshot, filesystem.line(PROBE, found))


def _told(snapshot: Snapshot, line: SourceReport) -> Snapshot:
    return replace(snapshot, ended_at=datetime.now(UTC), reports=(*snapshot.reports, line))


def _line(found: _Answer, reading: Exact[_Answer]) -> SourceReport:
    """Read, unless parts of the store or the holders of the bytes were not seen from inside either."""
    gaps: list[Reading[object]] = []
    store = found.disk.store
    if isinstance(store, Exact):
        its = store.value
        gaps += [its.images, its.layers, its.container_layers, its.build_snapshots, its.logs, its.units, its.orphans]
    gaps.append(found.disk.studies[0].occupancy)
    line = filesystem.line(PROBE, reading, filesystem.missing(*gaps))
    if found.left:
        reason = "; ".join(part for part in (line.reason, found.left) if part)
        return replace(line, outcome=Outcome.PARTIAL, reason=reason)
    return line


def _ask(snapshot: Snapshot, request: Request, wish: Wish, left_s: float) -> _Answer:
    engine = _engine(snapshot)
    remove_s = min(_REMOVE_MOST_S, _REMOVE_SHARE * left_s)
    start_s = min(_START_MOST_S, _START_SHARE * left_s)
    live_s = left_s - remove_s
    if live_s - start_s < _LEAST_S:
        raise Declined(Why.TIMED_OUT, f"{left_s:.1f} s were left, too little to start one")
    name = image_of(wish.image, request.host, snapshot.engine.containers)
    question = Question(engine.root, engine.driver, live_s - start_s, request.grace_s).text()
    with opened(request.endpoint, live_s) as client:
        described = client.get(f"/v{engine.api_version}/images/{name}/json", timeout_s=live_s).accepted()
    chosen = program(described if isinstance(described, dict) else {}, question, ours=not wish.image)
    folders = [engine.root]
    if engine.image_store is ImageStore.CONTAINERD:
        folders.append(SYSTEM_CONTAINERD)
    try:
        spoken = _run(request, engine, creation(chosen, folders), live_s)
    except Declined as refusal:
        if SYSTEM_CONTAINERD not in folders or f"does not exist: {SYSTEM_CONTAINERD}" not in refusal.detail:
            raise
        spoken = _run(request, engine, creation(chosen, folders[:1]), live_s)  # the engine has a containerd of its own
    if not spoken.stdout.endswith(b"\n"):
        raise Declined(Why.FAILED, _silence(spoken))
    disk = without(answer.read(spoken.stdout), ContainerId(spoken.id))
    if isinstance(disk.store, Unavailable):
        raise Declined(disk.store.why, f"inside it: {disk.store.detail}")
    return _Answer(disk, spoken.left)


def _engine(snapshot: Snapshot) -> Engine:
    """The engine to ask, where asking it is called for. Raises Declined."""
    view, store = snapshot.engine, snapshot.store
    if isinstance(store, Exact) and isinstance(store.value.units, Exact):
        raise Declined(Why.NOT_ASKED, "the Docker root can be read from here: none was started")
    if isinstance(view.engine, Unavailable):
        raise Declined(view.engine.why, view.engine.detail)
    if not (isinstance(view.local, Exact) and view.local.value):
        detail = "the engine runs on another machine"
        raise Declined(Why.NOT_REACHABLE, view.local.detail if isinstance(view.local, Unavailable) else detail)
    engine = view.engine.value
    if copies_layers(engine.driver):
        full = "a probe would fill the disk that it is to measure"
        raise Declined(Why.NOT_APPLICABLE, f"{engine.driver} copies the whole image for each container: {full}")
    if (parse(engine.api_version) or Api(0, 0)) < _OLDEST:
        told = f"the engine speaks API {engine.api_version}: a probe needs {_OLDEST}"
        raise Declined(Why.NOT_REPORTED, told)
    return engine


def _run(request: Request, engine: Engine, body: dict[str, object], live_s: float) -> Spoken:
    container = ProbeContainer(request.endpoint, engine.api_version, body)
    with known(container):
        return container.run(seconds=live_s)


def _silence(spoken: Spoken) -> str:
    how = "" if spoken.status is None else f" with status {spoken.status}"
    killed = ": it was killed, or took more memory than it may" if spoken.status == 137 else ""
    words = spoken.stderr.splitlines()[-1:] or ["it said nothing"]
    return f"it ended{how} without an answer{killed}: {words[0][:200]}"
