"""The base of the five views: what a view must be able to do. Refuses to hold state of the machine."""

from __future__ import annotations

from textual.containers import Container

from tui.view_models.state import Scene


class View(Container):
    """`show` draws a scene; `lists` are the listings that `/` and `s` act on."""

    def show(self, scene: Scene) -> None:
        raise NotImplementedError

    def focus_first(self) -> None:
        """Put the focus where arrows make sense."""
        raise NotImplementedError
