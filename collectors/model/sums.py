"""Arithmetic over sizes that keeps the unknown.

Integers only: no float ever touches a byte count. The laws, held by property tests: an unknown part never yields an
`Exact`; the truth lies within the bounds of the result; the order of the parts does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from collectors.model.reading import AtLeast, Between, Exact, Origin, Size, Unavailable


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


def _order(unread: Unavailable) -> tuple[str, str, str, str]:
    return (unread.origin.source, unread.origin.call, unread.why, unread.detail)
