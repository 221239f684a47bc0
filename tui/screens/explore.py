"""What is it made of? The categories, the items of one, all that is known of one item; an image by its layers.

Layers stand base first, as they lie on each other, each beside the instruction of the Dockerfile that made it: what it
brought, how much of that later layers overwrite or delete, and which other images hold it too. Enter opens its files.
Read-only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len, set_cell_size
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen

from collectors.model import Owner, OwnerKind
from collectors.model.ledger import Item
from collectors.model.reading import Unavailable
from collectors.model.report import Report
from collectors.report.formatting import bytes_, count, doubt, safe, unread
from tui.drawing import Line, Span, shorten, shorten_middle
from tui.screens import DashboardView
from tui.screens.browser import Browser
from tui.screens.modals import KEYS_OVER_ALL, after
from tui.view_models.categories import CategoryRow, label_by_key
from tui.view_models.items import ItemRow, bill_facts, bill_rows, facts, item_rows, items_of
from tui.view_models.state import DashboardState
from tui.widgets import Panel, TextLines
from tui.widgets.category_table import CategoryList
from tui.widgets.item_table import BillTable, ItemTable
from tui.widgets.listing import Listing

if TYPE_CHECKING:
    from collectors.pipeline.image_history import ImageLayer, ImageLayers, LayerLook
    from tui.feed.live import Listings


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


class LayersTable(Listing["ImageLayer"]):
    """One line a layer, base first: its bytes, what later layers waste of them, who shares it, the instruction."""

    names: Mapping[Owner, str] = MappingProxyType({})
    reason = "Reading …"

    def key_of(self, row: ImageLayer) -> str:
        return str(next(at for at, one in enumerate(self.rows) if one is row))

    def same(self, before: DashboardState, after: DashboardState) -> bool:
        return False

    def copy_text(self, row: ImageLayer) -> str:
        return row.step

    def head(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        cells = 12
        shared = f"  {'Shared with':<{self._shared_cells(width)}}"
        return (Span(f"   #{'Bytes':>{cells}}{'Wasted':>{cells}}{shared}  Instruction", "head"),)

    def empty(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        return (Span(f" {self.reason}", "muted"),)

    def draw(self, row: ImageLayer, state: DashboardState, width: int) -> list[tuple[Span, ...]]:
        cells, shared = 12, self._shared_cells(width)
        at = next(at for at, one in enumerate(self.rows) if one is row)
        spans = [
            Span(f"{at + 1:>4}", "muted"),
            Span(f"{self._bytes(row.bytes, state):>{cells}}", "strong"),
            Span(f"{self._bytes(row.wasted_bytes, state):>{cells}}", "rise" if row.wasted_bytes else "muted"),
            Span(f"  {set_cell_size(self._sharers(row, shared), shared)}", "muted"),
        ]
        room = max(8, width - sum(cell_len(span.text) for span in spans) - 3)
        step = shorten(safe(row.step, 4 * room), room) if row.step else "?"
        return [(*spans, Span(f"  {step}", "text" if row.step else "muted"))]

    @staticmethod
    def _bytes(held: int | None, state: DashboardState) -> str:
        return "?" if held is None else bytes_(held, si=state.scale.si)

    def _sharer(self, owner: Owner) -> str:
        if owner.kind is OwnerKind.BUILD:
            return "build cache"
        return safe(self.names.get(owner, owner.id.removeprefix("sha256:")[:12]), 60)

    def _sharers(self, row: ImageLayer, cells: int) -> str:
        names = list(dict.fromkeys(map(self._sharer, row.sharers)))
        if len(names) > 1:
            more = f" and {len(names) - 1} more"
            return f"{shorten_middle(names[0], cells - len(more))}{more}"
        return shorten_middle(names[0], cells) if names else "nobody"

    def _shared_cells(self, width: int) -> int:
        """As many as the longest takes, and no more than leave room for the instructions."""
        most = 20 if width < 100 else 40
        return min(most, max([len("Shared with"), *(cell_len(self._sharers(row, most)) for row in self.rows)]))


class Layers(ModalScreen[None]):
    """The layers of one image. Enter opens the files of one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,left", "close", "Close"),
        *KEYS_OVER_ALL,
    ]

    def __init__(
        self, title: str, look: LayerLook, files: Listings, state: DashboardState, names: Mapping[Owner, str]
    ) -> None:
        super().__init__()
        self._heading, self._look, self._files, self._state, self._names = title, look, files, state, names
        self._found: ImageLayers | None = None

    def compose(self) -> ComposeResult:
        with Panel(id="browser"):
            yield LayersTable(id="layers")
            yield TextLines(id="layers-text", wrap=True)

    def on_mount(self) -> None:
        self.query_one(LayersTable).names = self._names
        self.query_one(LayersTable).focus()
        self.query_one(Panel).set_title(f"{safe(self._heading, 60)}: layers, base first")
        self._files.look(self._look, self.app.call_from_thread, self.told)

    def told(self, found: ImageLayers) -> None:
        """As much as is known of the layers."""
        if not self.is_attached:
            return
        self._found = found
        table, text = self.query_one(LayersTable), self.query_one("#layers-text", TextLines)
        table.fill(found.layers, self._state)
        step = safe(table.row.step) if table.row is not None else ""  # of one layer the whole, however long
        whole: list[Line] = [(Span(" $ ", "muted"), Span(step, "text", 1, shrinks=True))] if step else []
        text.set_lines([*layer_words(found, si=self._state.scale.si), *whole], self._state.appearance)
        many = count(len(found.layers), "layer")
        self.query_one(Panel).set_note(f"{many} · Enter opens its files · Esc closes")

    async def action_anew(self, action: str) -> None:
        self._state = await after(self, action, self._state)
        if self._found is not None:
            self.told(self._found)

    def on_listing_moved(self, message: Listing.Moved) -> None:
        message.stop()
        if self._found is not None:
            self.told(self._found)

    def on_listing_chosen(self, message: Listing.Chosen) -> None:
        message.stop()
        row = self.query_one(LayersTable).row
        if row is not None and row.place is not None:
            title = f"{self._heading}, {row.step or 'a layer'}"
            self.app.push_screen(Browser(title, (row.place,), self._files, self._state))

    def action_close(self) -> None:
        self._files.stop_browsing()
        self.dismiss(None)


def layer_words(found: ImageLayers, *, si: bool) -> Iterator[Line]:
    """The sums, and what is not known of them."""
    wasted = [layer.wasted_bytes for layer in found.layers]
    if found.layers and None not in wasted:
        whole = sum(one or 0 for one in wasted)
        said = f" {bytes_(whole, si=si)} are wasted: later layers overwrite or delete them"
        quiet = " No layer wastes what an earlier one brought."
        yield (Span(said if whole else quiet, "rise" if whole else "muted", 1, shrinks=True),)
    for what, reason in (("Wasted bytes", found.wasted_reason), ("Instructions", found.steps_reason)):
        if reason:
            yield (Span(f" {what}: {safe(reason)}", "muted", 1, shrinks=True),)
