"""What a look at the machine is asked to read, and a row of coverage for each source of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from collectors.engine.endpoint import Endpoint
from collectors.model.owner import ContainerId
from collectors.model.reading import AtLeast, Between, Exact, Reading, Size, Unavailable, Why, reason
from collectors.model.records import dataclass
from collectors.model.snapshot import Outcome, Snapshot, SourceReport
from collectors.system.host import Host

PROBE = "probe container"  # the source of what a container sees of the disk


def line(source: str, reading: Reading[object] | Size, partly: Iterable[Unavailable] = ()) -> SourceReport:
    """The line of one reading; `partly` are parts inside an answer that were not read."""
    took_s = reading.origin.took_s
    match reading:
        case Unavailable():
            return SourceReport(source, Outcome.UNREAD, reason(reading), took_s)
        case AtLeast(missing=missing):
            return SourceReport(source, Outcome.PARTIAL, _reasons(missing), took_s)
        case Between(method=method):
            return SourceReport(source, Outcome.PARTIAL, method, took_s)
        case Exact():
            gaps = tuple(partly)
            if gaps:
                return SourceReport(source, Outcome.PARTIAL, _reasons(gaps), took_s)
            return SourceReport(source, Outcome.READ, "", took_s)


def missing(*readings: Reading[object] | Size) -> tuple[Unavailable, ...]:
    """Those of the readings that are not there; what makes no sense here is not missing."""
    return tuple(r for r in readings if isinstance(r, Unavailable) and r.why is not Why.NOT_APPLICABLE)


def _reasons(gaps: Iterable[Unavailable]) -> str:
    told = list(dict.fromkeys(reason(gap) for gap in gaps))
    return "; ".join(told[:3]) + (f"; and {len(told) - 3} more" if len(told) > 3 else "")


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
