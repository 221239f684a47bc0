"""What does rebuilding cost? Repositories, and for one of them the step that breaks the cache and what helps."""

from __future__ import annotations

from rich.cells import set_cell_size
from textual.app import ComposeResult

from collectors.report.formatting import count, percent, safe
from tui.drawing.bars import Span, shorten_middle, two_part_bar
from tui.screens import DashboardView
from tui.view_models.categories import cell, number
from tui.view_models.churn import ChurnRow, _about, churn_rows
from tui.view_models.state import DashboardState
from tui.widgets import Panel, TextLines
from tui.widgets.listing import Listing


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
        return available - daily - shared - (bar + 2 if bar else 0), daily, shared, bar

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
