"""What grew? The categories that changed since another moment, and in each the things that did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from textual.app import ComposeResult

from collectors.forecast.changes import CategoryChange, Change, Changes
from collectors.report.formatting import age, safe
from collectors.report.trend_text import thing
from tui.drawing import SOLID, Span, shorten, shorten_middle
from tui.screens import DashboardView
from tui.view_models import writer_lines
from tui.view_models.categories import change, label_by_key, number
from tui.view_models.state import DashboardState, Mode, Since
from tui.widgets import Panel, TextLines
from tui.widgets.history import Slider
from tui.widgets.listing import Listing

_KIND = 9
_BAR, _LONGEST_BAR = 24, 72


# Of one category, so that the next one is not below the fold.
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """`kind` "" for a category and for its remainder. `letter` of the category. Foreign text is not yet escaped."""

    key: str
    category: str
    letter: str
    text: str
    kind: str
    bytes: int
    before_bytes: int | None
    after_bytes: int | None
    is_category: bool
    name: str  # of the thing, as runs call it; "" for a category and its remainder


def change_rows(found: Changes, filter_text: str = "") -> tuple[ChangeRow, ...]:
    """Largest category first, and in each its largest changes.

    With a filter all things that match it, below their categories.
    """
    wanted = filter_text.casefold()
    return tuple(row for category in found.categories for row in _rows(category, wanted))


def _rows(of: CategoryChange, wanted: str) -> Iterator[ChangeRow]:
    label = label_by_key(of.category)
    named = [one for one in of.changes if wanted in f"{thing(one)} {label.title} {one.kind}".casefold()]
    if wanted and not named:
        return
    yield ChangeRow(
        of.category, of.category, label.letter, label.title, "", of.bytes, of.before_bytes, of.after_bytes, True, ""
    )
    shown = named if wanted or len(named) <= _SHOWN + 1 else named[:_SHOWN]
    for one in shown:
        yield _thing(of.category, label.letter, one)
    if len(shown) < len(named):
        moved = sum(one.bytes for one in named[len(shown) :])
        yield _remainder(of.category, label.letter, f"{len(named) - len(shown)} more: / finds them", moved)
    if of.rest_bytes and of.changes and not wanted:
        yield _remainder(of.category, label.letter, of.rest, of.rest_bytes)


def _remainder(category: str, letter: str, text: str, count: int) -> ChangeRow:
    return ChangeRow(f"{category} {text}", category, letter, text, "", count, None, None, False, "")


def _thing(category: str, letter: str, one: Change) -> ChangeRow:
    return ChangeRow(
        key=f"{category} {one.kind} {one.name} {one.other_category}",
        category=category,
        letter=letter,
        text=thing(one),
        kind=one.kind.value,
        bytes=one.bytes,
        before_bytes=one.before_bytes,
        after_bytes=one.after_bytes,
        is_category=False,
        name=one.name,
    )


def wanted(since: Since, found: Changes | None) -> str:
    """Which moment was asked for, and whether the one compared with is it."""
    asked = f"compared with {since.value}"
    if found is None or since.ago is None or found.before_at <= found.after_at - since.ago:
        return asked
    return f"no run is of {since.value}: compared with the first"


def title(found: Changes | None, where: str) -> str:
    """`What changed on /mnt/data since 28 Nov 11:40Z, 24 h 02 min before`."""
    if found is None:
        return f"What changed{where}"
    span = age((found.after_at - found.before_at).total_seconds())
    return f"What changed{where} since {found.before_at:%d %b %H:%M:%SZ}, {span} before"


def where(state: DashboardState) -> str:
    """Of which filesystem it is, where there are several."""
    return f" on {shorten_middle(safe(state.mounted_at), 28)}" if len(state.mounts) > 1 else ""


class ChangesView(DashboardView):
    def compose(self) -> ComposeResult:
        with Panel(id="changes-list"):
            yield ChangesTable(id="changed")
        yield Slider(id="changes-slider")
        with Panel(id="writers-panel"):
            yield TextLines(id="writers")

    def focus_first(self) -> None:
        self.query_one(ChangesTable).focus()

    def show(self, state: DashboardState) -> None:
        table, panel = self.query_one(ChangesTable), self.query_one("#changes-list", Panel)
        found = state.changes
        scale = state.scale
        used = f"used {change(found.bytes, scale)} {scale.label} · " if found is not None else ""
        table.reason = f"{used if state.changes_reason else ''}{state.changes_reason}"
        table.fill(change_rows(found, state.filter_text) if found is not None else (), state)
        panel.set_title(title(found, where(state)))
        panel.set_note(f"{used}{wanted(state.since, found)} · , . by name  {{ }} by run")
        self.query_one(Slider).show(state)
        self.show_second(state)

    def show_second(self, state: DashboardState) -> None:
        """Every second: who writes now."""
        panel, lines = self.query_one("#writers-panel", Panel), self.query_one("#writers", TextLines)
        panel.display = state.mode is Mode.LIVE
        panel.set_title(f"Who writes now{where(state)}")
        waits = state.live is not None and state.live_here is None  # the seconds are still another filesystem's
        told = [(Span(" looking …", "muted"),)] if waits else writer_lines(state.live_here, si=state.scale.si, most=6)
        lines.set_lines(list(told), state.appearance)


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
        """Cells of (name, bar, before and after each); kind and change are always there.

        What the names leave of a wide screen is the bar's: the eye finds from one to the other.
        """
        available = width - 4 - _KIND - (figures + 3)
        sides = figures + 2 if available - 2 * (figures + 2) >= 30 else 0
        available -= 2 * sides
        longest = max((cell_len(row.text) for row in self.rows), default=0) + 4
        bar = min(_LONGEST_BAR, max(_BAR, available - longest), available - 40) if available >= 50 else 0
        bar -= bar % 2  # two sides
        return max(1, available - bar), bar, sides

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
        spans = [
            Span(f" {row.letter} ", f"on:{row.letter}") if row.is_category else Span("   "),
            Span(f" {row.kind:<{_KIND}}", "muted"),
            Span(f"{change(row.bytes, state.scale):>{figures + 1}}  ", role),
            self._what(row, name - 1),
        ]
        if bar:
            spans += self._bar(row, bar, role)
        if sides:
            spans += self._sides(row, state, sides)
        return [tuple(spans)]

    def _sides(self, row: ChangeRow, state: DashboardState, width: int) -> Iterator[Span]:
        absent = "?" if row.is_category else "–" if row.name else ""
        for count in (row.before_bytes, row.after_bytes):
            value = absent if count is None else number(count, state.scale.divisor)
            yield Span(f"{value:>{width}}", "muted")

    def _what(self, row: ChangeRow, width: int) -> Span:
        indent = "" if row.is_category else "  "
        role = "strong" if row.is_category else "text" if row.name else "muted"
        shown = shorten_middle(safe(row.text, 4 * width), width - 1 - len(indent))
        return Span(set_cell_size(f"{indent}{shown}", width), role)

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
