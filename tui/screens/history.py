"""How did it come to this? The curve of used and of one category, the slider, and what happened."""

from __future__ import annotations

from textual.app import ComposeResult

from collectors.report.words import count
from tui.screens.view import DashboardView
from tui.view_models.chart import chart_of, forecast_words
from tui.view_models.state import DashboardState
from tui.widgets.history import ChartView, EventTable, Slider
from tui.widgets.lines import Panel

_WEEK_H = 168.0
_AHEAD_H = 24.0


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
        chart = chart_of(frame.report, frame.history, back_h=_WEEK_H, ahead_h=_AHEAD_H, marks=state.marks, category=key)
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
