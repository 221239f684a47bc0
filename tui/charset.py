"""What the terminal can show: everything, the glyphs of a Linux console, or ASCII alone.

One filter at the end of the drawing covers every character, foreign names included, so that no widget has to ask.
Refuses to change the width of a line.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter


class Charset(StrEnum):
    FULL = "full"
    CONSOLE = "console"  # TERM=linux: 256 or 512 glyphs, CP437's among them
    ASCII = "ascii"


# CP437's glyphs, which every console font has, for those that it lacks.
_CONSOLE = str.maketrans(
    "▁▂▃▅▆▇▉▊▋▍▎▏━╸╴╾▔╭╮╰╯✖✔◆●○◌▲▼▾▶…Δ→←↑↓—–“”‘’▕",
    "_▄▄▄███" + "█▌▌││─────┌┐└┘x√♦•oo^vv>.d><^v--\"\"''│",
)
_ASCII = str.maketrans(
    "─━═╴╸╾╼╶╺▔│┃║▏▎▍▕┆╭╮╰╯┌┐└┘├┤┬┴┼┏┓┗┛█▇▆▅▉▊▋▌▓▄▃▀▐▂▁▒░✖✔◆●○◌■▲▼▾▶…·•Δ→←↑↓≥—–«×“”‘’√♦",
    "----------||||||||+++++++++++++++++#########====__%:xv*o..#^vv>~-od><^v>--<x\"\"''v*",
)


@lru_cache(4096)
def plain(text: str, charset: Charset) -> str:
    """`text` in the same number of cells, of characters that `charset` has."""
    if charset is Charset.FULL or text.isascii():
        return text
    if charset is Charset.CONSOLE:
        return "".join(_dots(char) if "\u2800" <= char <= "\u28ff" else char for char in text.translate(_CONSOLE))
    return "".join(_ascii(char) for char in text.translate(_ASCII))


def _ascii(char: str) -> str:
    if char.isascii():
        return char
    return _dots(char) if "\u2800" <= char <= "\u28ff" else "?" * cell_len(char)


def _dots(char: str) -> str:
    """A braille cell by where its dots are: `'` above, `.` below, `:` both, `#` where it is filled."""
    bits = ord(char) - 0x2800
    upper, lower = bits & 0b00011011, bits & 0b11100100
    if bits.bit_count() >= 6:
        return "#"
    if upper and lower:
        return ":"
    return "'" if upper else "." if lower else " "


class CharsetFilter(LineFilter):
    def __init__(self, charset: Charset) -> None:
        super().__init__(enabled=charset is not Charset.FULL)
        self._charset = charset

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [Segment(plain(text, self._charset), style, control) for text, style, control in segments]


def charset_of(encoding: str | None, term: str) -> Charset:
    """What to draw with, from the encoding of the stream that is drawn on and the terminal's name."""
    if (encoding or "").lower().replace("-", "") != "utf8":
        return Charset.ASCII
    return Charset.CONSOLE if term == "linux" else Charset.FULL
