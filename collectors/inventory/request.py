"""What to look at and how long it may take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from collectors.engine.endpoint import Endpoint
from collectors.model.owner import ContainerId
from collectors.model.snapshot import Snapshot
from collectors.system.host import Host

OnPart = Callable[[Snapshot, tuple[str, ...]], None]


@dataclass(frozen=True, slots=True)
class Bound:
    """This process lives in a container that was started moments ago, with the Docker root bound into it by the engine.

    So its own mount table shows what is mounted below the root.
    """

    driver: str  # the engine's, which is not asked from here
    container: ContainerId | None  # this one


@dataclass(frozen=True, slots=True)
class Request:
    """One look. `deadline_s` is the time for the whole look; what is not done by then says so."""

    endpoint: Endpoint
    host: Host
    deadline_s: float
    grace_s: float  # a directory that nobody knows is no orphan before this age
    bound: Bound | None = None


def cache_folder(host: Host) -> Path | None:
    """Where sources may keep figures of what cannot change; None keeps nothing."""
    return host.state
