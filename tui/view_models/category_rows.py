"""A report as rows of the category table. Pure.

A report as rows of the category table: pure, no toolkit.

Refuses to turn an absence into a number: a row that was not read keeps its `Unavailable`, and the bar charges it
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from collectors.model.ledger import Category
from collectors.model.reading import Exact, Origin, Size, Unavailable, Why, charged, floor
from collectors.model.report import Report, Sample
from collectors.model.snapshot import own_items
from tui.view_models.categories import FREE, RESERVED, SUBVOLUMES, CategoryLabel, label_of
from tui.view_models.frame import Frame, LastGood, space_of

_DAY = timedelta(days=1)
_LEAST_SPAN = timedelta(minutes=1)


class CategoryOrder(StrEnum):
    """What the `s` key cycles through on the Overview."""

    SIZE = "size"
    RECLAIMABLE = "reclaimable"
    CHANGE = "24 h change"
    NAME = "name"

    def next_one(self) -> CategoryOrder:
        order = tuple(CategoryOrder)
        return order[(order.index(self) + 1) % len(order)]


@dataclass(frozen=True, slots=True)
class CategoryRow:
    """One line of the table and one segment of the bar. `reclaimable` None: makes no sense (free space)."""

    label: CategoryLabel
    size: Size
    held_bytes: int  # what the ledger charges: the length of the bar
    freed_bytes: int  # how much of it is certain to come free: the solid part
    share_percent: float | None  # of the whole filesystem; None where the size is unread
    reclaimable: Size | None
    change_24h_bytes: int | None
    samples: tuple[Sample, ...]
    item_count: int | None
    reason: str
    last_good: LastGood | None

    @property
    def unread(self) -> Unavailable | None:
        return self.size if isinstance(self.size, Unavailable) else None


def category_rows(frame: Frame, order: CategoryOrder = CategoryOrder.SIZE) -> tuple[CategoryRow, ...]:
    """Every category once, then free space; `held_bytes` sum to the filesystem's total. Empty without a ledger."""
    report = frame.report
    ledger = report.ledger
    if ledger is None:
        return ()
    whole = _total_bytes(report)
    grown = {growth.key: growth.change_24h_bytes for growth in report.trend.growth}
    rows = []
    for row in ledger.rows:
        held = charged(row.charged)
        unread = isinstance(row.charged, Unavailable)
        items = ledger.items.get(row.category)
        rows.append(
            CategoryRow(
                label=label_of(row.category),
                size=row.charged,
                held_bytes=held,
                freed_bytes=min(held, floor(row.reclaimable)),
                share_percent=None if unread or not whole else 100.0 * held / whole,
                reclaimable=row.reclaimable,
                change_24h_bytes=None if unread else _change(frame, row.category.value, held, grown),
                samples=frame.history.series.get(row.category.value, ()),
                item_count=None if items is None or unread else len(items),
                reason=row.reason,
                last_good=frame.last_good.get(row.category) if unread else None,
            )
        )
    return (*sorted(rows, key=lambda row: _place(row, order)), *_free_rows(frame, whole))


def extra_rows(frame: Frame) -> tuple[CategoryRow, ...]:
    """What Explore lists beside the categories. Its bytes are in them already: it holds none in the bar."""
    items = own_items(frame.report.filesystem_facts)
    if not items:
        return ()
    origin = items[0].referenced.origin
    none = Unavailable(Why.NOT_APPLICABLE, "subvolumes overlap", origin)
    return (CategoryRow(SUBVOLUMES, none, 0, 0, None, None, None, (), len(items), "", None),)


def change_span(frame: Frame) -> timedelta:
    """What changes are told over: a day, or all there is where the history is younger."""
    used = frame.history.used
    known = frame.report.taken_at - used[0].at if used else _DAY
    return min(_DAY, known) if known > _LEAST_SPAN else _DAY


def _change(frame: Frame, key: str, now_bytes: int, grown: Mapping[str, int | None]) -> int | None:
    """Against the last run that is as old as `change_span`; the trend's own figure where no run is known here."""
    span = change_span(frame)
    then = frame.report.taken_at - span
    before = [sample for sample in frame.history.series.get(key, ()) if then - _DAY / 2 <= sample.at <= then]
    if before:
        return now_bytes - before[-1].value
    return grown.get(key) if span == _DAY else None


def _total_bytes(report: Report) -> int:
    space = space_of(report)
    return space.total_bytes if space is not None else 0


def _free_rows(frame: Frame, whole: int) -> tuple[CategoryRow, ...]:
    """What is not used: reserved for root, and free. Nothing where statvfs could not be read."""
    space = space_of(frame.report)
    ledger = frame.report.ledger
    if space is None or ledger is None or not isinstance(ledger.filesystem.space, Exact):
        return ()
    origin = ledger.filesystem.space.origin
    used = next((growth.change_24h_bytes for growth in frame.report.trend.growth if growth.key == "used"), None)
    kept = space.free_bytes - space.available_bytes
    free = _free_row(FREE, space.available_bytes, whole, origin, None if used is None else -used)
    if kept <= 0:
        return (free,)
    return (_free_row(RESERVED, kept, whole, origin, None), free)


def _free_row(of: CategoryLabel, count: int, whole: int, origin: Origin, change: int | None) -> CategoryRow:
    share = 100.0 * count / whole if whole else None
    return CategoryRow(of, Exact(count, origin), count, 0, share, None, change, (), None, "", None)


def _place(row: CategoryRow, order: CategoryOrder) -> tuple[int, float, str]:
    """Measured rows first, then what could not be read, then what is unexplained, then measured zeros."""
    rank = 0
    if row.unread is not None:
        rank = 1
    elif row.label.key == Category.UNATTRIBUTED:
        rank = 2
    elif row.held_bytes == 0:
        rank = 3
    weights: dict[CategoryOrder, float] = {
        CategoryOrder.SIZE: row.held_bytes,
        CategoryOrder.RECLAIMABLE: row.freed_bytes,
        CategoryOrder.CHANGE: abs(row.change_24h_bytes or 0),
        CategoryOrder.NAME: 0,
    }
    return (rank, -weights[order], row.label.title)
