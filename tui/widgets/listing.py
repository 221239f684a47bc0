"""A long list drawn line by line: only what is visible is ever laid out, so ten thousand rows cost as much as ten.

Rows are any values with a key. A refill keeps the row under the cursor and the scroll position. Subclasses say how one
row is drawn. Refuses to hold widgets per row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.drawing import Appearance, Span
from tui.view_models.state import DashboardState
from tui.widgets import strip_of

R = TypeVar("R")
_NARROWEST = 24  # cells that rows are laid out for, however few there are


class Listing(ScrollView, Generic[R], can_focus=True, inherit_bindings=False):
    """`row_height` lines a row, one line of header above them if `has_head`.

    What a scrolling widget binds by itself is not taken: Home would scroll a long list and go to the first run above a
    short one.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False),
        Binding("g", "edge(0)", "Top", show=False),
        Binding("G,shift+g", "edge(1)", "Bottom", show=False),
        Binding("enter", "choose", "Open", show=False),
    ]

    row_height = 1
    has_head = True
    mark_cells = 0  # at the left, that look like a button: a click on them chooses at once
    cursor: reactive[int] = reactive(0, always_update=False)

    class Moved(Message):
        """The cursor came to rest on another row."""

        def __init__(self, listing: Listing[Any], key: str) -> None:
            super().__init__()
            self.listing = listing
            self.key = key

        @property
        def control(self) -> Listing[Any]:
            return self.listing

    class Chosen(Moved):
        """Enter, or a click on the row that had the cursor."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.rows: Sequence[R] = ()
        self.state: DashboardState | None = None
        self._cache: dict[tuple[int, int], list[tuple[Span, ...]]] = {}

    # What a subclass gives.

    def key_of(self, row: R) -> str:
        raise NotImplementedError

    def draw(self, row: R, state: DashboardState, width: int) -> list[tuple[Span, ...]]:
        """`row_height` lines of at most `width` cells."""
        raise NotImplementedError

    def head(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        """The header line; it stays while the rows scroll."""
        return ()

    def empty(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        """What stands there when there is no row: the reason."""
        return ()

    def copy_text(self, row: R) -> str:
        """What `y` copies of a row: an id, a path, a command; "" for nothing. Not yet escaped."""
        return ""

    @property
    def row(self) -> R | None:
        """The row under the cursor."""
        return self.rows[self.cursor] if 0 <= self.cursor < len(self.rows) else None

    def same(self, before: DashboardState, after: DashboardState) -> bool:
        """Would the same rows look the same in both states?"""
        return before.appearance is after.appearance and before.frame is after.frame and before.units is after.units

    # Filling.

    def fill(self, rows: Sequence[R], state: DashboardState) -> None:
        """Show `rows`; the cursor stays on its row's key, or on its line where that row is gone."""
        if rows and rows is self.rows and self.state is not None and self.same(self.state, state):
            self.state = state
            return
        before = self.key
        self.rows = rows
        self.state = state
        self._cache.clear()
        self.virtual_size = Size(self.size.width, len(rows) * self.row_height + self._head_lines)
        if before is not None and not (self.cursor < len(rows) and self.key_of(rows[self.cursor]) == before):
            at = next((at for at, row in enumerate(rows) if self.key_of(row) == before), None)
            self.set_reactive(Listing.cursor, at if at is not None else max(0, min(self.cursor, len(rows) - 1)))
            self._reveal()
        elif self.cursor >= len(rows):
            self.set_reactive(Listing.cursor, max(0, len(rows) - 1))
        self.refresh()

    @property
    def key(self) -> str | None:
        """The key under the cursor; None in an empty list."""
        row = self.row
        return None if row is None else self.key_of(row)

    def point_at(self, key: str) -> None:
        """Put the cursor on the row of `key`, if there is one. No message: the state that asks for it knows."""
        at = next((at for at, row in enumerate(self.rows) if self.key_of(row) == key), None)
        if at is not None and at != self.cursor:
            before = self.cursor
            self.set_reactive(Listing.cursor, at)
            self._repaint(before)
            self._repaint(at)
            self._reveal()

    @property
    def _head_lines(self) -> int:
        return 1 if self.has_head else 0

    @property
    def appearance(self) -> Appearance | None:
        return self.state.appearance if self.state is not None else None

    # Drawing.

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        base = self.rich_style
        state = self.state
        if state is None:
            return Strip.blank(width, base)
        drawn = max(width, _NARROWEST)  # what is narrower shows the left part of that
        if y < self._head_lines:
            return strip_of(self.head(state, drawn), state.appearance, width, base)
        at, part = divmod(y - self._head_lines + self.scroll_offset.y, self.row_height)
        if at >= len(self.rows):
            spans = self.empty(state, drawn) if not self.rows and y == self._head_lines else ()
            return strip_of(spans, state.appearance, width, base)
        lines = self._cache.get((at, drawn))
        if lines is None:
            lines = self._cache[(at, drawn)] = self.draw(self.rows[at], state, drawn)
        spans = lines[part] if part < len(lines) else ()
        if at != self.cursor:
            return strip_of(spans, state.appearance, width, base)
        style = state.appearance.cursor if self.has_focus else state.appearance.cursor_blurred
        if not state.appearance.flat_cursor:
            return strip_of(spans, state.appearance, width, base + style)
        return Strip(Segment.apply_style(strip_of(spans, state.appearance, width, base), post_style=style), width)

    def on_resize(self) -> None:
        self._cache.clear()
        self.virtual_size = Size(self.size.width, len(self.rows) * self.row_height + self._head_lines)
        self._reveal()

    def on_focus(self) -> None:
        self._repaint(self.cursor)

    def on_blur(self) -> None:
        self._repaint(self.cursor)

    # Moving.

    def watch_cursor(self, before: int, after: int) -> None:
        self._repaint(before)
        self._repaint(after)
        self._reveal()
        key = self.key
        if key is not None:
            self.post_message(self.Moved(self, key))

    def _repaint(self, at: int) -> None:
        self.refresh_lines(at * self.row_height + self._head_lines, self.row_height)

    @property
    def _page(self) -> int:
        return max(1, (self.size.height - self._head_lines) // self.row_height)

    def _reveal(self) -> None:
        """Scroll so that the cursor's row is seen whole."""
        top = self.scroll_offset.y
        begin, end = self.cursor * self.row_height, (self.cursor + 1) * self.row_height
        available = self.size.height - self._head_lines
        if begin < top:
            self.scroll_to(y=begin, animate=False)
        elif end > top + available:
            self.scroll_to(y=end - available, animate=False)

    def action_move(self, by: int) -> None:
        self.cursor = max(0, min(len(self.rows) - 1, self.cursor + by))

    def action_page(self, by: int) -> None:
        self.action_move(by * self._page)

    def action_edge(self, end: int) -> None:
        self.cursor = max(0, len(self.rows) - 1) if end else 0

    def action_choose(self) -> None:
        key = self.key
        if key is not None:
            self.post_message(self.Chosen(self, key))

    async def action_press_mark(self) -> None:
        """What a click on the cells of the mark does."""
        self.action_choose()

    async def on_click(self, event: events.Click) -> None:
        at = (event.y - self._head_lines + self.scroll_offset.y) // self.row_height
        if event.y < self._head_lines or not 0 <= at < len(self.rows):
            return
        again = at == self.cursor
        self.cursor = at
        if event.x < self.mark_cells:
            await self.action_press_mark()
        elif again:
            self.action_choose()
