"""What is it made of? The categories, the items of one, and everything that is known of one item."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from collectors.model.ledger import Item
from collectors.model.reading import Unavailable
from collectors.report.words import bytes_, doubt, unread
from tui.drawing.spans import Bit, Line
from tui.screens.view import View
from tui.view_models.categories import by_key
from tui.view_models.category_rows import CategoryRow
from tui.view_models.items import ItemRow, facts, item_rows, items_of
from tui.view_models.state import Scene
from tui.widgets.category_table import CategoryList
from tui.widgets.item_table import ItemTable
from tui.widgets.lines import Panel, Prose
from tui.widgets.listing import Listing


class Explore(View):
    def __init__(self) -> None:
        super().__init__(id="explore")
        self._scene: Scene | None = None

    def compose(self) -> ComposeResult:
        with Horizontal():
            with Panel(id="explore-categories", classes="wide-only"):
                yield CategoryList(id="category-list")
            with Vertical():
                with Panel(id="explore-items"):
                    yield ItemTable(id="items")
                with Panel(id="explore-facts"):
                    yield Prose(id="facts", wrap=True)

    def focus_first(self) -> None:
        self.query_one("#items", ItemTable).focus()

    def show(self, scene: Scene) -> None:
        self._scene = scene
        categories = self.query_one(CategoryList)
        categories.fill(scene.shelves, scene)
        row = scene.row
        if row is None or scene.report is None:
            return
        categories.point_at(row.face.key)
        self.query_one("#explore-categories", Panel).name_it("Categories")
        table = self.query_one("#items", ItemTable)
        items = items_of(scene.report, row.face.key)
        shown = item_rows(items, scene.item_order, scene.needle)
        if table.letter != row.face.letter:
            table.action_edge(0)
        table.letter, table.largest = row.face.letter, max((one.held_bytes for one in shown), default=0)
        table.reason = _why_none(row, items, scene.needle)
        table.fill(shown, scene)
        panel = self.query_one("#explore-items", Panel)
        panel.name_it(
            f"{row.face.letter} {row.face.title}: {_count(len(shown), len(items))}" if items else row.face.title
        )
        panel.note_it(_note(row, shown, scene))
        self._facts(table, scene)

    def on_listing_moved(self, message: Listing.Moved) -> None:
        if message.listing.id == "items" and self._scene is not None:
            message.stop()
            self._facts(self.query_one("#items", ItemTable), self._scene)

    def _facts(self, table: ItemTable, scene: Scene) -> None:
        prose, panel = self.query_one("#facts", Prose), self.query_one("#explore-facts", Panel)
        item = self.item(table)
        row = scene.row
        if item is None or scene.report is None:
            lines: list[Line] = [] if row is None else list(_about(row, scene))
            panel.name_it("About")
        else:
            lines = list(facts(item, scene.report.taken_at, si=scene.scale.si))
            panel.name_it("Evidence")
        prose.set_lines(lines, scene.look)

    @staticmethod
    def item(table: ItemTable) -> Item | None:
        return table.row.item if table.row is not None else None


def _count(shown: int, whole: int) -> str:
    return f"{whole:,}" if shown == whole else f"{shown:,} of {whole:,}"


def _why_none(row: CategoryRow, items: tuple[Item, ...], needle: str) -> str:
    if items and needle:
        return f"No item contains “{needle}”. Esc clears the filter."
    if row.unread is not None:
        return unread(row.unread)
    return row.reason or "Nothing to list one by one."


def _note(row: CategoryRow, shown: tuple[ItemRow, ...], scene: Scene) -> str:
    """What may be added up: exclusive bytes as a sum of their own, and what is shared once."""
    own = sum(one.freed_bytes for one in shown)
    shared = row.held_bytes - own
    order = f"by {scene.item_order}"
    if scene.needle or shared <= 0 or not shown or isinstance(row.size, Unavailable):
        return order
    si = scene.scale.si
    return f"{order} · {bytes_(own, si=si)} exclusive + {bytes_(shared, si=si)} shared, counted once"


def _about(row: CategoryRow, scene: Scene) -> tuple[Line, ...]:
    face = by_key(row.face.key)
    said = doubt(row.size, si=scene.scale.si)
    lines: list[Line] = [(Bit(f" {face.about}", "text", 1, cut=True),)]
    if row.unread is not None:
        lines.append((Bit(" ? ", "warn"), Bit(unread(row.unread), "warn", 1, cut=True)))
    elif said:
        lines.append((Bit(f" {said}", "muted", 1, cut=True),))
    if row.reason:
        lines.append((Bit(f" {row.reason}", "muted", 1, cut=True),))
    return tuple(lines)
