"""A chart in plain numbers: curves, axes, and a curve as a filled area of cells. Pure; knows no drawing library.

Where braille dots of two colours meet in one cell, one of them is lost; a filled area has one edge and keeps it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_STEPS_H = (0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 720)
XY = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ForecastPoint:
    """At `x` hours from now used will lie between `low` and `high`, at best `mid` percent."""

    x: float
    low: float
    mid: float
    high: float


@dataclass(frozen=True, slots=True)
class Chart:
    """`curve` and `second` are (hours, percent), oldest first; `second_letter` "" where no category is drawn."""

    from_h: float
    to_h: float
    low: float
    high: float
    curve: tuple[XY, ...]
    second: tuple[XY, ...]
    second_letter: str
    second_text: str
    ahead: tuple[ForecastPoint, ...]
    marks: tuple[int, ...]
    full_at_h: float | None
    full_text: str

    @property
    def empty(self) -> bool:
        return not self.curve


def clear_runs(chart: Chart, mark: int) -> tuple[XY, ...]:
    """The stretches (from, to) in hours where the curve lies below `mark`; what is ahead always counts as one."""
    if mark < chart.low:
        return ()
    runs: list[XY] = []
    begin: float | None = chart.from_h
    for x, y in chart.curve:
        if y >= mark and begin is not None:
            runs.append((begin, x))
            begin = None
        elif y < mark and begin is None:
            begin = x
    last = chart.curve[-1][0] if chart.curve else chart.from_h
    runs.append((last if begin is None else begin, chart.to_h))
    return tuple(run for run in runs if run[1] > run[0])


def levels(chart: Chart, rows: int) -> tuple[float, ...]:
    """What the percent axis names: the ends and the thresholds first, then round values, no two in one row."""
    found: dict[int, float] = {}
    span = chart.high - chart.low
    even = range(0, 100, next((step for step in (5, 10, 20, 25) if span / step <= rows / 2), 50))
    for level in (100, *reversed(chart.marks), 0, *reversed(even)):
        if not chart.low <= level <= chart.high:
            continue
        row = round((level - chart.low) / span * (rows - 1))
        near = 0 if level in (100, *chart.marks) else 1
        if not any(row + off in found for off in range(-near, near + 1)):
            found[row] = float(level)
    return tuple(sorted(found.values()))


def ticks(chart: Chart, width: int) -> tuple[tuple[float, str], ...]:
    """Hours and their labels along the bottom, as many as `width` cells hold."""
    span = chart.to_h - chart.from_h
    step = next((step for step in _STEPS_H if span / step <= max(2, width // 10)), _STEPS_H[-1])
    first = -int(-chart.from_h / step) * step
    found, x = [], first
    while x <= chart.to_h + 1e-9:
        found.append((x, _tick(x, step)))
        x += step
    return tuple(found)


def _tick(x: float, step: float) -> str:
    if abs(x) < 1e-9:
        return "now"
    sign = "+" if x > 0 else "-"
    if step >= 24:
        return f"{sign}{abs(x) / 24:g}d"
    return f"{sign}{abs(x) * 60:g}m" if step < 1 else f"{sign}{abs(x):g}h"


FULL = "█"
_EIGHTHS = " ▁▂▃▄▅▆▇"


@dataclass(frozen=True, slots=True)
class Canvas:
    """`columns` x `rows` cells; the middle of the first and last cell lie on the ends of each range."""

    columns: int
    rows: int
    from_x: float
    to_x: float
    low: float
    high: float

    def x(self, column: int) -> float:
        """The value in the middle of a column."""
        return self.from_x + (self.to_x - self.from_x) * column / (self.columns - 1)

    def y(self, row: int) -> float:
        """The value in the middle of a row."""
        return self.low + (self.high - self.low) * row / (self.rows - 1)

    def height(self, y: float) -> float:
        """How many rows lie below `y`, with the fraction of the one that it cuts."""
        share = (y - self.low) / (self.high - self.low)
        return min(float(self.rows), max(0.0, share * (self.rows - 1) + 0.5))

    def row(self, y: float) -> int:
        """The row that `y` lies in."""
        return min(self.rows - 1, int(self.height(y)))


def filled_curve(curve: Sequence[tuple[float, float]], canvas: Canvas) -> tuple[str, ...]:
    """The canvas as text, the lowest row first: blank, FULL, or an edge, under a curve of (x, y) with x rising.

    Blank left of the curve's first point and right of its last.
    """
    heights = list(_heights(curve, canvas)) if curve else [0.0] * canvas.columns
    return tuple("".join(_glyph(height - row) for height in heights) for row in range(canvas.rows))


def _glyph(share: float) -> str:
    return FULL if share >= 1.0 else _EIGHTHS[max(0, int(share * 8))]


def _heights(curve: Sequence[tuple[float, float]], canvas: Canvas) -> Iterator[float]:
    """Rows under the curve, column by column."""
    half = (canvas.to_x - canvas.from_x) / (canvas.columns - 1) / 2
    place = 0
    for column in range(canvas.columns):
        x = canvas.x(column)
        while place + 1 < len(curve) and curve[place + 1][0] <= x:
            place += 1
        within = curve[0][0] - half <= x <= curve[-1][0] + half
        yield canvas.height(_between(curve, place, x)) if within else 0.0


def _between(curve: Sequence[tuple[float, float]], place: int, x: float) -> float:
    """The curve at `x`, straight between the points around it, level beyond its ends."""
    x0, y0 = curve[place]
    if place + 1 == len(curve) or x <= x0:
        return y0
    x1, y1 = curve[place + 1]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
