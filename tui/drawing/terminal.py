"""What a terminal can show: its characters, and the colours that Textual itself draws with; and that it may go.

One filter at the end of the drawing covers every character, foreign names included, so that no widget has to ask.
Refuses to change the width of a line.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import threading
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.drivers.linux_driver import LinuxDriver
from textual.filter import LineFilter
from textual.theme import Theme

from tui.drawing.palette import Palette

if TYPE_CHECKING:
    from textual.app import App


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
    "─━═╴╸╾╼╶╺▔│┃║▏▎▍▕┆╭╮╰╯┌┐└┘├┤┬┴┼┏┓┗┛█▇▆▅▉▊▋▌▓▄▃▀▐▂▁▒░✖✔◆●○◌■▲▼▾▶…·•Δ→←↑↓≥—–«×“”‘’√♦◄",
    "----------||||||||+++++++++++++++++#########====__%:xv*o..#^vv>~-od><^v>--<x\"\"''v*<",
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
    spans = ord(char) - 0x2800
    upper, lower = spans & 0b00011011, spans & 0b11100100
    if spans.bit_count() >= 6:
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


class SecondScreenDriver(LinuxDriver):
    """Where the terminal's second screen is shown already: some would clear it, and what stands there."""

    took_over: ClassVar[bool] = False  # from then on this gives the first screen back

    def write(self, data: str) -> None:
        if self.took_over or data != "\x1b[?1049h":  # after a stop (Ctrl-Z) it is entered anew
            super().write(data)
        type(self).took_over = True


def charset_of(encoding: str | None, term: str) -> Charset:
    """What to draw with, from the encoding of the stream that is drawn on and the terminal's name."""
    if (encoding or "").lower().replace("-", "") != "utf8":
        return Charset.ASCII
    return Charset.CONSOLE if term == "linux" else Charset.FULL


def textual_theme(palette: Palette) -> Theme:
    """The same colours for what Textual draws itself: borders, scrollbars, the command palette."""
    if palette.ansi:
        return Theme(
            name=palette.name, ansi=True, dark=True, primary="ansi_cyan", secondary="ansi_cyan", accent="ansi_cyan",
            warning="ansi_yellow", error="ansi_red", success="ansi_green", foreground="ansi_default",
            background="ansi_default", surface="ansi_default", panel="ansi_default", boost="ansi_default",
            variables={
                "edge": "ansi_white", "edge-focus": "ansi_cyan", "muted": "ansi_default", "bar": "ansi_default",
                "ansi-background": "ansi_black", "ansi-foreground": "ansi_white",
                "scrollbar": "ansi_white", "scrollbar-hover": "ansi_white", "scrollbar-active": "ansi_white",
                "scrollbar-background": "ansi_black", "scrollbar-background-hover": "ansi_black",
                "scrollbar-background-active": "ansi_black", "border": "ansi_cyan",
                "block-cursor-foreground": "ansi_black", "block-cursor-background": "ansi_white",
                "input-cursor-background": "ansi_white", "input-cursor-foreground": "ansi_black",
            },
        )  # fmt: skip
    roles = palette.roles
    return Theme(
        name=palette.name, dark=palette.dark, primary=roles["accent"], secondary=roles["accent"],
        accent=roles["accent"], warning=roles["warn"], error=palette.severities[5][0], success=roles["good"],
        foreground=roles["text"], background=palette.ground, surface=palette.panel, panel=palette.panel,
        variables={
            "edge": palette.edge, "edge-focus": roles["accent"], "muted": roles["muted"], "bar": palette.panel,
            "scrollbar": palette.edge, "scrollbar-hover": roles["muted"], "scrollbar-active": roles["accent"],
            "scrollbar-background": palette.ground, "scrollbar-background-hover": palette.ground,
            "scrollbar-background-active": palette.ground, "scrollbar-corner-color": palette.ground,
        },
    )  # fmt: skip


# Not 1 or 2: those are a warning and a critical to whoever calls this.
NOT_BY_A_KEY = 3
# A terminal that is gone takes no farewell, and a scan may be waiting for the kernel.
_GRACE_S = 2.0
_LOOK_S = 1.0
_STDIN = 0


def leave(app: App[int]) -> None:
    """End the dashboard, in good order if that can be had in time.

    Whom the kernel hangs up on it also wakes: a toolkit that begins to draw anew when it wakes would never end.
    """
    signal.signal(signal.SIGCONT, signal.SIG_IGN)
    last = threading.Timer(_GRACE_S, os._exit, (NOT_BY_A_KEY,))
    last.daemon = True
    last.start()
    app.exit(NOT_BY_A_KEY)


async def leave_with_terminal(app: App[int]) -> None:
    """Once it has hung up. Whom `su -c` or `setsid` gave a session of its own no signal tells, and reads would spin."""
    if not os.isatty(_STDIN):
        return
    poll = select.poll()
    poll.register(_STDIN, 0)
    while not poll.poll(0):
        await asyncio.sleep(_LOOK_S)
    leave(app)
