"""Readings: what a source answered, in types that cannot be mistaken for numbers.

A size is one of four things, and a caller has to say what it does in each case (`match` with `assert_never`):

- `Exact`: measured, and this is the value.
- `Between`: estimated, with bounds that hold with a stated confidence.
- `AtLeast`: a sum some of whose parts could not be read.
- `Unavailable`: not measured, with the reason.

No reading defines `__bool__` or `__len__`, so that `if size` and `size or 0` are type errors: a measured zero is not an
unknown. Readings hold integers (bytes, counts) or models; they never format themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Why(StrEnum):
    """Why a reading is not there. The values are stable: they stand in JSON and the journal."""

    NOT_APPLICABLE = "not applicable"  # the question makes no sense on this machine
    NOT_ENABLED = "not enabled"  # the kernel or engine could tell, but the feature is off
    NOT_PERMITTED = "not permitted"  # a privilege is missing
    NOT_REACHABLE = "not reachable"  # nobody there, or not on this machine
    NOT_REPORTED = "not reported"  # it answered, without this figure
    TIMED_OUT = "timed out"
    MALFORMED = "malformed"  # it answered something that cannot be decoded
    INCONSISTENT = "inconsistent"  # it answered, and says itself that it is not to be trusted
    FAILED = "failed"  # the system call or request failed for another reason
    DEFECT = "defect"  # our own code broke: loud, exit status 3
    NOT_ASKED = "not asked"  # switched off, or another source already answered


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a reading comes from.

    `source` is the collector's stable name (`engine.df`), `call` what was asked (`GET /system/df`), `at` the moment the
    answer was complete (UTC), `took_s` how long it took in seconds.
    """

    source: str
    call: str
    at: datetime
    took_s: float


@dataclass(frozen=True, slots=True)
class Exact(Generic[T_co]):
    """A measured value."""

    value: T_co
    origin: Origin


@dataclass(frozen=True, slots=True)
class Between:
    """An estimated size in bytes: `low ≤ truth ≤ high` with `confidence` (0 to 1); `best` lies between."""

    best: int
    low: int
    high: int
    confidence: float
    method: str
    origin: Origin

    def __post_init__(self) -> None:
        if not self.low <= self.best <= self.high:
            raise ValueError(f"bounds out of order: {self.low} ≤ {self.best} ≤ {self.high}")
        if not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"confidence {self.confidence} is not between 0 and 1")


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Not measured. `detail` is one sentence in the words of the cause; foreign text in it is not yet escaped."""

    why: Why
    detail: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A sum of bytes some of whose parts could not be read: the truth is `low` or more."""

    low: int
    missing: tuple[Unavailable, ...]
    origin: Origin

    def __post_init__(self) -> None:
        if not self.missing:
            raise ValueError("nothing is missing: that is an Exact")


Reading: TypeAlias = Exact[T_co] | Unavailable
Size: TypeAlias = Exact[int] | Between | AtLeast | Unavailable


def reason(unread: Unavailable) -> str:
    """`not permitted: Operation not permitted`; foreign text in it as it is."""
    return f"{unread.why}: {unread.detail}" if unread.detail else str(unread.why)
