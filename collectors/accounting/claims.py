"""What the engine claims, for where the filesystem could not be read.

These are logical bytes counted by the engine's rules. On disk they may be anything up to everything that is used, so
they enter the books as estimates with just these bounds, never as measurements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from collectors.model.engine import BuildRecord, EngineView
from collectors.model.ledger import Category
from collectors.model.reading import Between, Exact, Origin, Reading, Size, Unavailable
from collectors.model.sums import ceiling, charged, total

METHOD = "the engine's own count of logical bytes"
T = TypeVar("T")


def claims(view: EngineView, used_bytes: int, origin: Origin) -> Mapping[Category, Size]:
    """Estimates for the categories that an engine knows of; Unavailable where it did not answer."""
    return {
        Category.IMAGES: _claim(view.layers_size, used_bytes, origin),
        Category.CONTAINERS: _claim(
            _sum(view.containers, lambda c: [one.writable for one in c], origin), used_bytes, origin
        ),
        Category.VOLUMES: _claim(_sum(view.volumes, lambda v: [one.size for one in v], origin), used_bytes, origin),
        Category.BUILD_CACHE: _claim(_sum(view.build_cache, _private, origin), used_bytes, origin),
    }


def _private(records: tuple[BuildRecord, ...]) -> list[Size]:
    return [record.size for record in records if not record.shared]


def _sum(listing: Reading[tuple[T, ...]], sizes: Callable[[tuple[T, ...]], Iterable[Size]], origin: Origin) -> Size:
    return total(sizes(listing.value), origin) if isinstance(listing, Exact) else listing


def _claim(claimed: Size, used_bytes: int, origin: Origin) -> Size:
    if isinstance(claimed, Unavailable):
        return claimed
    best = charged(claimed)
    if ceiling(claimed) == 0:
        return Exact(0, origin)
    return Between(best, 0, max(best, used_bytes), 1.0, METHOD, origin)
