"""The only code that changes the machine, and only when told: steps of a plan, each re-verified just before."""

from __future__ import annotations

from collectors.reclaim.act import (
    ApplyStatus,
    Ended,
    Event,
    EventKind,
    ReclaimOutcome,
    StepResult,
    TargetResult,
    status,
)
from collectors.reclaim.run import apply, earlier_run, refused
from collectors.reclaim.step import by_hand
from collectors.reclaim.tools import RunContext, for_snapshot

__all__ = [
    "ApplyStatus",
    "Ended",
    "Event",
    "EventKind",
    "ReclaimOutcome",
    "RunContext",
    "StepResult",
    "TargetResult",
    "apply",
    "by_hand",
    "earlier_run",
    "for_snapshot",
    "refused",
    "status",
]
