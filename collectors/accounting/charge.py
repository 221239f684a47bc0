"""Each share of a filesystem charged to one category; what could not be read stays visible beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from collectors.accounting.categories import by_unit, first
from collectors.model.filesystem import Occupancy, Usage
from collectors.model.ledger import Category
from collectors.model.reading import AtLeast, Exact, Origin, Size, Unavailable, Why
from collectors.model.store import Unit
from collectors.model.sums import total
from collectors.system.occupancy import HOST_UNIT


@dataclass(frozen=True, slots=True)
class Charges:
    charged: Mapping[Category, Size]
    apparent: Mapping[Category, Size]


def charge(units: tuple[Unit, ...], occupancy: Occupancy, origin: Origin) -> Charges:
    """Allocated bytes (each physical byte once) and apparent bytes of every category that units can be charged to."""
    category = dict(by_unit(units))
    category.setdefault(HOST_UNIT, Category.OTHER_FILES)
    bytes_of: defaultdict[Category, int] = defaultdict(int)
    for share in occupancy.shares:
        holders = [category.get(holder, Category.OTHER_FILES) for holder in share.holders]
        bytes_of[first(holders)] += share.bytes

    missing: defaultdict[Category, set[Unavailable]] = defaultdict(set)
    apparent: defaultdict[Category, list[Size]] = defaultdict(list)
    for unit_id, its in category.items():
        usage = occupancy.usages.get(unit_id)
        if usage is None:
            if unit_id != HOST_UNIT and occupancy.unread:
                missing[its].add(occupancy.unread[0])
            continue
        missing[its].update(_missing(usage))
        apparent[its].append(usage.apparent)
    missing[Category.OTHER_FILES].update(occupancy.unread)

    charged: dict[Category, Size] = {}
    for its in set(category.values()) | set(bytes_of) | {Category.OTHER_FILES}:
        count = bytes_of.get(its, 0)
        gaps = tuple(sorted(missing[its], key=lambda u: (u.origin.source, u.detail)))
        charged[its] = AtLeast(count, gaps, origin) if gaps else Exact(count, origin)
    return Charges(charged, {its: total(parts, origin) for its, parts in apparent.items()})


def _missing(usage: Usage) -> tuple[Unavailable, ...]:
    match usage.allocated:
        case AtLeast(missing=missing):
            return missing
        case Unavailable() as unread:
            return (unread,)
        case _:
            return ()


def nothing(why: str, origin: Origin) -> Unavailable:
    """A category that does not exist on this filesystem."""
    return Unavailable(Why.NOT_APPLICABLE, why, origin)
