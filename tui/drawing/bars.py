"""Bars and sparklines as characters. Solid is what a deletion frees, thin is what is shared or in use. Pure.

Refuses to draw a length that rounds to nothing: a measured byte shows at least its tip.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from collectors.model.report import Sample
from tui.drawing.spans import Span

# Lower blocks keep a hairline of ground between two rows; full ones would run into one mass.
SOLID, THIN = "▆", "▂"
_LEVELS = "▁▂▃▄▅▆▇"


def two_part_bar(held: int, freed: int, largest: int, width: int, role: str, thin: str = "") -> tuple[Span, ...]:
    """A bar of at most `width` cells against `largest`: `freed` high, the rest of `held` low.

    Where a line is too long for its room, the bar is the first to go.
    """
    if held <= 0 or largest <= 0 or width <= 0:
        return ()
    whole = max(1, min(width, round(width * held / largest)))
    solid = min(whole, max(1 if freed > 0 else 0, round(width * freed / largest)))
    spans = (Span(SOLID * solid, role, 9), Span(THIN * (whole - solid), thin or role, 9))
    return tuple(piece for piece in spans if piece.text)


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


def apportion(parts: Sequence[int], width: int) -> list[int]:
    """Whole cells for each of `parts` (bytes, none negative), summing to `width` exactly.

    Largest remainders; a part above zero keeps at least one cell as long as there are as many cells as such parts,
    at the expense of the largest. Where there are not, the largest categorys keep theirs. All zero: no cells at all.
    """
    whole = sum(parts)
    if width <= 0 or whole <= 0:
        return [0] * len(parts)
    cells = [part * width // whole for part in parts]
    order = sorted(range(len(parts)), key=lambda at: (-(parts[at] * width % whole), -parts[at], at))
    for at in order[: width - sum(cells)]:
        cells[at] += 1
    starved = [at for at in range(len(parts)) if parts[at] > 0 and cells[at] == 0]
    for at in sorted(starved, key=lambda at: (-parts[at], at)):
        giver = max(range(len(parts)), key=lambda other: (cells[other], parts[other]))
        if cells[giver] <= 1:
            break
        cells[giver] -= 1
        cells[at] = 1
    return cells
