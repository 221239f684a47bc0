"""What one engine understands: the API version both sides know, and how it wants to be asked for disk usage. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from collectors.model.engine import Flavour


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


class Kind(StrEnum):
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

    def usage_query(self, kind: Kind) -> tuple[tuple[str, str], ...]:
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
