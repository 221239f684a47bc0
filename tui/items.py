"""The items of one category as rows: filtered, sorted, and cut to a stated rest. Pure.

Refuses to add exclusive bytes up: what two things share is freed only when both go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from collectors.model.ledger import Category, Item
from collectors.model.report import Report
from collectors.model.sums import charged, floor
from tui.categories import SUBVOLUMES
from tui.subvolumes import subvolume_items


class ItemOrder(StrEnum):
    """What the `s` key cycles through in Explore."""

    EXCLUSIVE = "exclusive"
    REFERENCED = "referenced"
    APPARENT = "apparent"
    AGE = "age"
    NAME = "name"

    def after(self) -> ItemOrder:
        order = tuple(ItemOrder)
        return order[(order.index(self) + 1) % len(order)]


@dataclass(frozen=True, slots=True)
class ItemRow:
    item: Item
    held_bytes: int
    freed_bytes: int


_kept: dict[tuple[int, ItemOrder, str], tuple[Sequence[Item], tuple[ItemRow, ...]]] = {}


def item_rows(items: Sequence[Item], order: ItemOrder, needle: str = "") -> tuple[ItemRow, ...]:
    """Every item whose name, owner or state contains `needle` (any case), in `order`.

    The last few answers are kept by the identity of `items`: a cursor that moves over ten thousand sorts them once.
    """
    key = (id(items), order, needle)
    kept = _kept.get(key)
    if kept is not None and kept[0] is items:
        return kept[1]
    rows = _sorted_rows(items, order, needle)
    if len(_kept) >= 16:
        _kept.pop(next(iter(_kept)))
    _kept[key] = (items, rows)
    return rows


def _sorted_rows(items: Sequence[Item], order: ItemOrder, needle: str) -> tuple[ItemRow, ...]:
    wanted = needle.casefold()
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
        return subvolume_items(report)
    if report.ledger is None or key not in set(Category):
        return ()
    return report.ledger.items.get(Category(key), ())


def age_of(item: Item, now: datetime) -> float | None:
    """Seconds since the item was made; None where nothing tells."""
    return (now - item.created_at).total_seconds() if item.created_at is not None else None
