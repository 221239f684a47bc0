"""Numbers in columns: one unit for a whole screen, so that the eye compares and the header names it.

Words for a size that stands alone come from `collectors.report.words`; this only sets columns. Refuses to round a
measured byte away: what is smaller than the last digit reads `<0.1`, and what was not measured reads `?`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from collectors.model.reading import AtLeast, Between, Exact, Size, Unavailable


class Units(StrEnum):
    """What the `u` key cycles through."""

    IEC = "iec"
    SI = "si"
    BYTES = "bytes"

    def next_one(self) -> Units:
        order = tuple(Units)
        return order[(order.index(self) + 1) % len(order)]


@dataclass(frozen=True, slots=True)
class Scale:
    """`label` heads the column, a number is bytes / `divisor`, `width` is what its widest number takes."""

    label: str
    divisor: int
    width: int
    si: bool


def scale_for(total_bytes: int, units: Units) -> Scale:
    """The unit that fits a disk of `total_bytes`: the largest of which it has at least 16."""
    if units is Units.BYTES:
        return Scale("bytes", 1, max(7, len(f"{total_bytes:,}") + 1), False)
    step, names = (1000, ("B", "kB", "MB", "GB")) if units is Units.SI else (1024, ("B", "KiB", "MiB", "GiB"))
    power = 0
    while power < 3 and total_bytes >= 16 * step ** (power + 1):
        power += 1
    divisor = step**power
    return Scale(names[power], divisor, max(6, len(number(total_bytes, divisor)) + 1), units is Units.SI)


def number(count: int, divisor: int) -> str:
    """`312.0`, `0`, `<0.1`; whole bytes with separators where the divisor is 1. Never rounded to a zero."""
    if divisor == 1 or count == 0:
        return f"{count:,}"
    tenths = (abs(count) * 10 + divisor // 2) // divisor
    sign = "-" if count < 0 else ""
    if tenths == 0:
        return f"{sign}<0.1"
    return f"{sign}{tenths // 10}.{tenths % 10}"


def cell(size: Size, scale: Scale) -> str:
    """A size in a column: `312.0`, `~312.0`, `≥12.0`, `?`."""
    match size:
        case Exact(value=count):
            return number(count, scale.divisor)
        case Between(best=best):
            return f"~{number(best, scale.divisor)}"
        case AtLeast(low=low):
            return f"≥{number(low, scale.divisor)}"
        case Unavailable():
            return "?"
        case _:
            assert_never(size)


def change(count: int | None, scale: Scale) -> str:
    """A difference with its sign: `+50.1`, `-75.2`, `0`; `·` where no run is old enough to compare with."""
    if count is None:
        return "·"
    if count == 0:
        return "0"
    text = number(abs(count), scale.divisor)
    return f"{'+' if count > 0 else '-'}{text}"
