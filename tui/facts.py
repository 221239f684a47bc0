"""Everything that is known of one item, as lines: sizes to the byte, owner, age, and the proof of an orphan. Pure.

Refuses to leave an unread figure out: it says why it is not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from collectors.model.ledger import Category, Item
from collectors.model.reading import Exact, Size, Unavailable
from collectors.report.words import age, doubt, moment, safe, size, unread
from tui.fit import Bit, Line
from tui.items import age_of

_LABEL = 12


def facts(item: Item, now: datetime, *, si: bool) -> Iterator[Line]:
    """Label and value, one a line; the most telling first."""
    yield _fact("name", safe(item.name), "strong")
    if item.id and item.id != item.name:
        yield _fact("id", safe(item.id))
    yield _fact(
        "exclusive", _size(item.exclusive, si=si), "goodstrong" if _frees(item) else "text", "freed when it alone goes"
    )
    yield _fact("referenced", _size(item.referenced, si=si), "text", "shared bytes counted too")
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


def _proof(item: Item) -> Iterator[Line]:
    if item.proof:
        yield _fact("proof", f"{len(item.proof)} owner sources read, none knows it:", "good")
        for source in item.proof:
            yield (Bit(" " * (_LABEL + 1)), Bit("✔ ", "good"), Bit(safe(source), "text", 1, cut=True))
    else:
        yield _fact("proof", "none recorded: do not delete on this", "warn")


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
    bits = (Bit(f" {label:<{_LABEL}}", "muted"), Bit(value, role, 1, cut=True, middle=True))
    return (*bits, Bit(f"   {about}", "muted", 2)) if about else bits
