"""Work whose end is already bounded, as a reading: no thread of its own, every exception becomes a reason."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from collectors.model.reading import Exact, Origin, Reading, Unavailable, Why
from collectors.system.deadline import reason

T = TypeVar("T")


def attempt(source: str, call: str, work: Callable[[], T]) -> Reading[T]:
    """What `work` returns, or why it raised. Never raises; lasts as long as `work` does."""
    began = time.monotonic()
    try:
        value = work()
    except Exception as error:  # noqa: BLE001 - the boundary: `reason` names it, and calls our own faults DEFECT
        why, detail = reason(error)
        return Unavailable(why, detail, Origin(source, call, datetime.now(UTC), time.monotonic() - began))
    return Exact(value, Origin(source, call, datetime.now(UTC), time.monotonic() - began))


def missing(why: Why, detail: str, source: str, call: str) -> Unavailable:
    """A reason that is known without asking."""
    return Unavailable(why, detail, Origin(source, call, datetime.now(UTC), 0.0))
