"""The application: it keeps the one scene, gives it to whatever is visible, and turns keys into new scenes."""

from __future__ import annotations

from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from tui.look import look_of, textual_theme
from tui.palette import PALETTES
from tui.scene import Mode, Scene, preselected
from tui.frame import Frame, NO_PAST
from tui.screens.overview import Overview
from tui.screens.view import View
from tui.widgets.diskbar import DiskBar
from tui.widgets.drawn import Drawn
from tui.widgets.tabs import Tabs
from tui.widgets.verdict import Verdict


class UllageApp(App[int]):
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("q", "quit", "Quit")]

    def __init__(self, frame, theme="ullage-dark", mono=False) -> None:
        super().__init__()
        for palette in PALETTES.values():
            self.register_theme(textual_theme(palette))
        self.theme = theme
        self.scene = Scene(look_of(theme, mono), Mode.LIVE, frame, chosen=preselected(frame.report.plan))

    def compose(self) -> ComposeResult:
        yield Tabs()
        yield Verdict(id="verdict")
        yield DiskBar()
        with Container(id="views"):
            yield Overview()

    def on_mount(self):
        self._sizes(self.size.width, self.size.height)
        self.spread()
        self.query_one(Overview).focus_first()

    def on_resize(self, e):
        self._sizes(e.size.width, e.size.height)

    def _sizes(self, w, h):
        self.screen.set_class(w < 100, "-narrow")
        self.screen.set_class(h < 30, "-low")

    def spread(self):
        for w in self.query(Drawn):
            w.show(self.scene)
        for v in self.query(View):
            v.show(self.scene)

    def on_listing_moved(self, m):
        if m.listing.id == "categories":
            self.scene = self.scene.but(selected=m.key)
            self.spread()
