"""Find anything: every thing and every path that is known, narrowed with each letter, and a way to go there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

from rich.cells import set_cell_size
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Input

from collectors.model.ledger import Item
from collectors.model.reading import charged
from collectors.model.report import Report
from collectors.report.formatting import safe
from tui.drawing.bars import Span, shorten_middle
from tui.view_models.categories import CategoryLabel, cell, label_of
from tui.view_models.state import DashboardState
from tui.widgets import Panel
from tui.widgets.listing import Listing

_SHOWN = 400
_STATE = 16


@dataclass(frozen=True, slots=True)
class Match:
    """`where`: the path inside the item that matched, "" where its own name, owner, state or id did."""

    label: CategoryLabel
    item: Item
    where: str


def matches(report: Report, text: str) -> Iterator[Match]:
    """Everything that contains `text` (any case), by category, largest first."""
    wanted = text.casefold()
    ledgers = [one for one in (report.ledger, *report.other_ledgers) if one is not None]
    for ledger in ledgers:
        for category, items in ledger.items.items():
            label = label_of(category)
            for item in items:
                where = _where(item, wanted)
                if where is not None:
                    yield Match(label, item, where)


def _where(item: Item, wanted: str) -> str | None:
    if any(wanted in part.casefold() for part in (item.name, item.owner, item.state, item.id)):
        return ""
    return next((place.path for place in item.inside or () if wanted in place.path.casefold()), None)


class FoundTable(Listing[Match]):
    """Letter of the category, bytes, name with the path inside it, state."""

    has_head = False

    def key_of(self, row: Match) -> str:
        return f"{row.label.key} {row.item.owner_id.text()}{row.item.id}"

    def same(self, before: DashboardState, after: DashboardState) -> bool:
        return False

    def empty(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        return (Span(" Nothing that is known contains this.", "muted"),)

    def draw(self, row: Match, state: DashboardState, width: int) -> list[tuple[Span, ...]]:
        number = state.scale.width + 1
        room = width - 3 - number - _STATE - 5
        name = f"{row.item.name}: {row.where}" if row.where else row.item.name
        return [
            (
                Span(f" {row.label.letter} ", f"on:{row.label.letter}"),
                Span(f"{cell(row.item.referenced, state.scale):>{number}}  ", "strong"),
                Span(set_cell_size(shorten_middle(safe(name, 4 * width), room), room), "text"),
                Span(f"  {safe(row.item.state)[:_STATE]}", "muted"),
            )
        ]


class Find(ModalScreen[Match | None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Close"),
        Binding("down", "move(1)", show=False),
        Binding("up", "move(-1)", show=False),
        Binding("pagedown", "move(10)", show=False),
        Binding("pageup", "move(-10)", show=False),
    ]

    def __init__(self, state: DashboardState) -> None:
        super().__init__()
        self._state = state

    def compose(self) -> ComposeResult:
        with Panel(id="find"):
            yield Input(id="find-text", placeholder="any part of a name, path, owner, state or id", compact=True)
            yield FoundTable(id="found")

    def on_mount(self) -> None:
        self.query_one(Panel).set_title("Find")
        self._narrow("")
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._narrow(event.value)

    def _narrow(self, text: str) -> None:
        report, panel = self._state.report, self.query_one(Panel)
        found = list(islice(matches(report, text), _SHOWN + 1)) if report is not None else []
        found.sort(key=lambda one: -charged(one.item.referenced))
        self.query_one(FoundTable).fill(found[:_SHOWN], self._state)
        many = f"more than {_SHOWN}" if len(found) > _SHOWN else f"{len(found)}"
        panel.set_note(f"{many} found · Enter goes there · Esc closes")

    def action_move(self, by: int) -> None:
        self.query_one(FoundTable).action_move(by)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.dismiss(self.query_one(FoundTable).row)

    def on_listing_chosen(self, message: Listing.Chosen) -> None:
        message.stop()
        self.dismiss(self.query_one(FoundTable).row)
