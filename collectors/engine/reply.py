"""What an engine answered to a request that may have changed something: accepted or refused, and in which words. Pure.

Apart from `WriteClient`, whose import loads the SDK.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from collectors.engine import faults
from collectors.system.deadline import Malformed


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
            raise faults.refused(self.status, self.raw, self.what)
        if self.body is None and self.raw.strip() not in (b"", b"null"):
            raise Malformed(f"the engine's answer is not JSON; it begins {self.raw[:40]!r}")
        return self.body
