"""What lies over a view: a page of text, and the last question before anything is removed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Input

from collectors.report.words import bytes_, percent, safe, size
from tui.drawing.spans import Bit, Line
from tui.drawing.styles import Look
from tui.view_models.state import Scene
from tui.widgets.lines import Panel, Prose


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


class Confirm(ModalScreen[bool]):
    """Dismissed with True only for the exact name."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Cancel")]

    def __init__(self, scene: Scene, host: str) -> None:
        super().__init__()
        self._scene, self._host = scene, host

    def compose(self) -> ComposeResult:
        with Panel(id="confirm"):
            yield Prose(id="confirm-text")
            yield Input(placeholder=safe(self._host), id="confirm-name", compact=True)
            yield Prose(id="confirm-answer")

    def on_mount(self) -> None:
        self.query_one(Panel).name_it("Apply the plan")
        self.query_one(Panel).note_it("Enter applies · Esc cancels")
        lines = list(question(self._scene, self._host))
        text = self.query_one("#confirm-text", Prose)
        text.styles.height = min(len(lines), max(3, self.app.size.height - 8))
        text.set_lines(lines, self._scene.look)
        self._say("Nothing has run yet.", "muted")
        self.query_one(Input).focus()

    def _say(self, text: str, role: str) -> None:
        self.query_one("#confirm-answer", Prose).set_lines([(Bit(f" {text}", role, 1, cut=True),)], self._scene.look)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value.strip() == safe(self._host):
            self.dismiss(True)
        else:
            self._say("That is not this host's name. Nothing has run.", "bad")

    def action_cancel(self) -> None:
        self.dismiss(False)


def question(scene: Scene, host: str) -> Iterator[Line]:
    """The steps with bytes, risk and way back, the sum of the set, and what to type."""
    plan, after, si = scene.steps, scene.after, scene.scale.si
    yield (Bit(" This changes ", "text"), Bit(safe(host), "strong"), Bit(" for good:", "text"))
    yield ()
    for number, step in enumerate(
        (step for step in plan.steps if step.id in scene.chosen) if plan is not None else (), 1
    ):
        yield (Bit(f" {number:>2}  ", "muted"), Bit(f"{size(step.frees, si=si):>12}", "goodstrong"),
               Bit(f"  {safe(step.title)}", "strong", 1, cut=True))  # fmt: skip
        yield (Bit(" " * 18, "muted"), Bit(f"{step.risk.value} · way back: {safe(step.undo)}", "muted", 1, cut=True))
    yield ()
    if after is not None:
        yield (Bit(" Together ", "text"), Bit(bytes_(after.freed_bytes, si=si), "goodstrong"),
               Bit(f" promised, {percent(after.percent)} used afterwards", "text", 1))  # fmt: skip
    yield (Bit(" Each item is verified again just before it goes; freed bytes are measured.", "muted", 1, cut=True),)
    yield ()
    yield (Bit(" Type the host's name to apply:", "text"),)
