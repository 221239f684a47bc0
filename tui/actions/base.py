"""The application's core: it keeps the one state of the dashboard and gives it to every visible widget.

Refuses to read anything: what is new comes as a message, and becomes a new state.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from textual.app import App
from textual.binding import BindingType
from textual.css.query import NoMatches
from textual.filter import LineFilter

from tui.drawing.appearance import appearance_of
from tui.drawing.palette import ANSI, PALETTES
from tui.drawing.terminal import Charset, CharsetFilter, textual_theme
from tui.keys import bindings
from tui.screens.view import DashboardView
from tui.view_models.state import DashboardState
from tui.widgets.lines import LineWidget


class StateApp(App[int]):
    """`change` is the only way to a new state."""

    CSS_PATH = Path(__file__).parents[1] / "app.tcss"
    TITLE = "ullage"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings())

    def __init__(self, state: DashboardState, *, charset: Charset, theme: str) -> None:
        wish = os.environ.get("NO_COLOR")
        if wish == "":
            del os.environ["NO_COLOR"]  # set but empty asks for nothing; Textual would take it for a wish
        # Told that colours are the terminal's own, Textual drops them; else it would turn them into greys, and the
        # terminal's default ink into black.
        super().__init__(ansi_color=True if wish else None)
        self._charset_filter = CharsetFilter(charset)
        for palette in PALETTES.values():
            self.register_theme(textual_theme(palette))
        self.theme = theme
        # Without colour the terminal's own ink is the only one that is sure to be seen.
        self.state = state.with_changes(appearance=appearance_of(theme, self.no_color))

    def get_line_filters(self) -> list[LineFilter]:
        """Textual's filters and, last, the one that leaves no character the terminal cannot show."""
        filters = list(super().get_line_filters())
        return [*filters, self._charset_filter] if self._charset_filter.enabled else filters

    def change(self, **changes: object) -> None:
        """Draw a state that differs in these fields."""
        self.state = self.state.with_changes(**changes)
        self.redraw()

    def redraw(self) -> None:
        """Give the state to everything that is visible."""
        if not self.is_running:
            return
        screen = self.screen_stack[0] if self.screen_stack else None
        if screen is None:
            return
        for widget in screen.query(".surround").results(LineWidget):
            widget.show(self.state)
        view = self.view
        if view is not None:
            view.show(self.state)

    @property
    def view(self) -> DashboardView | None:
        """The view that is on screen."""
        try:
            return self.screen_stack[0].query_one(f"#{self.state.view}", DashboardView)
        except (NoMatches, IndexError):
            return None

    def action_theme(self) -> None:
        names = list(PALETTES)
        after = names[(names.index(self.state.appearance.palette.name) + 1) % len(names)]
        if self.no_color:
            after = ANSI.name
        self.theme = after
        self.change(appearance=appearance_of(after, self.no_color))
