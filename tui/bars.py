"""Bars and sparklines as characters. Solid is what a deletion frees, thin is what is shared or in use. Pure.

Refuses to draw a length that rounds to nothing: a measured byte shows at least its tip.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from collectors.model.report import Sample
from tui.fit import Bit

# Lower blocks keep a hairline of ground between two rows; full ones would run into one mass.
SOLID, THIN = "▆", "▂"
_LEVELS = "▁▂▃▄▅▆▇"


def dual(held: int, freed: int, largest: int, width: int, role: str, thin: str = "") -> tuple[Bit, ...]:
    """A bar of at most `width` cells against `largest`: `freed` high, the rest of `held` low.

    Where a line is too long for its room, the bar is the first to go.
    """
    if held <= 0 or largest <= 0 or width <= 0:
        return ()
    whole = max(1, min(width, round(width * held / largest)))
    solid = min(whole, max(1 if freed > 0 else 0, round(width * freed / largest)))
    bits = (Bit(SOLID * solid, role, 9), Bit(THIN * (whole - solid), thin or role, 9))
    return tuple(bit for bit in bits if bit.text)


def sparkline(samples: Sequence[Sample], width: int, until: datetime, days: float, floor_span: int) -> str:
    """The last `days` in `width` cells; blank where no run was. A swing below `floor_span` bytes stays flat."""
    begin = until - timedelta(days=days)
    step = timedelta(days=days) / width if width else timedelta(days=1)
    cells: list[int | None] = [None] * width
    for sample in samples:
        if begin <= sample.at <= until:
            cells[min(width - 1, int((sample.at - begin) / step))] = sample.value
    known = [value for value in cells if value is not None]
    if not known:
        return " " * width
    low, high = min(known), max(known)
    span = max(high - low, floor_span, 1)
    # One cell without a run is bridged: supervisors skip one now and then. A longer gap is shown as one.
    line = []
    for at, value in enumerate(cells):
        last = value if value is not None else cells[at - 1] if at else None
        line.append(" " if last is None else _LEVELS[min(6, (last - low) * 7 // span)])
    return "".join(line)
