"""One line of text that must fit: numbers stay whole, prose gives way.

A `Bit` says in its `gives` how readily it yields: 0 never; the highest yields first. Prose is cut with an ellipsis, a
number or a whole phrase is dropped. Refuses to cut anything that is marked to stay.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from rich.cells import cell_len, set_cell_size


@dataclass(frozen=True, slots=True)
class Bit:
    """A stretch of one line. `role` names its style; `cut`: may be shortened to `least` cells before it is dropped,
    at its end or in its `middle`.
    """

    text: str
    role: str = "text"
    gives: int = 0
    cut: bool = False
    least: int = 6
    middle: bool = False


Line = tuple[Bit, ...]


def width_of(bits: Iterable[Bit]) -> int:
    return sum(cell_len(bit.text) for bit in bits)


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


def fit(bits: Iterable[Bit], width: int) -> Line:
    """`bits` in at most `width` cells. What may not give way is kept even if the line is then too long."""
    line = [bit for bit in bits if bit.text]
    over = width_of(line) - width
    while over > 0:
        at = max(range(len(line)), key=lambda index: (line[index].gives, index), default=None)
        if at is None or line[at].gives == 0:
            break
        bit, size = line[at], cell_len(line[at].text)
        if bit.cut and size - over >= bit.least:
            text = shorten_middle(bit.text, size - over) if bit.middle else shorten(bit.text, size - over)
            line[at] = replace(bit, text=text)
        else:
            del line[at]
        over = width_of(line) - width
    return tuple(line)


def spread(left: Iterable[Bit], right: Iterable[Bit], width: int, *, gap: int = 2) -> Line:
    """`left` and `right` at the two ends of a line of exactly `width` cells; both give way by their ranks."""
    marked = [*left, Bit("\0"), *right]  # the mark takes no cell
    fitted = fit(marked, width - gap)
    middle = next(index for index, bit in enumerate(fitted) if bit.text == "\0")
    head, tail = fitted[:middle], fitted[middle + 1 :]
    room = width - width_of(head) - width_of(tail)
    return (*head, Bit(" " * max(room, 0)), *tail)


def wrapped(line: Iterable[Bit], width: int) -> list[Line]:
    """`line` on as many lines as it needs: its last cuttable bit runs on below where it began. Loses nothing."""
    bits = tuple(line)
    at = max((index for index, bit in enumerate(bits) if bit.cut), default=None)
    if at is None or width_of(bits) <= width:
        return [fit(bits, width)]
    before, bit, after = bits[:at], bits[at], bits[at + 1 :]
    indent = width_of(before)
    if width - indent < 8:
        return [fit(before, width), *wrapped((Bit("  "), bit, *after), width)] if before != (Bit("  "),) else [bits]
    first, *rest = _pieces(bit.text, width - indent)
    lines: list[Line] = [(*before, replace(bit, text=first))]
    lines += [(Bit(" " * indent), replace(bit, text=text)) for text in rest]
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
