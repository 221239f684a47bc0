"""What screens are made of. A widget draws the state it is given and reports what was pointed at.

Here are the small ones that all others use: a frame, lines drawn from a state, lines of text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.containers import Vertical
from textual.geometry import Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from tui.drawing.appearance import Appearance
from tui.drawing.bars import Line, Span, fit, wrapped
from tui.view_models.state import DashboardState


class Panel(Vertical):
    """`name_it` and `note_it` set the two texts on the frame."""

    def set_title(self, title: str) -> None:
        self.border_title = Text(title) if title else None

    def set_note(self, note: str) -> None:
        self.border_subtitle = Text(note) if note else None


def strip_of(spans: Iterable[Span], appearance: Appearance, width: int, base: Style) -> Strip:
    """A line of exactly `width` cells on the ground of `base`."""
    segments = [Segment(piece.text, base + appearance.style(piece.role)) for piece in spans if piece.text]
    length = sum(cell_len(segment.text) for segment in segments)
    if length < width:
        segments.append(Segment(" " * (width - length), base))
    return Strip(segments).crop(0, width) if length > width else Strip(segments, width)


class LineWidget(Widget):
    """A widget of whole lines: subclasses give `lines`."""

    state: reactive[DashboardState | None] = reactive(None, always_update=False)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes, markup=False)
        self._lines: list[tuple[Span, ...]] | None = None

    def show(self, state: DashboardState) -> None:
        """Draw `state` from now on."""
        self.state = state

    def show_if_changed(self, state: DashboardState) -> None:
        """Draw `state` where that looks different: once a second most of the screen does not."""
        size = self.size
        lines = list(self.lines(state, size.width, size.height))
        if lines != self.drawn_lines():
            self.state = state
            self._lines = lines

    def watch_state(self) -> None:
        self._lines = None
        self.refresh()

    def on_resize(self) -> None:
        self._lines = None

    def lines(self, state: DashboardState, width: int, height: int) -> Iterable[tuple[Span, ...]]:
        """The lines from top to bottom; what is missing is left blank."""
        raise NotImplementedError

    def drawn_lines(self) -> list[tuple[Span, ...]]:
        if self._lines is None:
            size = self.size
            state = self.state
            self._lines = [] if state is None else list(self.lines(state, size.width, size.height))
        return self._lines

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        base = self.rich_style
        lines = self.drawn_lines()
        if self.state is None or y >= len(lines):
            return Strip.blank(width, base)
        return strip_of(lines[y], self.state.appearance, width, base)


class TextLines(ScrollView, can_focus=False):
    """`wrap`: long text runs on in the next line; else it is cut, one line each."""

    def __init__(self, *, id: str | None = None, wrap: bool = False) -> None:
        super().__init__(id=id)
        self._given: Sequence[Line] = ()
        self._lines: Sequence[Line] = ()
        self._appearance: Appearance | None = None
        self._wrap = wrap

    def set_lines(self, lines: Sequence[Line], appearance: Appearance) -> None:
        """Show `lines` from the top."""
        if lines == self._given and appearance is self._appearance:
            return
        self._given, self._appearance = lines, appearance
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
        if self._appearance is None or at >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        return strip_of(fit(self._lines[at], width), self._appearance, width, self.rich_style)
