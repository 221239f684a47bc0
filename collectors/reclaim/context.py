"""What `apply` needs to know of the machine and of what it was told. Holds no state of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from collectors.engine.endpoint import Endpoint
from collectors.model.keep import Rules
from collectors.model.plan import Risk
from collectors.model.reading import Exact
from collectors.model.settings import Settings
from collectors.model.snapshot import Snapshot
from collectors.system.host import Host


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
        planned_at=snapshot.began_at,
        tier=tier,
        target_percent=target_percent,
        named=named,
        grace_s=settings.thresholds.grace_s,
    )
