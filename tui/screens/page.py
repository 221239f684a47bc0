"""A page of text over the view: help, a finding explained, the sources of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from tui.fit import Line
from tui.look import Look
from tui.widgets.panel import Panel
from tui.widgets.prose import Prose


class Page(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter,c", "dismiss", "Close"),
        Binding("down,j", "roll(1)", show=False),
        Binding("up,k", "roll(-1)", show=False),
        Binding("pagedown,space", "roll(10)", show=False),
        Binding("pageup", "roll(-10)", show=False),
    ]

    def __init__(self, title: str, lines: Sequence[Line], look: Look) -> None:
        super().__init__()
        self._heading, self._lines, self._look = title, lines, look

    def compose(self) -> ComposeResult:
        with Panel(id="page"):
            yield Prose(id="page-text", wrap=True)

    def on_mount(self) -> None:
        panel = self.query_one(Panel)
        panel.name_it(self._heading)
        panel.note_it("j k scroll · Esc closes")
        panel.styles.height = min(max(12, len(self._lines) + 7), round(self.app.size.height * 0.9))
        self.query_one(Prose).set_lines(self._lines, self._look)

    def action_roll(self, by: int) -> None:
        self.query_one(Prose).scroll_relative(y=by, animate=False)
