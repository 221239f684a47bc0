"""Time on screen: the chart, the slider over all runs, and the table of what happened."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rich.segment import Segment
from rich.text import Text
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from collectors.report.words import age, moment, percent, safe
from tui.drawing.chart import Chart
from tui.drawing.spans import Bit, fit, shorten
from tui.drawing.styles import Look
from tui.view_models.findings import chip, glyph
from tui.view_models.frame import Event, percent_of, space_of
from tui.view_models.state import Mode, Scene
from tui.widgets.lines import Drawn
from tui.widgets.listing import Listing


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
            from tui.drawing.plot import draw

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


class Slider(Drawn):
    """Two lines: the track with its marks, and the moment in words."""

    class Sought(Message):
        """`share` of the way from the oldest to the newest run, 0 to 1."""

        def __init__(self, share: float) -> None:
            super().__init__()
            self.share = share

    def lines(self, scene: Scene, width: int, height: int) -> Iterable[tuple[Bit, ...]]:
        if scene.span is None or scene.report is None:
            yield (Bit(" No journal: only this run is known. --journal keeps one.", "muted", 1, cut=True),)
            return
        room = max(2, width - 2)
        here = _column(scene, scene.report.taken_at, room)
        cells = [("━", "accent")] * (here + 1) + [("─", "muted")] * (room - here - 1)
        for event in scene.marked:
            cells[_column(scene, event.at, room)] = (glyph(event.severity), f"ink:{int(event.severity)}")
        cells[here] = ("●", "strong")
        yield (Bit(" "), *(Bit(text, role) for text, role in cells))
        yield fit(_words(scene), width)

    def on_click(self, event: events.Click) -> None:
        if event.y == 0 and self.size.width > 3:
            self.post_message(self.Sought(min(1.0, max(0.0, (event.x - 1) / (self.size.width - 3)))))


def _column(scene: Scene, at: datetime, room: int) -> int:
    if scene.span is None:
        return 0
    begin, end = scene.span
    whole = (end - begin).total_seconds()
    share = (at - begin).total_seconds() / whole if whole > 0 else 1.0
    return min(room - 1, max(0, round(share * (room - 1))))


def _words(scene: Scene) -> list[Bit]:
    report = scene.report
    if report is None or scene.span is None:
        return []
    space = space_of(report)
    bits = [Bit(f" {report.taken_at:%a %d %b %H:%MZ}  ", "strong")]
    if space is not None:
        bits.append(Bit(f"{percent(percent_of(space.used_bytes, space))} used", "strong"))
    back = (scene.span[1] - report.taken_at).total_seconds()
    if scene.mode is Mode.REPLAY:
        number, count = scene.position
        when = f"{age(back)} before the newest" if back > 0 else "the newest"
        bits.append(Bit(f"   run {number} of {count}, {when}", "muted", 1))
    bits.append(Bit("   ← → 1 h   [ ] event   Home End", "muted", 2))
    return bits


class EventTable(Listing[Event]):
    has_head = False

    def key_of(self, row: Event) -> str:
        return f"{row.at.isoformat()} {row.kind} {row.text}"

    def copy_text(self, row: Event) -> str:
        return f"{moment(row.at)} {row.text}"

    def empty(self, scene: Scene, width: int) -> tuple[Bit, ...]:
        return (Bit(" Nothing happened yet in the runs that are known.", "muted"),)

    def draw(self, row: Event, scene: Scene, width: int) -> list[tuple[Bit, ...]]:
        full = "" if row.used_percent is None else percent(row.used_percent)
        when = f" {row.at:%a %d %b %H:%MZ} " if width >= 60 else f" {row.at:%d %H:%MZ} "
        bits = [
            Bit(when, "muted"),
            Bit(f"{full:>6} ", "strong"),
            Bit(chip(row.severity, word=False), f"sev:{int(row.severity)}"),
        ]
        used = sum(len(bit.text) for bit in bits)
        return [(*bits, Bit(f" {shorten(safe(row.text), max(0, width - used - 2))}", "text"))]
