"""What changed since another moment, as rows: each category with the things in it that changed, and what is not named.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from collectors.forecast.changes import CategoryChange, Change, Changes
from collectors.report.changes_text import thing
from collectors.report.formatting import age
from tui.view_models.categories import label_by_key


class Since(Enum):
    """Which moment the present is compared with; each the label of it. Nearest first."""

    LAST_RUN = "the last run"
    HOUR = "1 h ago"
    QUARTER = "6 h ago"
    DAY = "24 h ago"
    WEEK = "7 d ago"
    FIRST = "the first run"

    @property
    def ago(self) -> timedelta | None:
        """How long ago; None for the first and the last run."""
        return _AGO.get(self)

    def moved(self, by: int) -> Since:
        """The next one on that side, or this one at the end."""
        order = tuple(Since)
        return order[max(0, min(len(order) - 1, order.index(self) + by))]


_AGO = {
    Since.HOUR: timedelta(hours=1),
    Since.QUARTER: timedelta(hours=6),
    Since.DAY: timedelta(days=1),
    Since.WEEK: timedelta(days=7),
}


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
        text = f"{len(named) - len(shown)} more: / finds them"
        yield ChangeRow(f"{of.category} more", of.category, label.letter, text, "", moved, None, None, False, "")
    if of.rest_bytes and of.changes and not wanted:
        yield ChangeRow(
            f"{of.category} rest", of.category, label.letter, of.rest, "", of.rest_bytes, None, None, False, ""
        )


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


def title(found: Changes) -> str:
    """`What changed since 28 Nov 11:40Z, 24 h 02 min before`."""
    span = age((found.after_at - found.before_at).total_seconds())
    return f"What changed since {found.before_at:%d %b %H:%M:%SZ}, {span} before"
