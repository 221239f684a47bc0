"""What an engine answered, accepted or refused and in which words. Pure; loads no SDK and nothing of the network.

What went wrong before there was an answer is named in `faults.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from collectors.model.reading import Why
from collectors.system.deadline import Declined, Malformed

_LONGEST = 200
# Engines before 23 measure for one client at a time and answer the others with 500.
_MEASURING = "disk usage operation is already running"


class Busy(Declined):
    """Not now: the same request may be answered a moment later."""


class HungUp(Declined):
    """The connection ended under the request, which is what one that was kept for reuse may do at any time."""


@dataclass(frozen=True, slots=True)
class Reply:
    """`body` is decoded JSON; None where there was none, or something else."""

    status: int
    body: Any
    raw: bytes
    what: str  # the request, in words

    @staticmethod
    def of(status: int, raw: bytes, what: str) -> Reply:
        """As it was received."""
        try:
            body = json.loads(raw) if raw.strip() else None
        except (ValueError, RecursionError):
            body = None
        return Reply(status, body, raw, what)

    @property
    def ok(self) -> bool:
        return self.status // 100 == 2

    @property
    def message(self) -> str:
        """The engine's own words about a refusal."""
        text = self.body.get("message") if isinstance(self.body, dict) else None
        return text if isinstance(text, str) and text else f"status {self.status}"

    def accepted(self) -> Any:
        """The body. Raises Declined for a refusal, Malformed for a body that is not JSON."""
        if not self.ok:
            raise refused(self.status, self.raw, self.what)
        if self.body is None and self.raw.strip() not in (b"", b"null"):
            raise Malformed(f"the engine's answer is not JSON; it begins {self.raw[:40]!r}")
        return self.body


def refused(status: int, body: bytes, what: str) -> Declined:
    """An HTTP status that is no success. `body` is its (beginning of a) body."""
    said = _message(body)
    sentence = f"{what} was refused with status {status}{f': {said}' if said else ''}"
    match status:
        case 500 if _MEASURING in said:
            return Busy(Why.TIMED_OUT, f"the engine measured for others all the time: {said}")
        case 401 | 403 | 407:
            return Declined(Why.NOT_PERMITTED, sentence)
        case 404 | 405 | 501:
            return Declined(Why.NOT_REPORTED, sentence)
        case _:
            return Declined(Why.FAILED, sentence)


def _message(body: bytes) -> str:
    """The `message` of an engine's error; nothing of a page that is meant for a browser."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        text = body.decode("utf-8", "replace").strip()
        return "" if text.startswith("<") else text[:_LONGEST]
    message = value.get("message") if isinstance(value, dict) else None
    return message[:_LONGEST] if isinstance(message, str) else ""
