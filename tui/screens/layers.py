"""What an image is made of: its layers, each beside the instruction of the Dockerfile that made it. Read-only.

Base first, as they lie on each other. Beside each what it brought, how much of that later layers overwrite or delete,
and which other images hold it too. Enter opens its files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len, set_cell_size
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from collectors.model.owner import Owner, OwnerKind
from collectors.report.formatting import bytes_, count, safe
from tui.drawing.bars import Line, Span, shorten, shorten_middle
from tui.screens.browser import Browser
from tui.view_models.state import DashboardState
from tui.widgets import Panel, TextLines
from tui.widgets.listing import Listing

if TYPE_CHECKING:
    from collectors.pipeline.image_layers import ImageLayer, ImageLayers, LayerLook
    from tui.feed.live import Listings


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

    @staticmethod
    def _shared_cells(width: int) -> int:
        return 20 if width < 100 else 30


class Layers(ModalScreen[None]):
    """The layers of one image. Enter opens the files of one."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,left", "close", "Close")]

    def __init__(
        self, title: str, look: LayerLook, files: Listings, state: DashboardState, names: Mapping[Owner, str]
    ) -> None:
        super().__init__()
        self._heading, self._look, self._files, self._state, self._names = title, look, files, state, names

    def compose(self) -> ComposeResult:
        with Panel(id="browser"):
            yield LayersTable(id="layers")
            yield TextLines(id="layers-text")

    def on_mount(self) -> None:
        self.query_one(LayersTable).names = self._names
        self.query_one(LayersTable).focus()
        self.query_one(Panel).set_title(f"{safe(self._heading, 60)}: layers, base first")
        self._files.look(self._look, self.app.call_from_thread, self.told)

    def told(self, found: ImageLayers) -> None:
        """As much as is known of the layers."""
        if not self.is_attached:
            return
        table, text = self.query_one(LayersTable), self.query_one("#layers-text", TextLines)
        table.fill(found.layers, self._state)
        text.set_lines(list(layer_words(found, si=self._state.scale.si)), self._state.appearance)
        many = count(len(found.layers), "layer")
        self.query_one(Panel).set_note(f"{many} · Enter opens its files · Esc closes")

    def on_listing_moved(self, message: Listing.Moved) -> None:
        message.stop()

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
        said = f" {bytes_(whole, si=si)} of this image are in no container: later layers overwrite or delete them"
        quiet = " No layer wastes what an earlier one brought."
        yield (Span(said if whole else quiet, "rise" if whole else "muted", 1, shrinks=True),)
    for what, reason in (("Wasted bytes", found.wasted_reason), ("Instructions", found.steps_reason)):
        if reason:
            yield (Span(f" {what}: {safe(reason)}", "muted", 1, shrinks=True),)
