"""The chart on screen. It draws once per scene and size, and loads the drawing library when it is first seen."""

from __future__ import annotations

from rich.segment import Segment
from rich.text import Text
from textual.strip import Strip
from textual.widget import Widget

from tui.chart import Chart
from tui.look import Look


class ChartView(Widget):
    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self._chart: Chart | None = None
        self._look: Look | None = None
        self._drawn: tuple[tuple[int, int], list[Text]] | None = None

    def show(self, chart: Chart, look: Look) -> None:
        """Draw `chart` from now on."""
        if chart == self._chart and look is self._look:
            return
        self._chart, self._look, self._drawn = chart, look, None
        self.refresh()

    def _lines(self) -> list[Text]:
        size = (self.size.width, self.size.height)
        if self._chart is None or self._look is None:
            return []
        if self._chart.empty:
            return [Text(" No run is known yet that says how full it was.", self._look.style("muted"))]
        if self._drawn is None or self._drawn[0] != size:
            from tui.widgets.plot import draw

            self._drawn = (size, draw(self._chart, self._look, *size))
        return self._drawn[1]

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        width = self.size.width
        lines = self._lines()
        if y >= len(lines):
            return Strip.blank(width, base)
        segments = lines[y].render(self.app.console, end="")
        return Strip(Segment.apply_style(segments, base)).adjust_cell_length(width, base)
