"""Where is it? The category table, the items of the selected one, the curve with its forecast, and the findings."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal

from collectors.report.words import count
from tui.drawing.bars import SOLID, THIN
from tui.screens.view import View
from tui.view_models.categories import by_key
from tui.view_models.chart import chart_of, outlook_words
from tui.view_models.findings import ordered
from tui.view_models.items import ItemOrder, item_rows, items_of
from tui.view_models.state import Scene
from tui.widgets.category_table import CategoryTable, total_text
from tui.widgets.findings import FindingsList
from tui.widgets.history import ChartView
from tui.widgets.item_table import ItemTable
from tui.widgets.lines import Panel

# More items than a glance takes are in Explore.
_BRIEF = 200
_BACK_H, _AHEAD_H = 72, 24


class Overview(View):
    def compose(self) -> ComposeResult:
        with Horizontal(id="overview-top"):
            with Panel(id="where"):
                yield CategoryTable(id="categories")
            with Panel(id="detail", classes="wide-only"):
                yield ItemTable(id="brief", brief=True)
        with Horizontal(id="overview-bottom"):
            with Panel(id="chart-panel", classes="wide-only"):
                yield ChartView(id="chart")
            with Panel(id="findings-panel"):
                yield FindingsList(id="findings")

    def focus_first(self) -> None:
        self.query_one(CategoryTable).focus()

    def set_heights(self, scene: Scene) -> None:
        """Give the table the lines its rows need, and the rest to what is below, which keeps a few."""
        height, low = self.size.height, self.screen.has_class("-low")
        frame_lines, below = (0, 3) if low else (2, 8)
        wanted = min(len(scene.rows) + 1 + frame_lines, height - below)
        if self.screen.has_class("-tiny"):
            wanted = height
        top = self.query_one("#overview-top")
        if wanted > 1 and top.size.height != wanted:
            top.styles.height = wanted

    def on_resize(self) -> None:
        scene = self.query_one(CategoryTable).scene
        if scene is not None:
            self.set_heights(scene)

    def show(self, scene: Scene) -> None:
        self.set_heights(scene)
        table = self.query_one(CategoryTable)
        table.fill(scene.rows, scene)
        if scene.row is not None:
            table.point_at(scene.row.face.key)  # the largest, until somebody has chosen
        self.query_one("#where", Panel).name_it("Where is it?")
        self.query_one("#where", Panel).note_it(f"{total_text(scene)} · {SOLID} comes free  {THIN} in use or shared")
        self._detail(scene)
        self._chart(scene)
        findings = self.query_one(FindingsList)
        if scene.frame is not None:
            rows = ordered(scene.frame)
            findings.set_compact(self.screen.has_class("-low"))
            findings.fill(rows, scene)
            panel = self.query_one("#findings-panel", Panel)
            panel.name_it(count(len(rows), "finding"))
            panel.note_it("Enter explains · p plan")

    def _chart(self, scene: Scene) -> None:
        frame, panel = scene.frame, self.query_one("#chart-panel", Panel)
        if frame is None or not panel.display:
            return
        chart = chart_of(frame.report, frame.past, back_h=_BACK_H, ahead_h=_AHEAD_H, marks=scene.marks)
        self.query_one(ChartView).show(chart, scene.look)
        panel.name_it(f"% used, {-chart.from_h:.0f} h" + (f" + {chart.to_h:.0f} h forecast" if chart.ahead else ""))
        panel.note_it(outlook_words(frame.report, scene.marks))

    def _detail(self, scene: Scene) -> None:
        panel, table = self.query_one("#detail", Panel), self.query_one("#brief", ItemTable)
        row = scene.row
        if row is None or scene.report is None:
            return
        items = items_of(scene.report, row.face.key)
        rows = item_rows(items, ItemOrder.EXCLUSIVE)
        table.letter, table.largest = row.face.letter, max((item.held_bytes for item in rows), default=0)
        table.reason = row.reason or by_key(row.face.key).about
        table.fill(rows[:_BRIEF], scene)
        panel.name_it(f"{row.face.letter} {row.face.title}" + (f": {len(items):,}" if items else ""))
        more = f"{len(rows) - _BRIEF:,} more in Explore · " if len(rows) > _BRIEF else ""
        panel.note_it(f"{more}{scene.scale.label} · Enter opens" if items else "")
