"""One run."""

from __future__ import annotations

from collections.abc import Callable

from collectors.model.plan import Plan
from collectors.remediation.apply.context import Context
from collectors.remediation.apply.outcome import Event, Outcome


def apply(
    plan: Plan,
    chosen: frozenset[str],
    context: Context,
    *,
    on_event: Callable[[Event], None],
    cancelled: Callable[[], bool],
) -> Outcome:
    """Run the chosen steps in the plan's order. Never raises for what the machine does; one run at a time."""
    raise NotImplementedError
