"""Whether a probe is called for, one probe within what is left of the deadline, its answer joined into the snapshot.

Never raises: why there is no answer stands in one line of coverage, `probe container`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from collectors.drivers import copies_layers
from collectors.drivers.containerd import SYSTEM_CONTAINERD
from collectors.engine.dialect import Api, parse
from collectors.inventory import Request, coverage
from collectors.model.engine import Engine, ImageStore
from collectors.model.ids import ContainerId
from collectors.model.reading import Exact, Reading, Unavailable, Why
from collectors.model.snapshot import Disk, Outcome, Snapshot, SourceReport
from collectors.probe import answer, ending
from collectors.probe.container import ProbeContainer, Spoken, opened
from collectors.probe.creation import creation
from collectors.probe.excluding import without
from collectors.probe.inside import Question
from collectors.probe.merging import merged
from collectors.probe.program import image_of, program
from collectors.system import deadline
from collectors.system.deadline import Declined

SOURCE = "probe container"
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
    return _told(snapshot, coverage.line(SOURCE, found))


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
    line = coverage.line(SOURCE, reading, coverage.missing(*gaps))
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
    with ending.known(container):
        return container.run(seconds=live_s)


def _silence(spoken: Spoken) -> str:
    how = "" if spoken.status is None else f" with status {spoken.status}"
    killed = ": it was killed, or took more memory than it may" if spoken.status == 137 else ""
    words = spoken.stderr.splitlines()[-1:] or ["it said nothing"]
    return f"it ended{how} without an answer{killed}: {words[0][:200]}"
