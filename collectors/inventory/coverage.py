"""What each source did, one line each: the report says exactly what it could not see."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.model.reading import AtLeast, Between, Exact, Reading, Size, Unavailable, Why, reason
from collectors.model.snapshot import Outcome, SourceReport


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
