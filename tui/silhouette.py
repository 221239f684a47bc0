"""A curve as a solid silhouette of cells, eight steps to a cell. Pure; knows no drawing library.

Where braille dots of two colours meet in one cell, one of them is lost; a silhouette has one edge and keeps it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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


def silhouette(curve: Sequence[tuple[float, float]], canvas: Canvas) -> tuple[str, ...]:
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
