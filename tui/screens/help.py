"""The keys, the severities and the letters, on one page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from collectors.model.finding import Severity
from tui.bars import SOLID, THIN
from tui.categories import ALL
from tui.fit import Bit, Line
from tui.keys import KEYS, MOVES
from tui.look import Look
from tui.severity import chip
from tui.widgets.panel import Panel
from tui.widgets.prose import Prose

_MEANING = {
    Severity.P0: "90% full or more, or writes are about to fail",
    Severity.P1: "80% or more, or 90% within 4 hours",
    Severity.P2: "70% or more, 80% within a day, or a proven leak above 5% of the disk",
    Severity.P3: "worth knowing: misconfiguration, churn",
    Severity.P4: "for information, or resolved",
}


class Help(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "Close"),
        Binding("down,j", "roll(1)", show=False),
        Binding("up,k", "roll(-1)", show=False),
        Binding("pagedown,space", "roll(10)", show=False),
        Binding("pageup", "roll(-10)", show=False),
    ]

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look

    def compose(self) -> ComposeResult:
        with Panel(id="help"):
            yield Prose(id="help-text")

    def on_mount(self) -> None:
        panel = self.query_one(Panel)
        panel.name_it("ullage: keys and signs")
        panel.note_it("j k scroll · Esc closes")
        self.query_one(Prose).set_lines(list(page()), self._look)

    def action_roll(self, by: int) -> None:
        self.query_one(Prose).scroll_relative(y=by, animate=False)


def page() -> Iterator[Line]:
    """The whole help, made from the tables that also drive the keys and the colours."""
    yield (Bit(" Keys", "accent"),)
    for shown, text in MOVES:
        yield _key(shown, text)
    for key in KEYS:
        where = f"  ({', '.join(view for view in key.views if view != 'replay')})" if key.views else ""
        yield (*_key(key.shown, key.help), Bit(where, "muted", 2))
    yield ()
    yield (Bit(" Severity", "accent"),)
    for severity, text in _MEANING.items():
        yield (
            Bit("  "),
            Bit(f"{chip(severity, word=True):<15}", f"sev:{int(severity)}"),
            Bit(f"  {text}", "text", 1, cut=True),
        )
    yield ()
    yield (Bit(" Bars", "accent"),)
    yield (Bit(f"  {SOLID * 4}", "cat:I"), Bit("  comes free when it is deleted", "text", 1, cut=True))
    yield (Bit(f"  {THIN * 4}", "cat:I"), Bit("  shared with something that stays, or in use", "text", 1, cut=True))
    yield (Bit("     ?", "warn"), Bit("  not measured, with the reason; never a zero", "text", 1, cut=True))
    yield ()
    yield (Bit(" Letters", "accent"),)
    for face in ALL:
        yield (Bit("  "), Bit(f" {face.letter} ", f"on:{face.letter}"), Bit(f" {face.title:<20}", "strong"),
               Bit(face.about, "muted", 1, cut=True))  # fmt: skip


def _key(shown: str, text: str) -> tuple[Bit, ...]:
    return (Bit(f"  {shown:>10}  ", "key"), Bit(text, "text", 1, cut=True))
