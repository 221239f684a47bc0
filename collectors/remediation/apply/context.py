"""What `apply` needs to know of the machine and of what it was told. Holds no state of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from docker import APIClient

from collectors.model.plan import Risk
from collectors.remediation.plan.keep import Rules
from collectors.sources.host import Host


@dataclass(frozen=True, slots=True)
class Context:
    """`connect` makes a fresh low-level client with that read timeout in seconds; it may raise.

    `mountpoint` is a directory on the Docker root's filesystem, as this process can open it. Steps whose risk is above
    `tier` are refused, and a step that is not automatic is refused unless a person named it: its id is in `named`.
    `target_percent` None: run every chosen step; else stop once used is at or below it.
    """

    connect: Callable[[float], APIClient]
    host: Host
    mountpoint: str
    state: Path  # the run log, the lock, and tails of truncated logs
    rules: Rules
    tier: Risk
    target_percent: float | None
    named: frozenset[str] = frozenset()
    request_timeout_s: float = 120.0
    cleaner_timeout_s: float = 300.0
    engine_return_s: float = 90.0  # how long a restarting engine is waited for
