"""How did it come to this? The curve of used and of one category, the slider, and what happened."""

from __future__ import annotations

from textual.app import ComposeResult

from collectors.report.words import count
from tui.screens.view import View
from tui.view_models.chart import chart_of, outlook_words
from tui.view_models.state import Scene
from tui.widgets.history import ChartView, EventTable, Slider
from tui.widgets.lines import Panel

_WEEK_H = 168.0
_AHEAD_H = 24.0


class History(View):
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

    def show(self, scene: Scene) -> None:
        frame, row = scene.frame, scene.row
        self.query_one(Slider).show(scene)
        if frame is None:
            return
        key = row.face.key if row is not None else ""
        chart = chart_of(frame.report, frame.past, back_h=_WEEK_H, ahead_h=_AHEAD_H, marks=scene.marks, category=key)
        self.query_one("#history-chart", ChartView).show(chart, scene.look)
        panel = self.query_one("#history-chart-panel", Panel)
        drawn = f" and {chart.second_text}" if chart.second else ""
        panel.name_it(f"% used{drawn}")
        panel.note_it(outlook_words(frame.report, scene.marks))
        events = [event for event in reversed(frame.past.events) if scene.needle.casefold() in event.text.casefold()]
        self.query_one(EventTable).fill(events, scene)
        self.query_one("#history-events", Panel).name_it(count(len(events), "event"))
