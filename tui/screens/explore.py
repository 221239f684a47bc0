"""What is it made of? The categories, the items of one, and everything that is known of one item."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from collectors.model.ledger import Item
from collectors.model.reading import Unavailable
from collectors.model.report import Report
from collectors.report.formatting import bytes_, doubt, safe, unread
from tui.drawing.bars import Line, Span
from tui.screens import DashboardView
from tui.view_models.categories import label_by_key
from tui.view_models.category_rows import CategoryRow
from tui.view_models.items import ItemRow, bill_facts, bill_rows, facts, item_rows, items_of
from tui.view_models.state import DashboardState
from tui.widgets import Panel, TextLines
from tui.widgets.category_table import CategoryList
from tui.widgets.item_table import BillTable, ItemTable
from tui.widgets.listing import Listing


class ExploreView(DashboardView):
    def __init__(self) -> None:
        super().__init__(id="explore")
        self._state: DashboardState | None = None

    def compose(self) -> ComposeResult:
        with Horizontal():
            with Panel(id="explore-categories", classes="wide-only"):
                yield CategoryList(id="category-list")
            with Vertical():
                with Panel(id="explore-items"):
                    yield ItemTable(id="items")
                    yield BillTable(id="bills")
                with Panel(id="explore-facts"):
                    yield TextLines(id="facts", wrap=True)

    def focus_first(self) -> None:
        self.query_one("#bills" if self._state and self._state.bill_kind else "#items", Listing).focus()

    def show(self, state: DashboardState) -> None:
        self._state = state
        categories = self.query_one(CategoryList)
        categories.fill(state.explore_rows, state)
        row = state.row
        if row is None or state.report is None:
            return
        self._show_bills(state, state.report)
        if state.bill_kind:
            return
        categories.point_at(row.label.key)
        self.query_one("#explore-categories", Panel).set_title("Categories")
        table = self.query_one("#items", ItemTable)
        items = items_of(state.report, row.label.key)
        shown = item_rows(items, state.item_order, state.filter_text)
        if table.letter != row.label.letter:
            table.action_edge(0)
        table.letter, table.largest = row.label.letter, max((one.held_bytes for one in shown), default=0)
        table.reason = _why_none(row, items, state.filter_text)
        table.fill(shown, state)
        panel = self.query_one("#explore-items", Panel)
        panel.set_title(
            f"{row.label.letter} {row.label.title}: {_count(len(shown), len(items))}" if items else row.label.title
        )
        panel.set_note(_note(row, shown, state))
        self._facts(table, state)

    def _show_bills(self, state: DashboardState, report: Report) -> None:
        """The bills in place of the items, or no longer."""
        table, items = self.query_one(BillTable), self.query_one(ItemTable)
        had_focus = table.has_focus or items.has_focus
        table.display, items.display = bool(state.bill_kind), not state.bill_kind
        if had_focus:
            (table if state.bill_kind else items).focus()
        if state.bill_kind:
            rows = bill_rows(report, state.bill_kind, state.filter_text)
            table.fill(rows, state)
            panel = self.query_one("#explore-items", Panel)
            panel.set_title(f"Bills by {safe(state.bill_kind.replace(':', ' '))}: {len(rows):,}")
            panel.set_note("exclusive: freed when all of it goes · b goes on")
            self._bill_facts(table, state)

    def _bill_facts(self, table: BillTable, state: DashboardState) -> None:
        bill = table.row
        lines = bill_facts(bill, si=state.scale.si) if bill is not None else ()
        self.query_one("#explore-facts", Panel).set_title("Bill")
        self.query_one("#facts", TextLines).set_lines(list(lines), state.appearance)

    def on_listing_moved(self, message: Listing.Moved) -> None:
        if message.listing.id == "bills" and self._state is not None:
            message.stop()
            self._bill_facts(self.query_one(BillTable), self._state)
        elif message.listing.id == "items" and self._state is not None:
            message.stop()
            self._facts(self.query_one("#items", ItemTable), self._state)

    def _facts(self, table: ItemTable, state: DashboardState) -> None:
        prose, panel = self.query_one("#facts", TextLines), self.query_one("#explore-facts", Panel)
        item = self.item(table)
        row = state.row
        if item is None or state.report is None:
            lines: list[Line] = [] if row is None else list(_about(row, state))
            panel.set_title("About")
        else:
            lines = list(facts(item, state.report.taken_at, si=state.scale.si))
            panel.set_title("Evidence")
        prose.set_lines(lines, state.appearance)

    @staticmethod
    def item(table: ItemTable) -> Item | None:
        return table.row.item if table.row is not None else None


def _count(shown: int, whole: int) -> str:
    return f"{whole:,}" if shown == whole else f"{shown:,} of {whole:,}"


def _why_none(row: CategoryRow, items: tuple[Item, ...], filter_text: str) -> str:
    if items and filter_text:
        return f"No item contains “{filter_text}”. Esc clears the filter."
    if row.unread is not None:
        return unread(row.unread)
    return row.reason or "Nothing to list one by one."


def _note(row: CategoryRow, shown: tuple[ItemRow, ...], state: DashboardState) -> str:
    """What may be added up: exclusive bytes as a sum of their own, and what is shared once."""
    own = sum(one.freed_bytes for one in shown)
    shared = row.held_bytes - own
    order = f"by {state.item_order}"
    if state.filter_text or shared <= 0 or not shown or isinstance(row.size, Unavailable):
        return order
    si = state.scale.si
    return f"{order} · {bytes_(own, si=si)} exclusive + {bytes_(shared, si=si)} shared, counted once"


def _about(row: CategoryRow, state: DashboardState) -> tuple[Line, ...]:
    label = label_by_key(row.label.key)
    said = doubt(row.size, si=state.scale.si)
    lines: list[Line] = [(Span(f" {label.about}", "text", 1, shrinks=True),)]
    if row.unread is not None:
        lines.append((Span(" ? ", "warn"), Span(unread(row.unread), "warn", 1, shrinks=True)))
    elif said:
        lines.append((Span(f" {said}", "muted", 1, shrinks=True),))
    if row.reason:
        lines.append((Span(f" {row.reason}", "muted", 1, shrinks=True),))
    return tuple(lines)
