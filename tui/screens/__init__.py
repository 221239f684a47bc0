"""The views and the modals. A view lays widgets out and hands each its part of the state.

`DashboardView` is what they are based on; it holds no state of the machine. Here are the first view, which says where
the bytes are, that of how it came about, and that of what rebuilding costs: repositories, and for one of them the step
that breaks the cache and what helps.
"""

from __future__ import annotations

from rich.cells import set_cell_size
from textual.app import ComposeResult
from textual.containers import Container, Horizontal

from collectors.report.formatting import count, percent, safe
from tui.drawing import SOLID, THIN, Span, shorten_middle, two_part_bar
from tui.view_models import Frame
from tui.view_models.categories import cell, label_by_key, number
from tui.view_models.chart import ChurnRow, _about, chart_of, churn_rows, forecast_words
from tui.view_models.items import ItemOrder, item_rows, items_of
from tui.view_models.state import DashboardState
from tui.view_models.verdict import ordered
from tui.widgets import Panel, TextLines
from tui.widgets.category_table import CategoryTable, total_text
from tui.widgets.history import ChartView, EventTable, Slider
from tui.widgets.item_table import FindingsList, ItemTable
from tui.widgets.listing import Listing


class DashboardView(Container):
    """`show` draws a state of the dashboard; `focus_first` says where the keys go."""

    def show(self, state: DashboardState) -> None:
        raise NotImplementedError

    def show_second(self, state: DashboardState) -> None:
        """What changes each second; most views show scans alone."""

    def focus_first(self) -> None:
        """Put the focus where arrows make sense."""
        raise NotImplementedError


def _keeps_no_categories(frame: Frame, state: DashboardState) -> bool:
    """Is it another filesystem than the Docker root's, of which runs of the journal keep how full it was alone?"""
    known = frame.history
    return bool(state.at) and len(known.used) > 1 and all(len(line) < 2 for line in known.series.values())


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
        drawn = " · its categories are not kept" if _keeps_no_categories(frame, state) else drawn
        panel.set_title(f"% used{drawn}")
        panel.set_note(forecast_words(frame.report, state.marks))
        events = [
            event
            for event in reversed(frame.history.events)
            if state.filter_text.casefold() in event.words(si=state.scale.si).casefold()
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


class ChurnView(DashboardView):
    def __init__(self) -> None:
        super().__init__(id="churn")
        self._state: DashboardState | None = None

    def compose(self) -> ComposeResult:
        with Panel(id="churn-list"):
            yield ChurnTable(id="repositories")
        with Panel(id="churn-detail"):
            yield TextLines(id="repository", wrap=True)

    def focus_first(self) -> None:
        self.query_one(ChurnTable).focus()

    def show(self, state: DashboardState) -> None:
        self._state = state
        if state.report is None:
            return
        table = self.query_one(ChurnTable)
        table.fill(churn_rows(state.report, state.churn_order, state.filter_text), state)
        panel = self.query_one("#churn-list", Panel)
        panel.set_title(f"What rebuilding costs: {count(len(table.rows), 'repository', 'repositories')}")
        panel.set_note(f"{state.scale.label} · by {state.churn_order}")
        self._detail(state)

    def on_listing_moved(self, message: Listing.Moved) -> None:
        if message.listing.id == "repositories" and self._state is not None:
            message.stop()
            self._detail(self._state)

    def _detail(self, state: DashboardState) -> None:
        table, panel = self.query_one(ChurnTable), self.query_one("#churn-detail", Panel)
        row = table.row
        panel.set_title((safe(row.churn.repository, 80) or "(untagged)") if row is not None else "Repository")
        lines = (
            list(_about(row, state.report, si=state.scale.si)) if row is not None and state.report is not None else []
        )
        self.query_one("#repository", TextLines).set_lines(lines, state.appearance)


_BUILDS = 7
_DAILY = 8
_SHARED = 8


class ChurnTable(Listing[ChurnRow]):
    def key_of(self, row: ChurnRow) -> str:
        return row.churn.repository

    def copy_text(self, row: ChurnRow) -> str:
        return row.churn.repository

    def columns(self, width: int, figures: int) -> tuple[int, int, int, int]:
        """Cells of (name, per day, shared, bar); builds, new per build and cost are always there."""
        available = width - _BUILDS - 2 * (figures + 3) - 2
        daily = _DAILY if available >= 30 else 0
        shared = _SHARED if available >= 40 else 0
        bar = min(30, (available - 48) if available >= 62 else 0)
        return max(1, available - daily - shared - (bar + 2 if bar else 0)), daily, shared, bar

    def head(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        figures = state.scale.width
        name, daily, shared, _ = self.columns(width, figures)
        text = f" {'Repository':<{name}}{'Builds':>{_BUILDS}}"
        text += f"{'a day':>{daily}}" if daily else ""
        text += f"{'a build':>{figures + 3}}"
        text += f"{'shared':>{shared}}" if shared else ""
        return (Span(text + f"{'cost':>{figures + 3}}", "head"),)

    def empty(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        reason = "no repository was rebuilt in the runs of the journal"
        if state.report is not None and state.report.trend.reason:
            reason = safe(state.report.trend.reason)
        return (Span(f" Nothing to show: {reason}.", "muted", 1, shrinks=True),)

    def draw(self, row: ChurnRow, state: DashboardState, width: int) -> list[tuple[Span, ...]]:
        figures = state.scale.width
        name, daily, shared, bar = self.columns(width, figures)
        new = "?" if row.per_build_bytes is None else number(row.per_build_bytes, state.scale.divisor)
        title = shorten_middle(safe(row.churn.repository, 4 * width) or "(untagged)", name - 1)
        spans = [Span(f" {set_cell_size(title, name)}", "strong"), Span(f"{row.churn.rebuilds:>{_BUILDS},}", "text")]
        if daily:
            spans.append(Span(f"{row.builds_per_day:>{daily}.1f}", "muted"))
        spans.append(Span(f"{new:>{figures + 3}}", "text"))
        if shared:
            text = "?" if row.shared_percent is None else percent(row.shared_percent, 0)
            spans.append(Span(f"{text:>{shared}}", "muted"))
        spans.append(Span(f"{cell(row.cost, state.scale):>{figures + 3}}", "goodstrong"))
        if bar:
            largest = max((other.cost_bytes for other in self.rows), default=0)
            spans += [Span("  "), *two_part_bar(row.cost_bytes, row.cost_bytes, largest, bar, "cat:I")]
        return [tuple(spans)]
