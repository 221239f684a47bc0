"""Where is it? Every category with size, share, what comes free, 24 h change and seven days as a curve."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.model.reading import Unavailable
from collectors.report.formatting import age, percent, safe, size
from tui.drawing import Span, fit, shorten, sparkline, two_part_bar
from tui.view_models import space_of
from tui.view_models.categories import SUBVOLUMES, CategoryRow, cell, change, change_span, number
from tui.view_models.state import DashboardState
from tui.widgets.listing import Listing

_NAME = 20
_SHARE = 5
_BAR = 8
_SPARK = 8
_WEEK = 7.0  # days


@dataclass(frozen=True, slots=True)
class CategoryColumns:
    """Cells of each column at one width, without the blanks before them; 0: not shown."""

    name: int
    number: int
    bar: int
    change: int
    spark: int


def columns(width: int, number: int) -> CategoryColumns:
    """What fits: name, size, share and reclaimable always; sparkline, change and bar go first, in this order."""
    fixed = 4 + number + 1 + _SHARE + 1 + number + 1
    name = min(_NAME, max(6, width - fixed))
    available = width - fixed - name
    bar = _BAR if available >= 2 + _BAR else 0
    change = number + 2 if available >= 2 + _BAR + 1 + number + 2 else 0
    spark = _SPARK if available >= 2 + _BAR + 1 + number + 2 + 2 + _SPARK else 0
    if bar:
        rest = available - (2 + bar) - (1 + change if change else 0) - (2 + spark if spark else 0)
        more = min(20, rest // 3) if spark else 0
        bar, spark = bar + rest - more, spark + more
    return CategoryColumns(name, number, bar, change, spark)


class CategoryTable(Listing[CategoryRow]):
    """One line a category; free space last."""

    def key_of(self, row: CategoryRow) -> str:
        return row.label.key

    def same(self, before: DashboardState, after: DashboardState) -> bool:
        return super().same(before, after) and before.marked == after.marked

    def copy_text(self, row: CategoryRow) -> str:
        return f"{row.label.title}: {size(row.size, si=self.state is not None and self.state.scale.si)}"

    def head(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        c = columns(width, state.scale.width)
        text = f"    {'Category':<{c.name}}{state.scale.label:>{c.number}} {'%':>{_SHARE}}"
        text += f"  {'':<{c.bar}}" if c.bar else ""
        text += f" {'Reclaim':>{c.number}}"[-c.number - 1 :]
        text += f" {_change_words(state):>{c.change - 1}} " if c.change else ""
        text += f"  {shorten(span_words(state), c.spark)}" if c.spark else ""
        return (Span(text, "head"),)

    def empty(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        if state.frame is not None and not state.frame.done:
            return (Span(" The filesystem is still being read.", "muted"),)
        return (Span(" No filesystem was found: there is nothing to show.", "muted"),)

    def draw(self, row: CategoryRow, state: DashboardState, width: int) -> list[tuple[Span, ...]]:
        c = columns(width, state.scale.width)
        letter = row.label.letter
        spans = [
            Span(f"{_mark(row, state)}{letter}{state.appearance.fill(letter)}", f"on:{letter}"),
            Span(f" {shorten(row.label.title, c.name):<{c.name}}", "text" if row.held_bytes or row.unread else "muted"),
        ]
        if isinstance(row.size, Unavailable):
            spans.append(Span(f"{'?':>{c.number}}  ", "warn"))
            used = 4 + c.name + c.number + 2
            return [(*spans, *fit((Span(_absence(row, state), "muted", 1, shrinks=True, least=4),), width - used - 1))]
        spans.append(Span(f"{cell(row.size, state.scale):>{c.number}}", "strong" if row.held_bytes else "muted"))
        share = percent(row.share_percent)[:-1] if row.share_percent is not None and row.held_bytes else ""
        spans.append(Span(f" {share:>{_SHARE}}", "muted"))
        if c.bar:
            spans += self._bar(row, state, c.bar)
        spans.append(self._reclaim(row, state, c.number))
        if c.change:
            spans.append(self._change(row, state, c.change))
        if c.spark and state.report is not None:
            floor_span = max(1, sum(other.held_bytes for other in state.rows) // 200)
            curve = sparkline(row.samples, c.spark, state.report.taken_at, span_days(state), floor_span)
            spans.append(Span(f"  {curve}", f"cat:{letter}" if letter not in "FR" else "muted"))
        return [tuple(spans)]

    @staticmethod
    def _bar(row: CategoryRow, state: DashboardState, width: int) -> list[Span]:
        used = [other.held_bytes for other in state.rows if other.reclaimable is not None]
        # Free space has no bar: beside it, what is used would shrink to nothing on an empty disk.
        held = row.held_bytes if row.reclaimable is not None else 0
        spans = two_part_bar(held, row.freed_bytes, max(used, default=0), width, f"cat:{row.label.letter}")
        drawn = sum(len(piece.text) for piece in spans)
        return [Span("  "), *spans, Span(" " * (width - drawn))]

    @staticmethod
    def _reclaim(row: CategoryRow, state: DashboardState, width: int) -> Span:
        if row.reclaimable is None:
            return Span(" " * (width + 1))
        text = cell(row.reclaimable, state.scale)
        if isinstance(row.reclaimable, Unavailable):
            return Span(f" {text:>{width}}", "warn")
        return Span(f" {text:>{width}}", "good" if row.freed_bytes else "muted")

    @staticmethod
    def _change(row: CategoryRow, state: DashboardState, width: int) -> Span:
        moved = row.change_24h_bytes
        text = change(moved, state.scale)
        worth = max(1, sum(other.held_bytes for other in state.rows) // 200)
        loud = moved is not None and abs(moved) >= worth and (moved > 0) == (row.label.key != "free")
        arrow = " " if not moved else "▲" if moved > 0 else "▼"
        return Span(f" {text:>{width - 1}}{arrow}", "rise" if loud else "muted")


def _change_words(state: DashboardState) -> str:
    """`Δ 24 h`, `Δ 35 min`: over what the changes are told."""
    minutes = round(change_span(state.frame).total_seconds() / 60) if state.frame is not None else 24 * 60
    return f"Δ {minutes} min" if minutes < 100 else f"Δ {round(minutes / 60)} h"


def _absence(row: CategoryRow, state: DashboardState) -> str:
    """Why there is no number, and what the last one was."""
    gone = row.unread
    if gone is None or state.report is None:
        return ""
    text = safe(gone.detail or row.reason or gone.why.value)
    if row.last_good is not None:
        held = cell(row.last_good.size, state.scale)
        since = age((state.report.taken_at - row.last_good.at).total_seconds())
        return f"{held} {state.scale.label} {since} ago · {text}"
    return text


def span_days(state: DashboardState) -> float:
    """What the curves span: a week, or all there is where the journal is younger."""
    if state.frame is None or not state.frame.history.used:
        return _WEEK
    known = state.frame.report.taken_at - state.frame.history.used[0].at
    return min(_WEEK, max(1 / 24, known.total_seconds() / 86400))


def span_words(state: DashboardState) -> str:
    days = span_days(state)
    return f"{days:.0f} d" if days >= 2 else f"{days * 24:.0f} h"


def total_text(state: DashboardState) -> str:
    """What the rows sum to: used bytes in the column's unit, as statfs says."""
    space = space_of(state.report) if state.report is not None else None
    return (
        f"used {number(space.used_bytes, state.scale.divisor)} {state.scale.label}" if space is not None else "used ?"
    )


def _mark(row: CategoryRow, state: DashboardState) -> str:
    """Of a category with something marked in it."""
    return "●" if row.label.key in state.marked_keys else " "


class CategoryList(Listing[CategoryRow]):
    def key_of(self, row: CategoryRow) -> str:
        return row.label.key

    def same(self, before: DashboardState, after: DashboardState) -> bool:
        return super().same(before, after) and before.marked == after.marked

    def head(self, state: DashboardState, width: int) -> tuple[Span, ...]:
        number = state.scale.width
        return (Span(f"    {'Category':<{width - number - 5}}{state.scale.label:>{number}}", "head"),)

    def draw(self, row: CategoryRow, state: DashboardState, width: int) -> list[tuple[Span, ...]]:
        number = state.scale.width
        unread = isinstance(row.size, Unavailable)
        amount = cell(row.size, state.scale)
        if row.label is SUBVOLUMES:
            unread, amount = False, f"{row.item_count:,} ×"
        name = shorten(row.label.title, width - number - 5)
        return [
            (
                Span(
                    f"{_mark(row, state)}{row.label.letter}{state.appearance.fill(row.label.letter)}",
                    f"on:{row.label.letter}",
                ),
                Span(f" {name:<{width - number - 5}}", "text" if row.held_bytes or unread else "muted"),
                Span(
                    f"{amount:>{number}}",
                    "warn" if unread else "strong" if row.held_bytes or row.label is SUBVOLUMES else "muted",
                ),
            )
        ]
