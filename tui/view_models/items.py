"""The items of one category as rows: filtered and sorted; and all that is known of one item. Pure.

Refuses to add exclusive bytes up: what two things share is freed only when both go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from collectors.model.ledger import Bill, Category, Item
from collectors.model.reading import Exact, Size, Unavailable, charged, floor
from collectors.model.report import Report
from collectors.model.snapshot import own_items
from collectors.report.formatting import age, bytes_, doubt, moment, safe, size, unread
from tui.drawing import Line, Span
from tui.view_models.categories import SUBVOLUMES


class ItemOrder(StrEnum):
    """What the `s` key cycles through in Explore."""

    EXCLUSIVE = "exclusive"
    REFERENCED = "total"
    APPARENT = "apparent"
    AGE = "age"
    NAME = "name"

    def next_one(self) -> ItemOrder:
        order = tuple(ItemOrder)
        return order[(order.index(self) + 1) % len(order)]


@dataclass(frozen=True, slots=True)
class ItemRow:
    item: Item
    held_bytes: int
    freed_bytes: int


_kept: dict[tuple[int, ItemOrder, str], tuple[Sequence[Item], tuple[ItemRow, ...]]] = {}


def item_rows(items: Sequence[Item], order: ItemOrder, filter_text: str = "") -> tuple[ItemRow, ...]:
    """Every item whose name, owner or state contains `filter_text` (any case), in `order`.

    The last few answers are kept by the identity of `items`: a cursor that moves over ten thousand sorts them once.
    """
    key = (id(items), order, filter_text)
    kept = _kept.get(key)
    if kept is not None and kept[0] is items:
        return kept[1]
    rows = _sorted_rows(items, order, filter_text)
    if len(_kept) >= 16:
        _kept.pop(next(iter(_kept)))
    _kept[key] = (items, rows)
    return rows


def _sorted_rows(items: Sequence[Item], order: ItemOrder, filter_text: str) -> tuple[ItemRow, ...]:
    wanted = filter_text.casefold()
    rows = [
        ItemRow(item, max(charged(item.referenced), charged(item.exclusive)), floor(item.exclusive))
        for item in items
        if not wanted or any(wanted in text.casefold() for text in (item.name, item.owner, item.state, item.id))
    ]
    match order:
        case ItemOrder.EXCLUSIVE:
            rows.sort(key=lambda row: (-row.freed_bytes, -row.held_bytes))
        case ItemOrder.REFERENCED:
            rows.sort(key=lambda row: -row.held_bytes)
        case ItemOrder.APPARENT:
            rows.sort(key=lambda row: -charged(row.item.apparent))
        case ItemOrder.AGE:
            rows.sort(
                key=lambda row: row.item.created_at.timestamp() if row.item.created_at is not None else float("inf")
            )
        case ItemOrder.NAME:
            rows.sort(key=lambda row: row.item.name)
    return tuple(rows)


def items_of(report: Report, key: str) -> tuple[Item, ...]:
    """The items of a category's key, or the subvolumes; none for free space."""
    if key == SUBVOLUMES.key:
        return own_items(report.filesystem_facts)
    if report.ledger is None or key not in set(Category):
        return ()
    return report.ledger.items.get(Category(key), ())


def next_kind(report: Report, kind: str) -> str:
    """What to bill by after `kind`, of what the report has bills of; "" after the last, for the items themselves."""
    kinds = ("", *dict.fromkeys(bill.by for bill in report.bills))
    return kinds[(kinds.index(kind) + 1) % len(kinds)] if kind in kinds else ""


def bill_rows(report: Report, kind: str, filter_text: str = "") -> tuple[Bill, ...]:
    """The bills of one kind whose name contains `filter_text` (any case), largest first."""
    wanted = filter_text.casefold()
    return tuple(bill for bill in report.bills if bill.by == kind and wanted in bill.name.casefold())


def bill_facts(bill: Bill, *, si: bool) -> Iterator[Line]:
    """All that is known of one bill, each figure with what it means."""
    yield _fact(bill.by.removeprefix("label:"), safe(bill.name) or "(none)", "strong", f"{bill.things:,} things")
    yield _fact("exclusive", _size(bill.exclusive, si=si), "goodstrong", "freed when all of the group goes")
    yield _fact("shared", _size(bill.shared, si=si), "text", "held beside others, counted whole")
    yield _fact("logs", _size(bill.logs, si=si), "text", "of these")
    yield _fact("volumes", _size(bill.volumes, si=si), "text", "of these")


def age_of(item: Item, now: datetime) -> float | None:
    """Seconds since the item was made; None where nothing tells."""
    return (now - item.created_at).total_seconds() if item.created_at is not None else None


_LABEL = 12


def facts(item: Item, now: datetime, *, si: bool) -> Iterator[Line]:
    """Label and value, one a line; the most telling first."""
    yield _fact("name", safe(item.name), "strong")
    if item.id and item.id != item.name:
        yield _fact("id", safe(item.id))
    yield _fact(
        "exclusive",
        _size(item.exclusive, si=si),
        "goodstrong" if _frees(item) else "text",
        "freed if only this is removed",
    )
    yield _fact("total", _size(item.referenced, si=si), "text", "shared bytes counted too")
    yield from _inside(item, si=si)
    yield _fact("apparent", _size(item.apparent, si=si), "muted", "sum of file lengths")
    yield _fact("reclaimable", _size(item.reclaimable, si=si), "text", "freed by removing it now")
    if item.category is Category.ORPHANS:
        yield from _proof(item)
    state = safe(item.state)
    if item.owner and item.owner != item.id:
        state = f"{state}, {safe(item.owner)}" if state else safe(item.owner)
    if state:
        yield _fact("state", state)
    since = age_of(item, now)
    if since is not None and item.created_at is not None:
        yield _fact("made", f"{age(since)} ago", "text", moment(item.created_at))
    if item.last_used_at is not None:
        yield _fact(
            "last used", f"{age((now - item.last_used_at).total_seconds())} ago", "text", moment(item.last_used_at)
        )
    if item.note:
        yield _fact("note", safe(item.note), "muted")


def _inside(item: Item, *, si: bool) -> Iterator[Line]:
    """Its largest directories and files: often the file that somebody looks for is one of them."""
    for at, place in enumerate(item.inside):
        folder = "/" if place.is_directory and place.path != "/" else ""
        label = "inside" if at == 0 else ""
        yield _fact(label, f"{bytes_(place.allocated_bytes, si=si)}  {safe(place.path)}{folder}")


def _proof(item: Item) -> Iterator[Line]:
    if item.proof:
        yield _fact("proof", f"{len(item.proof)} owner sources read, none refers to it:", "good")
        for source in item.proof:
            yield (Span(" " * (_LABEL + 1)), Span("✔ ", "good"), Span(safe(source), "text", 1, shrinks=True))
    else:
        yield _fact("proof", "none recorded: not enough to delete it", "warn")


def _frees(item: Item) -> bool:
    return isinstance(item.reclaimable, Exact) and item.reclaimable.value > 0


def _size(value: Size, *, si: bool) -> str:
    """In words and to the byte; the reason where it is not exact."""
    if isinstance(value, Exact):
        said, exact = size(value, si=si), f"{value.value:,} B"
        return said if said == exact else f"{said}  {exact}"
    if isinstance(value, Unavailable):
        return f"? {unread(value)}"
    return f"{size(value, si=si)}  {doubt(value, si=si)}"


def _fact(label: str, value: str, role: str = "text", about: str = "") -> Line:
    spans = (Span(f" {label:<{_LABEL}}", "muted"), Span(value, role, 1, shrinks=True, middle=True))
    return (*spans, Span(f"   {about}", "muted", 2)) if about else spans
