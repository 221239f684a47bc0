"""What lies over a view: a page of text, and the last question before anything is removed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Input

from collectors.report.formatting import bytes_, safe, size, whole_percent
from tui.drawing.appearance import Appearance
from tui.drawing.bars import Line, Span
from tui.view_models.state import DashboardState
from tui.widgets import Panel, TextLines


class Page(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter,c", "dismiss", "Close"),
        Binding("down,j", "roll(1)", show=False),
        Binding("up,k", "roll(-1)", show=False),
        Binding("pagedown,space", "roll(10)", show=False),
        Binding("pageup", "roll(-10)", show=False),
        Binding("g,home", "roll(-100000)", show=False),
        Binding("G,end", "roll(100000)", show=False),
    ]

    def __init__(self, title: str, lines: Sequence[Line], appearance: Appearance) -> None:
        super().__init__()
        self._heading, self._lines, self._appearance = title, lines, appearance

    def compose(self) -> ComposeResult:
        with Panel(id="page"):
            yield TextLines(id="page-text", wrap=True)

    def on_mount(self) -> None:
        panel = self.query_one(Panel)
        panel.set_title(self._heading)
        panel.set_note("j k scroll · Esc closes")
        panel.styles.height = min(max(12, len(self._lines) + 7), round(self.app.size.height * 0.9))
        self.query_one(TextLines).set_lines(self._lines, self._appearance)

    def action_roll(self, by: int) -> None:
        self.query_one(TextLines).scroll_relative(y=by, animate=False)


class Confirm(ModalScreen[bool]):
    """Dismissed with True only for the exact name."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Cancel")]

    def __init__(self, state: DashboardState, host: str) -> None:
        super().__init__()
        self._state, self._host = state, host

    def compose(self) -> ComposeResult:
        with Panel(id="confirm"):
            yield TextLines(id="confirm-text")
            yield Input(placeholder=safe(self._host), id="confirm-name", compact=True)
            yield TextLines(id="confirm-answer")

    def on_mount(self) -> None:
        self.query_one(Panel).set_title("Apply the plan")
        self.query_one(Panel).set_note("Enter applies · Esc cancels")
        lines = list(question(self._state, self._host))
        text = self.query_one("#confirm-text", TextLines)
        text.styles.height = min(len(lines), max(3, self.app.size.height - 8))
        text.set_lines(lines, self._state.appearance)
        self._say("Nothing has run yet.", "muted")
        self.query_one(Input).focus()

    def _say(self, text: str, role: str) -> None:
        self.query_one("#confirm-answer", TextLines).set_lines(
            [(Span(f" {text}", role, 1, shrinks=True),)], self._state.appearance
        )

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip() == safe(self._host):
            self.dismiss(True)
        else:
            self._say("That is not this host's name. Nothing has run.", "bad")

    def action_cancel(self) -> None:
        self.dismiss(False)


def question(state: DashboardState, host: str) -> Iterator[Line]:
    """The steps with bytes, risk and undo, the sum of the set, and what to type."""
    plan, after, si = state.steps, state.after_plan, state.scale.si
    yield (Span(" This changes ", "text"), Span(safe(host), "strong"), Span(" permanently:", "text"))
    yield ()
    for number, step in enumerate(
        (step for step in plan.every_step if step.id in state.chosen) if plan is not None else (), 1
    ):
        yield (Span(f" {number:>2}  ", "muted"), Span(f"{size(step.frees, si=si):>12}", "goodstrong"),
               Span(f"  {safe(step.title)}", "strong", 1, shrinks=True))  # fmt: skip
        yield (
            Span(" " * 18, "muted"),
            Span(f"{step.risk.value} · undo: {safe(step.undo)}", "muted", 1, shrinks=True),
        )
    yield ()
    if after is not None:
        yield (Span(" Together ", "text"), Span(bytes_(after.freed_bytes, si=si), "goodstrong"),
               Span(f" promised, {whole_percent(after.used_percent)} used afterwards", "text", 1))  # fmt: skip
    yield (
        Span(" Each item is checked again before it is removed; freed bytes are measured.", "muted", 1, shrinks=True),
    )
    yield ()
    yield (Span(" Type the host's name to apply:", "text"),)
