"""The build cache in GET /system/df → BuildRecord. Pure."""

from __future__ import annotations

from collectors.engine.decode.fields import Record
from collectors.engine.decode.usage import listed
from collectors.model.engine import BuildRecord

# The key really has a leading space from 23 to 29; API ≤ 1.41 names one parent.
_PARENTS = (" Parents", "Parents")
_PARENT = "Parent"


def build_cache(answer: Record) -> tuple[BuildRecord, ...]:
    """BuildKit's records. Sizes of shared records are bytes that an image holds as well."""
    return tuple(
        BuildRecord(
            id=item.text("ID"),
            kind=item.text_or_empty("Type"),
            description=item.text_or_empty("Description"),
            in_use=item.flag("InUse"),
            shared=item.flag("Shared"),
            size=item.size("Size"),
            created_at=item.moment("CreatedAt"),
            last_used_at=item.moment("LastUsedAt"),
            usage_count=item.count("UsageCount"),
            parents=_parents(item),
        )
        for item in listed(answer, "BuildCache", "BuildCacheUsage")
    )


def _parents(item: Record) -> tuple[str, ...]:
    for key in _PARENTS:
        if parents := item.texts(key):
            return parents
    parent = item.text_or_empty(_PARENT)
    return (parent,) if parent else ()
