"""What must stay whatever the disk says: labels, name patterns and minimum ages. Refuses to guess an age.

A thing that a rule keeps never stands in a plan, at no tier, not even as a proposal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
MIB = 1 << 20
MOST = 1 << 62  # of a number in the configuration; neither inf nor nan is below it


@dataclass(frozen=True, slots=True)
class Rules:
    """The `[keep]` table of the configuration. Ages in seconds, sizes in bytes; patterns are shell globs.

    Image patterns match `repository:tag`, the repository alone and the id; container patterns match the name, volume
    patterns the name, build-cache patterns the record's description.
    """

    labels: tuple[str, ...] = ("ullage.keep=true",)  # `key=value`, or `key` for any value
    images: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    build_cache: tuple[str, ...] = ()
    build_cache_age_s: float = 24 * HOUR_S  # a day's work stays warm
    cache_mount_age_s: float = 7 * DAY_S  # package caches come back over the network only
    dangling_age_s: float = 24 * HOUR_S  # yesterday's build is the usual way back
    image_age_s: float = 7 * DAY_S  # since it was last used, not since it was built
    container_age_s: float = 3 * DAY_S  # since it ended
    container_small_bytes: int = 64 * MIB  # more than that in a writable layer may be somebody's data
    log_bytes: int = 256 * MIB  # smaller logs are not worth breaking `docker logs --tail`
    log_tail_bytes: int = MIB  # set aside before a log is truncated


def from_table(table: Mapping[str, Any]) -> Rules:
    """Rules from a decoded TOML table. Raises ValueError, naming the key, for an unknown key or a wrong type."""
    known = {field.name for field in fields(Rules)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            raise ValueError(f"keep.{key}: no such rule; there are {', '.join(sorted(known))}")
        values[key] = _value(key, value)
    return Rules(**values)


def has_label(labels: Mapping[str, str], rules: Rules) -> str:
    """The keep label that these labels carry, "" for none."""
    for rule in rules.labels:
        key, equals, value = rule.partition("=")
        if key in labels and (not equals or labels[key] == value):
            return rule
    return ""


def matches(names: tuple[str, ...], patterns: tuple[str, ...]) -> str:
    """The first pattern that one of the names matches, "" for none."""
    return next((pattern for pattern in patterns if any(fnmatchcase(name, pattern) for name in names)), "")


def image_names(tags: tuple[str, ...], digests: tuple[str, ...], image_id: str) -> tuple[str, ...]:
    """Everything that an image pattern may match: tags, digests, bare repositories, the id, also without `sha256:`."""
    repositories = tuple(tag.rpartition(":")[0] for tag in tags) + tuple(d.partition("@")[0] for d in digests)
    return tags + digests + repositories + (image_id, image_id.removeprefix("sha256:"))


def _value(key: str, value: Any) -> Any:
    if key.endswith(("_s", "_bytes")):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MOST:
            raise ValueError(f"keep.{key}: a number from 0, not {value!r}")
        return float(value) if key.endswith("_s") else int(value)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"keep.{key}: a list of strings, not {value!r}")
    return tuple(value)
