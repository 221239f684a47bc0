"""One line of text that must fit: numbers stay whole, words are shortened or dropped.

A `Span` says in its `drop_rank` how early it may be dropped: 0 never; the highest first. Words are shortened with an
ellipsis, a number or a whole phrase is dropped. Refuses to shorten anything that is marked to stay.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from rich.cells import cell_len, set_cell_size


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
