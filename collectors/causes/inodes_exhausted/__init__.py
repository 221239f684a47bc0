"""Inodes run out while bytes are left; btrfs has no fixed number. Who holds most of them is told by their number."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext, count
from collectors.ledger.item_builder import removable
from collectors.ledger.release_table import freed_inodes
from collectors.model.finding import Finding, Severity
from collectors.model.holder import Resource
from collectors.model.ledger import Category, Item
from collectors.model.owner import OwnerKind
from collectors.model.reading import charged

ID = "inodes-exhausted"
_MOST_NAMED = 5
# What a holder is called before its name; one of the host's directories is its path.
_NOUNS = {
    Category.IMAGES: "image",
    Category.CONTAINERS: "container",
    Category.LOGS: "log of",
    Category.VOLUMES: "volume",
    Category.BUILD_CACHE: "build cache",
    Category.ORPHANS: "orphan",
    Category.SNAPSHOTS: "snapshot",
}


def detect(context: FindingContext) -> Iterable[Finding]:
    """Used inodes against their thresholds."""
    space = context.space
    percent = space.inodes_used_percent if space is not None else None
    if space is None or percent is None or percent < context.limits.inodes_p1_percent:
        return
    severity = Severity.P0 if percent >= context.limits.inodes_p0_percent else Severity.P1
    holders = _holders(context)
    most = f", the most by {_name(holders[0])}" if holders else ""
    claim = f"{percent}% of the inodes are used{most}: files cannot be made when they run out, whatever df says"
    told = tuple((_name(item), _told(item)) for item in holders[:_MOST_NAMED])
    evidence = (("free inodes", f"{space.inodes_available:,}"), *told)
    yield Finding(ID, severity, claim, None, evidence, _remedy(context, holders), (), True)


def _holders(context: FindingContext) -> list[Item]:
    """Everything that holds inodes, the most first."""
    items = (item for listed in context.ledger.items.values() for item in listed if charged(item.inodes))
    return sorted(items, key=lambda item: (-charged(item.inodes), item.name))


def _name(item: Item) -> str:
    return f"{_NOUNS[item.category]} {item.name}" if item.category in _NOUNS else item.name


def _told(item: Item) -> str:
    number = charged(item.inodes)
    inside = max(item.inside, key=lambda place: place.inodes, default=None)
    stands_out = inside is not None and inside.path != "/" and 2 * inside.inodes >= number
    return f"{count(number, 'inode')}{f', of them {inside.inodes:,} in {inside.path}' if inside and stands_out else ''}"


def _remedy(context: FindingContext, holders: list[Item]) -> str:
    """Where to look, and what can go without anybody missing it: both in inodes."""
    free = removable(context.snapshot)
    unused = free.get(OwnerKind.IMAGE, frozenset()) | free.get(OwnerKind.BUILD, frozenset())
    freed = freed_inodes(context.books, unused)
    again = f"removing unused images and build cache frees {count(freed, 'inode')}" if freed else ""
    if not holders:
        return again or "remove images and build cache with many small files"
    first = holders[0]
    users = f" ({first.owner} uses it)" if first.state.startswith("in use") and first.owner else ""
    look = f"remove the files that nobody needs in {_name(first)}{users}: {count(charged(first.inodes), 'inode')}"
    return f"{again}; {look}" if again else look


LINE = "inodes run out: no file can be made, whatever df says of bytes"
CAUSE = Cause(ID, None, None, None, LINE, detect, symptom=True, short_of=Resource.INODES, wants_step=False)
