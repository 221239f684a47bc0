"""The base of every widget that draws lines from a scene.

Refuses markup: foreign text reaches the screen as segments.
"""

from __future__ import annotations

from collections.abc import Iterable

from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from tui.fit import Bit
from tui.scene import Scene


class Drawn(Widget):
    """A widget of whole lines: subclasses give `lines`."""

    scene: reactive[Scene | None] = reactive(None, always_update=False)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes, markup=False)
        self._lines: list[tuple[Bit, ...]] | None = None

    def show(self, scene: Scene) -> None:
        """Draw `scene` from now on."""
        self.scene = scene

    def watch_scene(self) -> None:
        self._lines = None
        self.refresh()

    def on_resize(self) -> None:
        self._lines = None

    def lines(self, scene: Scene, width: int, height: int) -> Iterable[tuple[Bit, ...]]:
        """The lines from top to bottom; what is missing is left blank."""
        raise NotImplementedError

    def drawn_lines(self) -> list[tuple[Bit, ...]]:
        if self._lines is None:
            size = self.size
            scene = self.scene
            self._lines = [] if scene is None else list(self.lines(scene, size.width, size.height))
        return self._lines

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        base = self.rich_style
        lines = self.drawn_lines()
        if self.scene is None or y >= len(lines):
            return Strip.blank(width, base)
        return self.scene.look.strip(lines[y], width, base)
