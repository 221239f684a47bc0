"""The only code that changes the machine, and only when told: steps of a plan, each re-verified just before."""

from __future__ import annotations

from collectors.remediation.apply.context import Context, for_snapshot
from collectors.remediation.apply.history import earlier_run
from collectors.remediation.apply.one_step import by_hand
from collectors.remediation.apply.outcome import Ended, Event, EventKind, Outcome, StepResult, TargetResult
from collectors.remediation.apply.run import apply, refused

__all__ = [
    "Context",
    "Ended",
    "Event",
    "EventKind",
    "Outcome",
    "StepResult",
    "TargetResult",
    "apply",
    "by_hand",
    "earlier_run",
    "for_snapshot",
    "refused",
]
