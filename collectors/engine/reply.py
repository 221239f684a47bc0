"""What one engine understands, and what it answers: accepted, or refused and in which words. Pure.

The API version that both sides know and how the engine wants to be asked for disk usage; the reasons behind a refusal.
Loads no SDK and nothing of the network.
"""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import Any, NamedTuple

from collectors.model import dataclass
from collectors.model.engine import Flavour
from collectors.model.reading import Why
from collectors.system.deadline import Declined, Malformed


class Api(NamedTuple):
    """An API version; compares as numbers, 1.9 below 1.24."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


# The newest version whose answers the decoders were held against, and the oldest that the SDK speaks.
NEWEST = Api(1, 56)
OLDEST = Api(1, 24)

_USAGE = Api(1, 25)  # /system/df appeared
_BY_TYPE = Api(1, 42)  # /system/df?type=
_VERBOSE = Api(1, 52)  # *Usage objects, filled with verbose=1

_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})\Z", re.ASCII)


class UsageKind(StrEnum):
    """What /system/df can be asked for separately; the values stand in the query."""

    IMAGE = "image"
    CONTAINER = "container"
    VOLUME = "volume"
    BUILD_CACHE = "build-cache"


@dataclass(frozen=True, slots=True)
class Dialect:
    api: Api
    flavour: Flavour

    @property
    def has_usage(self) -> bool:
        return self.api >= _USAGE

    @property
    def usage_by_type(self) -> bool:
        """Podman and old engines ignore `type` and measure everything each time."""
        return self.flavour is Flavour.DOCKER and self.api >= _BY_TYPE

    def usage_query(self, kind: UsageKind) -> tuple[tuple[str, str], ...]:
        """The query of /system/df for one kind; empty where the engine only knows the whole."""
        if not self.usage_by_type:
            return ()
        return (("type", kind.value), *((("verbose", "1"),) if self.api >= _VERBOSE else ()))


def parse(text: str) -> Api | None:
    """An API version as engines write it, None if it is none."""
    found = _VERSION.match(text)
    return Api(int(found[1]), int(found[2])) if found else None


def negotiate(newest_there: Api, oldest_there: Api | None) -> Api:
    """The newest version that both sides know; an engine that has left ours behind is asked in its oldest."""
    ours = NEWEST if oldest_there is None else max(NEWEST, oldest_there)
    return min(ours, newest_there)


_LONGEST = 200
# Engines before 23 measure for one client at a time and answer the others with 500.
_MEASURING = "disk usage operation is already running"


class EngineBusy(Declined):
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
            return EngineBusy(Why.TIMED_OUT, f"the engine measured for others all the time: {said}")
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
