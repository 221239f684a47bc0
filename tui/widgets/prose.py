"""Lines of text that were made elsewhere, each fitted to the width. Scrolls where they are more than fit."""

from __future__ import annotations

from collections.abc import Sequence

from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.fit import Line, fit, wrapped
from tui.look import Look


class Prose(ScrollView, can_focus=False):
    """`wrap`: long text runs on in the next line; else it is cut, one line each."""

    def __init__(self, *, id: str | None = None, wrap: bool = False) -> None:
        super().__init__(id=id)
        self._given: Sequence[Line] = ()
        self._lines: Sequence[Line] = ()
        self._look: Look | None = None
        self._wrap = wrap

    def set_lines(self, lines: Sequence[Line], look: Look) -> None:
        """Show `lines` from the top."""
        if lines == self._given and look is self._look:
            return
        self._given, self._look = lines, look
        self._lay_out()
        self.scroll_to(y=0, animate=False)
        self.refresh()

    def _lay_out(self) -> None:
        # A cell is kept for the scrollbar, so that it does not change what fits when it appears.
        width = max(1, self.size.width - 1)
        self._lines = [part for line in self._given for part in wrapped(line, width)] if self._wrap else self._given
        self.virtual_size = Size(self.size.width, len(self._lines))

    def on_resize(self) -> None:
        self._lay_out()

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        at = y + self.scroll_offset.y
        if self._look is None or at >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        return self._look.strip(fit(self._lines[at], width), width, self.rich_style)
