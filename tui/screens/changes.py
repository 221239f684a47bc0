"""What grew? The categories that changed since another moment, and in each the things that did."""

from __future__ import annotations

from rich.cells import set_cell_size
from textual.app import ComposeResult

from collectors.report.formatting import safe
from tui.drawing.bars import SOLID, Span, shorten, shorten_middle
from tui.screens import DashboardView
from tui.view_models.categories import change, number
from tui.view_models.changes import ChangeRow, change_rows, title, wanted
from tui.view_models.state import DashboardState
from tui.widgets import Panel
from tui.widgets.listing import Listing

_KIND = 9
_BAR = 24


class ChangesView(DashboardView):
    def compose(self) -> ComposeResult:
        with Panel(id="changes-list"):
            yield ChangesTable(id="changed")

    def focus_first(self) -> None:
        self.query_one(ChangesTable).focus()

    def show(self, state: DashboardState) -> None:
        table, panel = self.query_one(ChangesTable), self.query_one("#changes-list", Panel)
        found = state.changes
        table.reason = state.changes_reason
        table.fill(change_rows(found, state.filter_text) if found is not None else (), state)
        panel.set_title(title(found) if found is not None else "What changed")
        scale = state.scale
        used = f"used {change(found.bytes, scale)} {scale.label} · " if found is not None else ""
        panel.set_note(f"{used}{wanted(state.since, found)} · , earlier  . later")


class ChangesTable(Listing[ChangeRow]):
    """One line a row: what happened, by how much, to what; a bar to both sides of a middle; before and after."""

    reason = ""

    def key_of(self, row: ChangeRow) -> str:
        return row.key

    def copy_text(self, row: ChangeRow) -> str:
        return row.name or row.text

    def same(self, before: DashboardState, after: DashboardState) -> bool:
        return super().same(before, after) and before.changes is after.changes

    def columns(self, width: int, figures: int) -> tuple[int, int, int]:
        """Cells of (name, bar, before and after each); kind and change are always there."""
        available = width - 4 - _KIND - (figures + 3)
        sides = figures + 2 if available - 2 * (figures + 2) >= 30 else 0
        available -= 2 * sides
        bar = min(_BAR, available - 40) if available >= 50 else 0
        return available - bar, bar, sides

    def head(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        figures = state.scale.width
        name, bar, sides = self.columns(width, figures)
        text = f" {'':<{_KIND + 3}}{'Change':>{figures + 1}}  {'What':<{name - 1 + bar}}"
        text += f"{'Before':>{sides}}{'After':>{sides}}" if sides else ""
        return (Span(text, "head"),)

    def empty(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        reason = self.reason or "nothing changed"
        return (Span(f" {shorten(reason[:1].upper() + reason[1:], width - 3)}.", "muted"),)

    def draw(self, row: ChangeRow, state: DashboardState, width: int) -> list[tuple[Span, ...]]:
        figures = state.scale.width
        name, bar, sides = self.columns(width, figures)
        role = "rise" if row.bytes > 0 else "good" if row.bytes < 0 else "muted"
        letter = Span(f" {row.letter} ", f"on:{row.letter}") if row.is_category else Span("   ")
        text = "strong" if row.is_category else "text" if row.name else "muted"
        indent = "" if row.is_category else "  "
        shown = shorten_middle(safe(row.text, 4 * width), name - 2 - len(indent))
        spans = [
            letter,
            Span(f" {row.kind:<{_KIND}}", "muted"),
            Span(f"{change(row.bytes, state.scale):>{figures + 1}}  ", role),
            Span(set_cell_size(f"{indent}{shown}", name - 1), text),
        ]
        if bar:
            spans += self._bar(row, bar, role)
        if sides:
            known = row.is_category or bool(row.name)
            for count in (row.before_bytes, row.after_bytes):
                absent = ("?" if row.is_category else "–") if known else ""
                value = absent if count is None else number(count, state.scale.divisor)
                spans.append(Span(f"{value:>{sides}}", "muted"))
        return [tuple(spans)]

    def _bar(self, row: ChangeRow, width: int, role: str) -> list[Span]:
        """To the left of the middle what went, to the right what came; a measured byte shows at least its tip."""
        half = (width - 1) // 2
        largest = max((abs(one.bytes) for one in self.rows), default=0)
        cells = max(1, round(half * abs(row.bytes) / largest)) if row.bytes and largest else 0
        left, right = (cells, 0) if row.bytes < 0 else (0, cells)
        return [
            Span(" " * (half - left)),
            Span(SOLID * left, role),
            Span("│", "muted"),
            Span(SOLID * right, role),
            Span(" " * (width - 1 - half - right)),
        ]
