"""The only code that changes the machine, and only when told: steps of a plan, each re-verified just before."""

from __future__ import annotations

from collectors.reclaim.act import Ended, Event, EventKind, Outcome, Status, StepResult, TargetResult, status
from collectors.reclaim.run import apply, earlier_run, refused
from collectors.reclaim.step import by_hand
from collectors.reclaim.tools import Context, for_snapshot

__all__ = [
    "Context",
    "Ended",
    "Event",
    "EventKind",
    "Outcome",
    "Status",
    "StepResult",
    "TargetResult",
    "apply",
    "by_hand",
    "earlier_run",
    "for_snapshot",
    "refused",
    "status",
]
