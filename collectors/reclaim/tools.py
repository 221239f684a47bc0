"""What a run works with, and what a remover is: each cause that removes something has its own in its `remove.py`.

The context of a run (the machine, and what it was told; without state of its own), the engine, the clock, the listener,
and the lock that keeps it alone on its filesystem, whoever starts another. The lock is held on the filesystem's own
directory, which needs no free byte and is seen by other containers too, and on a file in the state folder where that
can be made. The kernel lets go of both when the process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from collectors.engine.endpoint import Endpoint
from collectors.engine.reply import Reply
from collectors.model import Owner, dataclass
from collectors.model.ledger import Books, Release
from collectors.model.plan import Risk, Step
from collectors.model.reading import Exact
from collectors.model.settings import Rules, Settings
from collectors.model.snapshot import Snapshot
from collectors.reclaim import GONE, REMOVED, Act, Event, EventKind, failed
from collectors.reclaim.engine_and_disk import EngineSession, read_fill
from collectors.reclaim.run_log import RunLog
from collectors.system import folders
from collectors.system.deadline import Host


@dataclass(frozen=True, slots=True)
class Tools:
    """Shared by all steps of a run. `stuck` are deleted subvolumes that the cleaner cannot get at for now."""

    context: RunContext
    engine: EngineSession
    log: RunLog
    on_event: Callable[[Event], None]
    cancelled: Callable[[], bool]
    stuck: set[int] = field(default_factory=set)

    def tell(
        self,
        kind: EventKind,
        step: Step | None = None,
        *,
        target: Owner | None = None,
        text: str = "",
        done: int = 0,
        total: int = 0,
        freed: int | None = None,
    ) -> None:
        """One event to whoever listens."""
        self.on_event(Event(datetime.now(UTC), kind, step.id if step else "", target, text, done, total, freed))

    def now(self) -> datetime:
        """UTC."""
        return datetime.now(UTC)

    def least_s(self, step: Step, configured_s: float) -> float:
        """How long a thing must not have been used for this step to remove it.

        As the rules say; where a person named a step that is young, at least since the plan was made.
        """
        since = (self.now() - self.context.planned_at).total_seconds()
        return max(since, 0.0 if step.young_s else self.context.rules.least_s(configured_s))

    def reached(self) -> bool:
        """Is used at or below the target?"""
        target = self.context.target_percent
        if target is None:
            return False
        here = read_fill(self.context.mountpoint)
        return isinstance(here, Exact) and here.value.used_percent <= target

    def containers(self) -> list[dict[str, Any]] | None:
        """All containers, stopped ones too; None where the engine does not list them. Raises NoAnswer."""
        listed = self.engine.get("/containers/json", {"all": "1"})
        if not listed.ok or not isinstance(listed.body, list):
            return None
        return [one for one in listed.body if isinstance(one, dict)]

    def come_back(self, step: Step) -> None:
        """Wait for an engine that restarts. Raises StillDown."""
        limit = self.context.engine_return_s

        def waiting(spent_s: float) -> bool:
            self.tell(EventKind.WAITING, step, text="the engine does not answer", done=int(spent_s), total=int(limit))
            return not self.cancelled()

        self.engine.wait_back(limit, waiting)


class Remover(ABC):
    """Target by target: re-verify it, act on it, and after a lost answer read what became of it.

    Each method may raise NoAnswer; what a cause has nothing to say about it leaves as it is here.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def before(self, step: Step) -> str:
        """The reason to leave the whole step alone, "" for none."""
        return ""

    def names(self, target: Owner) -> tuple[str, ...]:
        """Names that the run log has to know before the target is touched, so that they can be put back."""
        return ()

    @abstractmethod
    def act(self, step: Step, target: Owner) -> Act:
        """Verify once more, then remove."""

    def still_there(self, target: Owner) -> bool | None:
        """After an answer that never came: is it still there? None: that cannot be told."""
        return None

    def put_back(self, target: Owner, names: tuple[str, ...]) -> None:
        """After an answer that never came, for a target that is still there: give it back what it lost of `names`."""
        return


class WholeStep(ABC):
    """In one go. May raise NoAnswer."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    @abstractmethod
    def perform(self, step: Step, acts: dict[Owner, Act]) -> Act:
        """Do it, say in `acts` what came of each target, and give back what came of all; its reason is the note."""


def exists(tools: Tools, path: str) -> bool | None:
    """Does the engine know this object? None: it does not tell. Raises NoAnswer."""
    reply = tools.engine.get(path)
    return False if reply.status == 404 else (True if reply.ok else None)


def act_of(reply: Reply) -> Act:
    """What the engine's answer to a removal means."""
    if reply.ok:
        return REMOVED
    return GONE if reply.status == 404 else failed(reply.message)


_LOCK = "reclaim.lock"


class ReclaimBusy(Exception):
    """Another reclaim is running."""


class NoLock(Exception):
    """Neither place can be locked, so nothing may be started."""


@contextmanager
def only_one(mountpoint: str, state: Path) -> Iterator[None]:
    """Hold both locks, or the one that can be had. Raises Busy, NoLock."""
    with ExitStack() as held:
        taken = [_take(held, _folder(mountpoint), mountpoint), _take(held, _file(state), str(state / _LOCK))]
        if not any(taken):
            raise NoLock(f"neither {mountpoint} nor {state} can be locked")
        yield


@contextmanager
def _folder(mountpoint: str) -> Iterator[int]:
    fd = os.open(mountpoint, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _file(state: Path) -> Iterator[int]:
    with suppress(OSError):
        state.mkdir(parents=True, exist_ok=True, mode=folders.OWN_FOLDER_MODE)
    with folders.own_file(state / _LOCK, os.O_RDWR | os.O_CREAT) as fd:
        yield fd


def _take(held: ExitStack, opening: AbstractContextManager[int], path: str) -> bool:
    try:
        fd = held.enter_context(opening)
    except OSError:  # no such folder, no room for a new file, not ours to open
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ReclaimBusy(f"another reclaim is running (it holds {path})") from None
    except OSError:  # a filesystem without locks
        return False
    return True


@dataclass(frozen=True, slots=True)
class RunContext:
    """`mountpoint` is a path on the filesystem that the plan frees, as this process can open it.

    Steps whose risk is above `tier` are refused, and a step that is not automatic is refused unless a person named it:
    its id is in `named`. `target_percent` None: run every chosen step; else stop once used is at or below it.
    """

    endpoint: Endpoint
    host: Host
    mountpoint: str
    docker_root: str | None  # as this process can open it; None: unknown, so nothing on disk is touched
    state: Path  # the run log, the lock, and tails of truncated logs
    rules: Rules
    image_names: Mapping[str, tuple[str, ...]]  # tags and digests by id when the plan was made
    planned_at: datetime  # UTC; what was made later than that is not what the plan means
    tier: Risk
    target_percent: float | None
    grace_s: float  # no directory is an orphan before this age
    named: frozenset[str] = frozenset()
    releases: tuple[Release, ...] | None = None  # the books of that filesystem; None: they were not whole
    request_timeout_s: float = 120.0
    cleaner_timeout_s: float = 300.0
    engine_return_s: float = 90.0  # how long a restarting engine is waited for


def for_snapshot(
    snapshot: Snapshot,
    endpoint: Endpoint,
    host: Host,
    state: Path,
    settings: Settings,
    *,
    tier: Risk,
    target_percent: float | None,
    named: frozenset[str] = frozenset(),
    mount: str = "",
    books: Books | None = None,
) -> RunContext:
    """The context of a plan that was made from this snapshot, with the settings that it was made with.

    `mount` is the plan's: which filesystem it frees; `books` are those of that filesystem. Raises ValueError where the
    snapshot found no filesystem.
    """
    if not snapshot.studies:
        raise ValueError("the snapshot found no filesystem of Docker's: there is nothing to measure on")
    root = snapshot.docker_root.value if isinstance(snapshot.docker_root, Exact) else None
    return RunContext(
        endpoint=endpoint,
        host=host,
        mountpoint=mount or snapshot.studies[0].filesystem.mount.mountpoint,
        docker_root=root,
        state=state,
        rules=settings.keep,
        image_names=_names(snapshot),
        planned_at=snapshot.began_at,
        tier=tier,
        target_percent=target_percent,
        named=named,
        releases=books.releases if books is not None and isinstance(books.unread, Exact) else None,
        grace_s=settings.thresholds.grace_s,
    )


def _names(snapshot: Snapshot) -> Mapping[str, tuple[str, ...]]:
    images = snapshot.engine.images
    return {one.id: (*one.tags, *one.digests) for one in images.value} if isinstance(images, Exact) else {}
