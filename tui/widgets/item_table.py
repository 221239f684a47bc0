"""The items behind one category: apparent, referenced, exclusive, a dual bar, age and state."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import set_cell_size

from collectors.model.reading import Unavailable
from collectors.report.words import age, safe
from tui.drawing.bars import two_part_bar
from tui.drawing.spans import Span, shorten, shorten_middle
from tui.view_models.items import ItemRow, age_of
from tui.view_models.state import DashboardState
from tui.view_models.units import cell
from tui.widgets.listing import Listing

_NAME = 22
_AGE = 11
_STATE = 13


@dataclass(frozen=True, slots=True)
class ItemColumns:
    """Cells of each column with the blank before it; 0: not shown."""

    name: int
    apparent: int
    whole: int
    bar: int
    age: int
    state: int


class ItemTable(Listing[ItemRow]):
    """One line an item. `brief`: name, referenced, exclusive and bar only."""

    def __init__(self, *, id: str | None = None, brief: bool = False) -> None:
        super().__init__(id=id)
        self.brief = brief
        self.letter = "N"
        self.reason = ""
        self.largest = 0

    def key_of(self, row: ItemRow) -> str:
        return row.item.owner_id.text() + row.item.id

    def copy_text(self, row: ItemRow) -> str:
        return row.item.id or row.item.name

    def columns(self, width: int, number: int) -> ItemColumns:
        """What fits beside the name and the exclusive bytes, which are always there."""
        available = width - (number + 1) - 3
        whole = number + 1 if available >= number + 1 + 10 else 0
        available -= whole
        if self.brief:
            bar = 10 if available >= 26 else 6 if available >= 22 else 0
            return ItemColumns(available - (bar + 1 if bar else 0), 0, whole, bar, 0, 0)
        # What is dropped first stands last; the name keeps enough to be told from its neighbours.
        wished = (_STATE + 1, _AGE + 1, min(41, max(13, available // 5)), number + 3)
        state, old, bar, apparent = 0, 0, 0, 0
        if available - wished[0] >= _NAME:
            state = wished[0]
            if available - sum(wished[:2]) >= _NAME:
                old = wished[1]
                if available - sum(wished[:3]) >= _NAME:
                    bar = wished[2] - 1
                    apparent = wished[3] if available - sum(wished) >= _NAME else 0
        return ItemColumns(
            available - apparent - old - state - (bar + 1 if bar else 0), apparent, whole, bar, old, state
        )

    def head(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        number = state.scale.width
        c = self.columns(width, number)
        text = f" {'Name':<{c.name}} "
        text += f"{'Apparent':>{c.apparent}}" if c.apparent else ""
        text += f"{'Refer.':>{c.whole}}" if c.whole else ""
        text += f"{'Excl.':>{number + 1}}" + " " * (c.bar + 1 if c.bar else 0)
        text += f"{'Age':>{c.age}}" if c.age else ""
        text += f" {'State':<{c.state - 1}}" if c.state else ""
        return (Span(text, "head"),)

    def empty(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        return (Span(f" {shorten(self.reason, width - 2)}", "muted"),)

    def draw(self, row: ItemRow, state: DashboardState, width: int) -> list[tuple[Span, ...]]:
        number = state.scale.width
        c = self.columns(width, number)
        item = row.item
        name = shorten_middle(safe(item.name, 4 * width), c.name)
        spans = [Span(f" {set_cell_size(name, c.name)} ", "text")]
        if c.apparent:
            spans.append(Span(f"{cell(item.apparent, state.scale):>{c.apparent}}", "muted"))
        if c.whole:
            spans.append(Span(f"{cell(item.referenced, state.scale):>{c.whole}}", "muted"))
        own = cell(item.exclusive, state.scale)
        spans.append(Span(f"{own:>{number + 1}}", "warn" if isinstance(item.exclusive, Unavailable) else "strong"))
        if c.bar:
            drawn = two_part_bar(row.held_bytes, row.freed_bytes, self.largest, c.bar, f"cat:{self.letter}")
            used = sum(len(piece.text) for piece in drawn)
            spans += [Span(" "), *drawn, Span(" " * (c.bar - used))]
        if c.age and state.report is not None:
            since = age_of(item, state.report.taken_at)
            spans.append(Span(f"{'?' if since is None else age(since):>{c.age}}", "muted"))
        if c.state:
            spans.append(Span(f" {shorten(safe(item.state), c.state - 1)}", "muted"))
        return [tuple(spans)]
