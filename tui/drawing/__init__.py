"""How things look: lines of text that fit, bars, and roles as Rich styles under a palette. Without state. Pure.

Bars and sparklines are characters: solid is what a deletion frees, thin is what is shared or in use. Refuses to draw a
length that rounds to nothing: a measured byte shows at least its tip.

In a line that must fit, numbers stay whole, words are shortened or dropped. A `Span` says in its `drop_rank` how early
it may be dropped: 0 never; the highest first. Refuses to shorten anything that is marked to stay.

Roles: the names in a palette, `cat:O` a category's colour as ink, `on:O` its label on its colour, `pick:O` the same
selected, `sev:5` a severity's chip, `ink:5` its colour as ink.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, lru_cache

from rich.cells import cell_len, set_cell_size
from rich.style import Style

from collectors.model.report import Sample
from tui.drawing.palette import PALETTES, PATTERNS, Palette

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


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one line. `role` names its style; `shrinks`: may be shortened to `least` cells before it is dropped,
    at its end or in its `middle`.
    """

    text: str
    role: str = "text"
    drop_rank: int = 0
    shrinks: bool = False
    least: int = 6
    middle: bool = False


Line = tuple[Span, ...]


def width_of(spans: Iterable[Span]) -> int:
    return sum(cell_len(piece.text) for piece in spans)


def shorten(text: str, width: int) -> str:
    """`text` in at most `width` cells, cut at the end with an ellipsis."""
    if cell_len(text) <= width:
        return text
    if width <= 0:
        return ""
    return set_cell_size(text, width - 1).rstrip() + "…" if width > 1 else "…"


def shorten_middle(text: str, width: int) -> str:
    """`text` in at most `width` cells, cut in the middle: the ends of an id or path tell more than its middle."""
    if cell_len(text) <= width:
        return text
    if width < 5:
        return shorten(text, width)
    tail = (width - 1) // 3
    head = set_cell_size(text, width - 1 - tail).rstrip()
    end = text
    while cell_len(end) > tail:
        end = end[1:]
    return f"{head}…{end}"


def fit(spans: Iterable[Span], width: int) -> Line:
    """`bits` in at most `width` cells. What may not give way is kept even if the line is then too long."""
    line = [piece for piece in spans if piece.text]
    over = width_of(line) - width
    while over > 0:
        at = max(range(len(line)), key=lambda index: (line[index].drop_rank, index), default=None)
        if at is None or line[at].drop_rank == 0:
            break
        piece, size = line[at], cell_len(line[at].text)
        if piece.shrinks and size - over >= piece.least:
            text = shorten_middle(piece.text, size - over) if piece.middle else shorten(piece.text, size - over)
            line[at] = replace(piece, text=text)
        else:
            del line[at]
        over = width_of(line) - width
    return tuple(line)


def wrapped(line: Iterable[Span], width: int) -> list[Line]:
    """`line` on as many lines as it needs: its last cuttable bit runs on below where it began. Loses nothing."""
    spans = tuple(line)
    at = max((index for index, piece in enumerate(spans) if piece.shrinks), default=None)
    if at is None or width_of(spans) <= width:
        return [fit(spans, width)]
    before, piece, after = spans[:at], spans[at], spans[at + 1 :]
    indent = width_of(before)
    if width - indent < 8:
        return (
            [fit(before, width), *wrapped((Span("  "), piece, *after), width)] if before != (Span("  "),) else [spans]
        )
    first, *rest = _pieces(piece.text, width - indent)
    lines: list[Line] = [(*before, replace(piece, text=first))]
    lines += [(Span(" " * indent), replace(piece, text=text)) for text in rest]
    return [*lines, fit(after, width)] if after else lines


def _pieces(text: str, width: int) -> list[str]:
    """`text` in pieces of at most `width` cells, broken at blanks where there are any."""
    pieces, line = [], ""
    for word in text.split(" "):
        joined = f"{line} {word}" if line else word
        if cell_len(joined) > width and line:
            pieces.append(line)
            joined = word
        while cell_len(joined) > width:
            head = set_cell_size(joined, width).rstrip() or joined[:1]
            pieces.append(head)
            joined = joined[len(head) :]
        line = joined
    return [*pieces, line]


class Appearance:
    """How things are drawn. `mono`: no colour may carry meaning, so patterns and reverse video do."""

    def __init__(self, palette: Palette, *, mono: bool = False) -> None:
        self.palette = palette
        self.mono = mono
        self._styles: dict[str, Style] = {}

    def style(self, role: str) -> Style:
        """The style of a role; KeyError for one that no palette has."""
        found = self._styles.get(role)
        if found is None:
            found = self._styles[role] = self._make(role)
        return found

    def _make(self, role: str) -> Style:
        palette = self.palette
        kind, _, what = role.partition(":")
        if kind == "cat":
            return Style.null() if self.mono else Style.parse(palette.fills[what])
        if kind in ("on", "pick"):
            extra = "bold underline " if kind == "pick" else ""
            if self.mono:
                return Style.parse(extra)
            return Style.parse(f"{extra}{palette.labels[what]} on {palette.fills[what]}")
        if kind in ("sev", "ink"):
            ground, ink = palette.severities[int(what)]
            if self.mono:
                return Style.parse("reverse bold" if kind == "sev" else "bold")
            return Style.parse(f"bold {ink} on {ground}" if kind == "sev" else f"bold {ground}")
        return Style.parse(palette.roles[role])

    @property
    def flat_cursor(self) -> bool:
        """Does the cursor row drop its own colours? With few colours ink and ground could be the same."""
        return self.mono or self.palette.ansi

    @cached_property
    def cursor(self) -> Style:
        return Style.parse("reverse" if self.mono else self.palette.cursor)

    @cached_property
    def cursor_blurred(self) -> Style:
        return Style.parse("underline" if self.mono else self.palette.cursor_blurred)

    def fill(self, letter: str) -> str:
        """The character that fills a segment of the bar: blank on a ground of colour, a pattern without one."""
        return PATTERNS[letter] if self.mono else " "


@lru_cache(16)
def appearance_of(theme: str, mono: bool) -> Appearance:
    """The appearance of a theme by name."""
    return Appearance(PALETTES[theme], mono=mono)
