"""Readings: what a source answered, in types that cannot be mistaken for numbers; and sums of them.

A size is one of four things, and a caller has to say what it does in each case (`match` with `assert_never`):

- `Exact`: measured, and this is the value.
- `Between`: estimated, with bounds that hold with a stated confidence.
- `AtLeast`: a sum some of whose parts could not be read.
- `Unavailable`: not measured, with the reason.

No reading defines `__bool__` or `__len__`, so that `if size` and `size or 0` are type errors: a measured zero is not an
unknown. Readings hold integers (bytes, counts) or models; they never format themselves.

Sums keep the unknown, and no float ever touches a byte count. The laws, held by property tests: an unknown part never
yields an `Exact`; the truth lies within the bounds of the result; the order of the parts does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar, assert_never

from collectors.model import dataclass

T = TypeVar("T")
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


def listed(reading: Reading[tuple[T, ...]]) -> tuple[T, ...]:
    """What a listing holds; none where it could not be read. Only for who asks what there is, never how much."""
    return reading.value if isinstance(reading, Exact) else ()


def reason(unread: Unavailable) -> str:
    """`not permitted: Operation not permitted`; foreign text in it as it is."""
    return f"{unread.why}: {unread.detail}" if unread.detail else str(unread.why)


def total(parts: Iterable[Size], origin: Origin) -> Size:
    """The sum of `parts` in bytes; `origin` says what the sum is of. No part at all sums to an exact 0."""
    best = low = high = 0
    confidence = 1.0
    missing: set[Unavailable] = set()
    methods: set[str] = set()
    for part in parts:
        match part:
            case Exact(value=value):
                best, low, high = best + value, low + value, high + value
            case Between():
                best, low, high = best + part.best, low + part.low, high + part.high
                confidence = min(confidence, part.confidence)
                methods.add(part.method)
            case AtLeast():
                best, low, high = best + part.low, low + part.low, high + part.low
                missing.update(part.missing)
            case Unavailable():
                missing.add(part)
            case _:
                assert_never(part)
    if missing:
        return AtLeast(low, tuple(sorted(missing, key=_order)), origin)
    if methods:
        return Between(best, low, high, confidence, ", ".join(sorted(methods)), origin)
    return Exact(best, origin)


def remainder(whole: Size, part: Size, origin: Origin) -> Size:
    """What is left of `whole` after `part`, where `part` is known to lie inside `whole`.

    An unread part leaves an interval, from nothing to everything that is not accounted for.
    """
    if isinstance(whole, Unavailable):
        return whole
    if isinstance(whole, Exact) and isinstance(part, Exact):
        return Exact(whole.value - part.value, origin)
    part_low, part_high = floor(part), ceiling(part)
    high = ceiling(whole)
    if high is None:
        least = 0 if part_high is None else max(0, floor(whole) - part_high)
        return AtLeast(least, whole.missing, origin) if isinstance(whole, AtLeast) else Exact(least, origin)
    low = 0 if part_high is None else max(0, floor(whole) - part_high)
    top = max(low, high - part_low)
    best = min(top, max(low, charged(whole) - charged(part)))
    return Between(best, low, top, 1.0, "what is left", origin)


def floor(size: Size) -> int:
    """The bytes that are there for certain; 0 where nothing was measured."""
    match size:
        case Exact(value=value):
            return value
        case Between(low=low) | AtLeast(low=low):
            return low
        case Unavailable():
            return 0
        case _:
            assert_never(size)


def ceiling(size: Size) -> int | None:
    """The most bytes that there can be; None where no upper bound is known."""
    match size:
        case Exact(value=value):
            return value
        case Between(high=high):
            return high
        case AtLeast() | Unavailable():
            return None
        case _:
            assert_never(size)


def charged(size: Size) -> int:
    """The bytes that a ledger charges for this size: the value, the best estimate, or the floor of what was read.

    What is not charged here stays in `unattributed`, so the books balance whatever could not be read.
    """
    return size.best if isinstance(size, Between) else floor(size)


def charged_or_none(size: Size) -> int | None:
    """What is charged, None where nothing at all was measured: for a place where unknown must not read as zero."""
    return None if isinstance(size, Unavailable) else charged(size)


def _order(unread: Unavailable) -> tuple[str, str, str, str]:
    return (unread.origin.source, unread.origin.call, unread.why, unread.detail)
