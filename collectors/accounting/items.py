"""The things behind each category, with their figures, largest first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from collectors.accounting import disk_items, engine_items
from collectors.accounting.desk import Desk
from collectors.model.ledger import Category, Item
from collectors.model.sums import charged

_MAKERS: tuple[Callable[[Desk], Iterable[Item]], ...] = (
    engine_items.images,
    engine_items.containers,
    engine_items.logs,
    engine_items.volumes,
    engine_items.build_cache,
    disk_items.units,
    disk_items.open_deleted,
    disk_items.others,
)


def items(desk: Desk) -> Mapping[Category, tuple[Item, ...]]:
    """Items of every category that has any."""
    answer: dict[Category, list[Item]] = {}
    for make in _MAKERS:
        for item in make(desk):
            answer.setdefault(item.category, []).append(item)
    return {category: tuple(sorted(listed, key=_largest)) for category, listed in answer.items()}


def _largest(item: Item) -> tuple[int, str]:
    return (-charged(item.referenced), item.name)
