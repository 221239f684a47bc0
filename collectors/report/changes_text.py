"""What changed between two moments, in words and as JSON: `--changes`."""

from __future__ import annotations

from collections.abc import Iterator

from collectors.forecast.changes import CategoryChange, Change, ChangeKind, Changes
from collectors.report import formatting
from collectors.report.trend_text import signed

Json = dict[str, object]


def changes_page(found: Changes, before: str, after: str, *, si: bool = False) -> str:
    """The page of `--changes`. `before` and `after` say in words what the two moments are."""
    lines = [
        "## Docker Storage Changes",
        f"From: {formatting.moment(found.before_at)} ({formatting.quoted(before)})",
        f"To: {formatting.moment(found.after_at)} ({formatting.quoted(after)})",
        f"Used: {signed(found.bytes, si)}"
        f" ({formatting.bytes_(found.used_before_bytes, si=si)} → {formatting.bytes_(found.used_after_bytes, si=si)})",
    ]
    named = found.named
    lines.append(f"Changes: {len(named)}")
    if named:
        lines += ["| Change | Bytes | Size | Category | Thing | Before | After |", "|---|---|---|---|---|---|---|"]
        lines += [_change(one, si) for one in named]
    lines += ["", "## Docker Storage Changes by Category"]
    lines += ["| Category | Bytes | Size | Before | After | Not named |", "|---|---|---|---|---|---|"]
    lines += [_category(row, si) for row in found.categories]
    lines.append(f"| sum | {found.bytes} | {signed(found.bytes, si)} | | | |")
    return "\n".join(lines) + "\n"


def thing(one: Change) -> str:
    """What changed, by name: `shop/app:v2 (3 layers)`, `base:1, left to build_cache`. Foreign text is not escaped."""
    name = one.name if one.things_count == 1 else f"{one.name} ({formatting.count(one.things_count, 'layer')})"
    if one.kind is not ChangeKind.MOVED:
        return name
    return f"{name}, {'went to' if one.bytes < 0 else 'came from'} {one.other_category}"


def _change(one: Change, si: bool) -> str:
    cells = (
        one.kind.value,
        str(one.bytes),
        signed(one.bytes, si),
        one.category,
        formatting.quoted(thing(one), 160),
        _side(one.before_bytes, si, "–"),
        _side(one.after_bytes, si, "–"),
    )
    return "| " + " | ".join(cells) + " |"


def _category(row: CategoryChange, si: bool) -> str:
    rest = f"{signed(row.rest_bytes, si)}: {row.rest}" if row.rest_bytes else ""
    cells = (
        row.category,
        str(row.bytes),
        signed(row.bytes, si),
        _side(row.before_bytes, si, "?"),
        _side(row.after_bytes, si, "?"),
        rest,
    )
    return "| " + " | ".join(cells) + " |"


def _side(count: int | None, si: bool, absent: str) -> str:
    return absent if count is None else formatting.bytes_(count, si=si)


def changes_document(found: Changes, before: str, after: str) -> Json:
    """The same as one JSON object, schema 1; `bytes` are signed, null is not there or not read."""
    return {
        "schema": 1,
        "from": {"at": formatting.moment(found.before_at), "what": before, "used_bytes": found.used_before_bytes},
        "to": {"at": formatting.moment(found.after_at), "what": after, "used_bytes": found.used_after_bytes},
        "bytes": found.bytes,
        "categories": [_category_fields(row) for row in found.categories],
    }


def _category_fields(row: CategoryChange) -> Json:
    return {
        "category": row.category,
        "before_bytes": row.before_bytes,
        "after_bytes": row.after_bytes,
        "bytes": row.bytes,
        "rest_bytes": row.rest_bytes,
        "rest": row.rest,
        "changes": list(_change_fields(row)),
    }


def _change_fields(row: CategoryChange) -> Iterator[Json]:
    for one in row.changes:
        yield {
            "change": one.kind.value,
            "name": one.name,
            "things_count": one.things_count,
            "before_bytes": one.before_bytes,
            "after_bytes": one.after_bytes,
            "bytes": one.bytes,
            "other_category": one.other_category or None,
        }
