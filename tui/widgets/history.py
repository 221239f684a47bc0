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

from collectors.report.formatting import age, moment, safe, whole_percent
from tui.drawing import Appearance, Span, fit, shorten
from tui.drawing.chart import Chart
from tui.view_models import HistoryEvent, HistoryEventKind, space_of
from tui.view_models.state import DashboardState, Mode
from tui.view_models.verdict import chip, glyph
from tui.widgets import LineWidget
from tui.widgets.listing import Listing


class ChartView(Widget):
    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self._chart: Chart | None = None
        self._appearance: Appearance | None = None
        self._drawn: tuple[tuple[int, int], list[Text]] | None = None

    def show(self, chart: Chart, appearance: Appearance) -> None:
        """Draw `chart` from now on."""
        if chart == self._chart and appearance is self._appearance:
            return
        self._chart, self._appearance, self._drawn = chart, appearance, None
        self.refresh()

    def _lines(self) -> list[Text]:
        size = (self.size.width, self.size.height)
        if self._chart is None or self._appearance is None:
            return []
        if self._chart.empty:
            return [Text(" No run with a used % is known yet.", self._appearance.style("muted"))]
        if self._drawn is None or self._drawn[0] != size:
            from tui.drawing.plot import draw

            self._drawn = (size, draw(self._chart, self._appearance, *size))
        return self._drawn[1]

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        width = self.size.width
        lines = self._lines()
        if y >= len(lines):
            return Strip.blank(width, base)
        segments = lines[y].render(self.app.console, end="")
        return Strip(Segment.apply_style(segments, base)).adjust_cell_length(width, base)


# What is no finding and no threshold has a sign of its own on the slider.
_SIGNS = {HistoryEventKind.DEPLOYED: "■", HistoryEventKind.FREED: "▼", HistoryEventKind.ACTION: "▼"}


def sign(event: HistoryEvent) -> str:
    """How an event is marked: deploys and prunes by what they are, all others by how bad they are."""
    return _SIGNS.get(event.kind) or glyph(event.severity)


class Slider(LineWidget):
    """Two lines: the track with its marks, and the moment in words."""

    class TimePicked(Message):
        """`share` of the way from the oldest to the newest run, 0 to 1."""

        def __init__(self, share: float) -> None:
            super().__init__()
            self.share = share

    def lines(self, state: DashboardState, width: int, height: int) -> Iterable[tuple[Span, ...]]:
        if state.period is None or state.report is None:
            yield (Span(" No journal: only this run is known. --journal keeps one.", "muted", 1, shrinks=True),)
            return
        available = max(2, width - 2)
        here = _column(state, state.report.taken_at, available)
        cells = [("━", "accent")] * (here + 1) + [("─", "muted")] * (available - here - 1)
        for event in sorted(state.events_here, key=lambda event: (event.severity, event.kind in _SIGNS)):
            cells[_column(state, event.at, available)] = (sign(event), f"ink:{int(event.severity)}")
        since = state.changes.before_at if state.changes is not None and state.view == "changes" else None
        if since is not None:
            there = _column(state, since, available)
            cells[min(there, here) : max(there, here)] = [
                (text if text not in "━─" else "═", role) for text, role in cells[min(there, here) : max(there, here)]
            ]
            cells[there] = ("◄", "strong")
        cells[here] = ("●", "strong")
        yield (Span(" "), *(Span(text, role) for text, role in cells))
        yield fit(_words(state), width)

    def on_click(self, event: events.Click) -> None:
        if event.y == 0 and self.size.width > 3:
            self.post_message(self.TimePicked(min(1.0, max(0.0, (event.x - 1) / (self.size.width - 3)))))


def _column(state: DashboardState, at: datetime, available: int) -> int:
    if state.period is None:
        return 0
    begin, end = state.period
    whole = (end - begin).total_seconds()
    share = (at - begin).total_seconds() / whole if whole > 0 else 1.0
    return min(available - 1, max(0, round(share * (available - 1))))


def _words(state: DashboardState) -> list[Span]:
    report = state.report
    if report is None or state.period is None:
        return []
    space = space_of(report)
    spans = [Span(f" {report.taken_at:%a %d %b %H:%MZ}  ", "strong")]
    if space is not None:
        spans.append(Span(f"{whole_percent(space.used_percent)} used", "strong"))
    back = (state.period[1] - report.taken_at).total_seconds()
    if state.mode is Mode.REPLAY:
        number, count = state.position
        when = f"{age(back)} before the newest" if back > 0 else "the newest"
        spans.append(Span(f"   run {number} of {count}", "strong"))
        spans.append(Span(f", {when}", "muted", 1))
    spans.append(Span("   Space stops" if state.playing else "   Space plays   ← → 1 h   [ ] event", "muted", 2))
    spans.append(Span("   ■ deploy  ▼ freed", "muted", 3))
    return spans


class EventTable(Listing[HistoryEvent]):
    has_head = False

    def key_of(self, row: HistoryEvent) -> str:
        return f"{row.at.isoformat()} {row.kind} {row.text}"

    def copy_text(self, row: HistoryEvent) -> str:
        return f"{moment(row.at)} {row.words(si=self.state is not None and self.state.scale.si)}"

    def empty(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        return (Span(" No event in the known runs.", "muted"),)

    def draw(self, row: HistoryEvent, state: DashboardState, width: int) -> list[tuple[Span, ...]]:
        full = "" if row.used_percent is None else whole_percent(row.used_percent)
        own = _SIGNS.get(row.kind)
        when = f" {row.at:%a %d %b %H:%MZ} " if width >= 60 else f" {row.at:%d %H:%MZ} "
        spans = [
            Span(when, "muted"),
            Span(f"{full:>6} ", "strong"),
            Span(f"  {own}   ", "muted")
            if own is not None
            else Span(chip(row.severity, word=False), f"sev:{int(row.severity)}"),
        ]
        used = sum(len(piece.text) for piece in spans)
        return [(*spans, Span(f" {shorten(safe(row.words(si=state.scale.si)), max(0, width - used - 2))}", "text"))]
