"""What came of one target."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Act:
    """`failed` True: it was tried and did not work; else `reason` says why it was left alone.

    `reported_bytes` is the engine's own figure, None where it names none.
    """

    removed: bool
    reason: str = ""
    failed: bool = False
    reported_bytes: int | None = None


def skipped(reason: str) -> Act:
    """Left alone: something is not as the plan meant it."""
    return Act(False, reason)


def failed(reason: str) -> Act:
    """Tried, and refused or broken."""
    return Act(False, reason, failed=True)


REMOVED = Act(True)
GONE = skipped("it is already gone")
