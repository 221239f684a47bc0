"""What the engine says of one object when asked for it: names, labels, times. Pure; any shape is borne."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)\Z")


def references(detail: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tags and digests of an inspected image; the engine's words for none are none."""
    tags = (t for t in detail.get("RepoTags") or () if isinstance(t, str) and "<none>" not in t)
    digests = (d for d in detail.get("RepoDigests") or () if isinstance(d, str) and "<none>" not in d)
    return tuple(tags), tuple(digests)


def labels(detail: Mapping[str, Any]) -> Mapping[str, str]:
    """Labels of an inspected image or container."""
    return strings(mapping(detail, "Config").get("Labels"))


def name_of(listed: Mapping[str, Any]) -> str:
    """A listed container in words."""
    names = listed.get("Names")
    first = names[0] if isinstance(names, list) and names else listed.get("Id", "")
    return str(first).removeprefix("/")


def moment(value: object) -> datetime | None:
    """A time as engines write it (nine digits of a second, year 1 for never); None for never and for nonsense."""
    found = _TIME.match(value) if isinstance(value, str) else None
    if found is None:
        return None
    made = datetime.fromisoformat(found[1] + (found[3] if found[3] != "Z" else "+00:00")).astimezone(UTC)
    return made if made.year > 1 else None


def mapping(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object within it; empty for anything else."""
    inner = value.get(key)
    return inner if isinstance(inner, dict) else {}


def text(value: Mapping[str, Any], key: str) -> str:
    """A text within it; "" for anything else."""
    inner = value.get(key)
    return inner if isinstance(inner, str) else ""


def strings(value: object) -> Mapping[str, str]:
    """Those of its values that are text; empty for anything else."""
    return {k: v for k, v in value.items() if isinstance(v, str)} if isinstance(value, dict) else {}
