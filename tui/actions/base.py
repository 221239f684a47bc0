"""The application's core: it keeps the one scene and gives it to whatever is visible.

Refuses to read anything: what is new comes as a message, and becomes a new scene.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from textual.app import App
from textual.binding import BindingType
from textual.css.query import NoMatches
from textual.filter import LineFilter

from tui.drawing.palette import ANSI, PALETTES
from tui.drawing.styles import look_of
from tui.drawing.terminal import Charset, CharsetFilter, textual_theme
from tui.keys import bindings
from tui.screens.view import View
from tui.view_models.state import Scene
from tui.widgets.lines import Drawn


class SceneApp(App[int]):
    """`change` is the only way to a new scene."""

    CSS_PATH = Path(__file__).parents[1] / "app.tcss"
    TITLE = "ullage"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings())

    def __init__(self, scene: Scene, *, charset: Charset, theme: str) -> None:
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
        self.scene = scene.but(look=look_of(theme, self.no_color))

    def get_line_filters(self) -> list[LineFilter]:
        """Textual's filters and, last, the one that leaves no character the terminal cannot show."""
        filters = list(super().get_line_filters())
        return [*filters, self._charset_filter] if self._charset_filter.enabled else filters

    def change(self, **changes: object) -> None:
        """Draw a scene that differs in these fields."""
        self.scene = self.scene.but(**changes)
        self.spread()

    def spread(self) -> None:
        """Give the scene to everything that is visible."""
        if not self.is_running:
            return
        screen = self.screen_stack[0] if self.screen_stack else None
        if screen is None:
            return
        for widget in screen.query(".mast").results(Drawn):
            widget.show(self.scene)
        view = self.view
        if view is not None:
            view.show(self.scene)

    @property
    def view(self) -> View | None:
        """The view that is on screen."""
        try:
            return self.screen_stack[0].query_one(f"#{self.scene.view}", View)
        except (NoMatches, IndexError):
            return None

    def action_theme(self) -> None:
        names = list(PALETTES)
        after = names[(names.index(self.scene.look.palette.name) + 1) % len(names)]
        if self.no_color:
            after = ANSI.name
        self.theme = after
        self.change(look=look_of(after, self.no_color))
