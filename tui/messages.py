"""What the worker threads tell the application. Small, immutable, one fact each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.message import Message

from collectors.model.report import Report
from tui.moments import Moment

if TYPE_CHECKING:
    from collectors.remediation.apply.outcome import Event, Outcome


class Scanned(Message):
    """A report, whole or in part. `run` tells one scan from the one before it."""

    def __init__(self, run: int, report: Report, done: bool, waiting: tuple[str, ...]) -> None:
        super().__init__()
        self.run, self.report, self.done, self.waiting = run, report, done, waiting


class ScanBroke(Message):
    """A scan ended without a report."""

    def __init__(self, run: int, reason: str) -> None:
        super().__init__()
        self.run, self.reason = run, reason


class Remembered(Message):
    """The journal was read."""

    def __init__(self, moments: Sequence[Moment]) -> None:
        super().__init__()
        self.moments = tuple(moments)


class Applying(Message):
    """One event of a plan that runs."""

    def __init__(self, event: Event) -> None:
        super().__init__()
        self.event = event


class Applied(Message):
    """A plan ended; `outcome` None: it broke, and `reason` says why."""

    def __init__(self, outcome: Outcome | None, reason: str) -> None:
        super().__init__()
        self.outcome, self.reason = outcome, reason
