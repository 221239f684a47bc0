"""What a reclaim needs to know, and the lock that keeps it alone on its filesystem.

One reclaim at a time on one filesystem, whoever starts it.

The lock is held on the filesystem's own directory, which needs no free byte and is seen by other containers too, and on
a file in the state folder where that can be made. The kernel lets go of both when the process ends, however it ends.

What `apply` needs to know of the machine and of what it was told. Holds no state of its own.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from collectors.engine.endpoint import Endpoint
from collectors.model.plan import Risk
from collectors.model.reading import Exact
from collectors.model.settings import Rules, Settings
from collectors.model.snapshot import Snapshot
from collectors.system import folders
from collectors.system.host import Host

_LOCK = "reclaim.lock"


class Busy(Exception):
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
        raise Busy(f"another reclaim is running (it holds {path})") from None
    except OSError:  # a filesystem without locks
        return False
    return True


@dataclass(frozen=True, slots=True)
class Context:
    """`mountpoint` is a path on the Docker root's filesystem, as this process can open it.

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
) -> Context:
    """The context of a plan that was made from this snapshot, with the settings that it was made with.

    Raises ValueError where the snapshot found no filesystem.
    """
    if not snapshot.studies:
        raise ValueError("the snapshot found no filesystem of Docker's: there is nothing to measure on")
    root = snapshot.docker_root.value if isinstance(snapshot.docker_root, Exact) else None
    return Context(
        endpoint=endpoint,
        host=host,
        mountpoint=snapshot.studies[0].filesystem.mount.mountpoint,
        docker_root=root,
        state=state,
        rules=settings.keep,
        image_names=_names(snapshot),
        planned_at=snapshot.began_at,
        tier=tier,
        target_percent=target_percent,
        named=named,
        grace_s=settings.thresholds.grace_s,
    )


def _names(snapshot: Snapshot) -> Mapping[str, tuple[str, ...]]:
    images = snapshot.engine.images
    return {one.id: (*one.tags, *one.digests) for one in images.value} if isinstance(images, Exact) else {}
