"""The first view, which says where the bytes are, and the view of how it came about."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal

from collectors.report.formatting import count
from tui.drawing.bars import SOLID, THIN
from tui.screens import DashboardView
from tui.view_models.categories import label_by_key
from tui.view_models.chart import chart_of, forecast_words
from tui.view_models.items import ItemOrder, item_rows, items_of
from tui.view_models.state import DashboardState
from tui.view_models.verdict import ordered
from tui.widgets import Panel
from tui.widgets.category_table import CategoryTable, total_text
from tui.widgets.history import ChartView, EventTable, Slider
from tui.widgets.item_table import FindingsList, ItemTable

_WEEK_H = 168.0
_HISTORY_AHEAD_H = 24.0


class HistoryView(DashboardView):
    def __init__(self) -> None:
        super().__init__(id="history")

    def compose(self) -> ComposeResult:
        with Panel(id="history-chart-panel"):
            yield ChartView(id="history-chart")
        yield Slider(id="slider")
        with Panel(id="history-events"):
            yield EventTable(id="events")

    def focus_first(self) -> None:
        self.query_one(EventTable).focus()

    def show(self, state: DashboardState) -> None:
        frame, row = state.frame, state.row
        self.query_one(Slider).show(state)
        if frame is None:
            return
        key = row.label.key if row is not None else ""
        chart = chart_of(
            frame.report, frame.history, back_h=_WEEK_H, ahead_h=_HISTORY_AHEAD_H, marks=state.marks, category=key
        )
        self.query_one("#history-chart", ChartView).show(chart, state.appearance)
        panel = self.query_one("#history-chart-panel", Panel)
        drawn = f" and {chart.second_text}" if chart.second else ""
        panel.set_title(f"% used{drawn}")
        panel.set_note(forecast_words(frame.report, state.marks))
        events = [
            event for event in reversed(frame.history.events) if state.filter_text.casefold() in event.text.casefold()
        ]
        self.query_one(EventTable).fill(events, state)
        self.query_one("#history-events", Panel).set_title(count(len(events), "event"))


# More items than a glance takes are in Explore.
_BRIEF = 200
_BACK_H, _AHEAD_H = 72, 24


class OverviewView(DashboardView):
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

    def set_heights(self, state: DashboardState) -> None:
        """Give the table the lines its rows need, and the rest to what is below, which keeps a few."""
        height, low = self.size.height, self.screen.has_class("-low")
        frame_lines, below = (0, 3) if low else (2, 8)
        wanted = min(len(state.rows) + 1 + frame_lines, height - below)
        if self.screen.has_class("-tiny"):
            wanted = height
        top = self.query_one("#overview-top")
        if wanted > 1 and top.size.height != wanted:
            top.styles.height = wanted

    def on_resize(self) -> None:
        state = self.query_one(CategoryTable).state
        if state is not None:
            self.set_heights(state)

    def show(self, state: DashboardState) -> None:
        self.set_heights(state)
        table = self.query_one(CategoryTable)
        table.fill(state.rows, state)
        if state.row is not None:
            table.point_at(state.row.label.key)  # the largest, until somebody has chosen
        self.query_one("#where", Panel).set_title("Where is it?")
        self.query_one("#where", Panel).set_note(f"{total_text(state)} · {SOLID} can be freed  {THIN} in use or shared")
        self._detail(state)
        self._chart(state)
        findings = self.query_one(FindingsList)
        if state.frame is not None:
            rows = ordered(state.frame)
            findings.set_compact(self.screen.has_class("-low"))
            findings.fill(rows, state)
            panel = self.query_one("#findings-panel", Panel)
            panel.set_title(count(len(rows), "finding"))
            panel.set_note("Enter explains · p plan")

    def _chart(self, state: DashboardState) -> None:
        frame, panel = state.frame, self.query_one("#chart-panel", Panel)
        if frame is None or not panel.display:
            return
        chart = chart_of(frame.report, frame.history, back_h=_BACK_H, ahead_h=_AHEAD_H, marks=state.marks)
        self.query_one(ChartView).show(chart, state.appearance)
        panel.set_title(f"% used, {-chart.from_h:.0f} h" + (f" + {chart.to_h:.0f} h forecast" if chart.ahead else ""))
        panel.set_note(forecast_words(frame.report, state.marks))

    def _detail(self, state: DashboardState) -> None:
        panel, table = self.query_one("#detail", Panel), self.query_one("#brief", ItemTable)
        row = state.row
        if row is None or state.report is None:
            return
        items = items_of(state.report, row.label.key)
        rows = item_rows(items, ItemOrder.EXCLUSIVE)
        table.letter, table.largest = row.label.letter, max((item.held_bytes for item in rows), default=0)
        table.reason = row.reason or label_by_key(row.label.key).about
        table.fill(rows[:_BRIEF], state)
        panel.set_title(f"{row.label.letter} {row.label.title}" + (f": {len(items):,}" if items else ""))
        more = f"{len(rows) - _BRIEF:,} more in Explore · " if len(rows) > _BRIEF else ""
        panel.set_note(f"{more}{state.scale.label} · Enter opens" if items else "")
