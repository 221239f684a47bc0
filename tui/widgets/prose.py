"""Lines of text that were made elsewhere, each fitted to the width. Scrolls where they are more than fit."""

from __future__ import annotations

from collections.abc import Sequence

from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.fit import Line, fit
from tui.look import Look


class Prose(ScrollView, can_focus=False):
    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: Sequence[Line] = ()
        self._look: Look | None = None

    def set_lines(self, lines: Sequence[Line], look: Look) -> None:
        """Show `lines` from the top."""
        self._lines, self._look = lines, look
        self.virtual_size = Size(self.size.width, len(lines))
        self.scroll_to(y=0, animate=False)
        self.refresh()

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self._lines))

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        at = y + self.scroll_offset.y
        if self._look is None or at >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        return self._look.strip(fit(self._lines[at], width), width, self.rich_style)
