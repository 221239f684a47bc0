"""What a screen is drawn from: one report, the history up to it, and how far the scan is.

Frozen, so that every panel of a screen shows the same instant.

Refuses to be changed: the next scan, the next frame of a replay and the next freed byte each make a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from collectors.model.filesystem import FsSpace
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category
from collectors.model.reading import Exact, Size
from collectors.model.report import Report, Sample


class HistoryEventKind(StrEnum):
    """What sort of event a journal tells."""

    CROSSED = "crossed"
    FOUND = "found"
    RESOLVED = "resolved"
    FREED = "freed"
    ACTION = "action"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """One thing that happened. `text` is not yet escaped where it quotes names."""

    at: datetime
    kind: HistoryEventKind
    text: str
    used_percent: int | None
    severity: Severity


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """How high the curve of used space is drawn at one moment, in percent of what users may use (0 to 100)."""

    at: datetime
    percent: float


@dataclass(frozen=True, slots=True)
class RunHistory:
    """The history up to a frame, oldest first. `series` holds charged bytes by category identifier."""

    used: tuple[CurvePoint, ...]
    series: Mapping[str, tuple[Sample, ...]]
    events: tuple[HistoryEvent, ...]


NO_HISTORY = RunHistory((), {}, ())


@dataclass(frozen=True, slots=True)
class LastGood:
    """The last value of a category that could be read, for a row whose reading failed this time."""

    size: Size
    at: datetime


@dataclass(frozen=True, slots=True)
class Frame:
    """`waiting` names the sources that have not answered yet."""

    report: Report
    history: RunHistory
    done: bool = True
    waiting: tuple[str, ...] = ()
    last_good: Mapping[Category, LastGood] = field(default_factory=dict)
    resolved: tuple[Finding, ...] = ()  # found earlier in this session and gone now, as P4


def space_of(report: Report) -> FsSpace | None:
    """The figures of statvfs of the Docker root's filesystem; None where not even they were read."""
    if report.ledger is None:
        return None
    space = report.ledger.filesystem.space
    return space.value if isinstance(space, Exact) else None


def height_of(held_bytes: int, usable_bytes: int) -> float:
    """How long a bar or how high a curve is drawn, 0 to 100, not rounded.

    For drawing alone: what is written and what is judged is the used %.
    """
    return min(100.0, max(0.0, 100.0 * held_bytes / usable_bytes)) if usable_bytes > 0 else 0.0
