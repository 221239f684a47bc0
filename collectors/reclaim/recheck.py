"""Is a target still what the plan meant? Asked of the engine's own records just before each removal. Pure.

Each function returns the reason to leave the target alone, "" for none. They look at what the engine said a moment ago;
the last word is the engine's refusal (409), which is why nothing is ever forced.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from collectors.causes.holders import normal
from collectors.causes.stopped_containers import ENDED
from collectors.model.keep import Rules, has_label, image_names, matches

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)\Z")


def image(
    detail: Mapping[str, Any], containers: Iterable[Mapping[str, Any]], rules: Rules, now: datetime, *, dangling: bool
) -> str:
    """`detail` is the image's inspection, `containers` the list of all containers, stopped ones too."""
    tags, digests = references(detail)
    names = image_names(tags, digests, _text(detail, "Id"))
    if kept := has_label(labels(detail), rules) or matches(names, rules.images):
        return f"the rule {kept} keeps it"
    if dangling and tags:
        return f"it is not dangling any more: it is tagged {tags[0]}"
    tagged_at = moment(_map(detail, "Metadata").get("LastTagTime"))
    least = rules.dangling_age_s if dangling else rules.image_age_s
    if tagged_at is not None and (now - tagged_at).total_seconds() < least:
        return "it was tagged, pulled or loaded lately"
    known = {normal(tag) for tag in tags} | set(digests)
    ids = {_text(detail, "Id"), *(digest.rpartition("@")[2] for digest in digests)}
    for container in containers:
        if _text(container, "ImageID") in ids or normal(_text(container, "Image")) in known:
            return f"the container {name_of(container)} uses it"
    return ""


def container(detail: Mapping[str, Any], rules: Rules, now: datetime, *, small: bool) -> str:
    """`detail` is the container's inspection with size; `small`: its writable layer must not have grown large."""
    name = _text(detail, "Name").removeprefix("/")
    if kept := has_label(labels(detail), rules) or matches((name, _text(detail, "Id")), rules.containers):
        return f"the rule {kept} keeps it"
    state = _map(detail, "State")
    status = _text(state, "Status")
    if status not in ENDED:
        return f"it is {status or 'in an unknown state'} now"
    ended = moment(state.get("FinishedAt"))
    if ended is None:
        return "when it ended is not known"
    if (now - ended).total_seconds() < rules.container_age_s:
        return "it ran again lately"
    written = detail.get("SizeRw", 0)
    if small and (not isinstance(written, int) or written > rules.container_small_bytes):
        return "its writable layer may hold somebody's data"
    return ""


def volume(
    detail: Mapping[str, Any], containers: Iterable[Mapping[str, Any]], rules: Rules, planned_at: datetime
) -> str:
    """A volume that was made anew under the same name is another volume."""
    name = _text(detail, "Name")
    if kept := has_label(_strings(detail.get("Labels")), rules) or matches((name,), rules.volumes):
        return f"the rule {kept} keeps it"
    made = moment(detail.get("CreatedAt"))
    # The engine tells whole seconds: what was made within the second of the plan may have been made after it.
    if made is not None and made >= planned_at.replace(microsecond=0):
        return "it was made after the plan"
    for one in containers:
        if any(isinstance(m, dict) and m.get("Name") == name for m in one.get("Mounts") or ()):
            return f"the container {name_of(one)} mounts it"
    return ""


def log(detail: Mapping[str, Any], rules: Rules) -> str:
    """A log whose container is kept is kept; one that another driver writes is not ours to cut."""
    name = _text(detail, "Name").removeprefix("/")
    if kept := has_label(labels(detail), rules) or matches((name, _text(detail, "Id")), rules.containers):
        return f"the rule {kept} keeps its container"
    driver = _text(_map(_map(detail, "HostConfig"), "LogConfig"), "Type")
    if driver not in ("json-file", "local"):
        return f"its log driver is {driver or 'unknown'}"
    return ""


def references(detail: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tags and digests of an inspected image; the engine's words for none are none."""
    tags = (t for t in detail.get("RepoTags") or () if isinstance(t, str) and "<none>" not in t)
    digests = (d for d in detail.get("RepoDigests") or () if isinstance(d, str) and "<none>" not in d)
    return tuple(tags), tuple(digests)


def labels(detail: Mapping[str, Any]) -> Mapping[str, str]:
    """Labels of an inspected image or container."""
    return _strings(_map(detail, "Config").get("Labels"))


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


def _map(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = value.get(key)
    return inner if isinstance(inner, dict) else {}


def _text(value: Mapping[str, Any], key: str) -> str:
    inner = value.get(key)
    return inner if isinstance(inner, str) else ""


def _strings(value: object) -> Mapping[str, str]:
    return {k: v for k, v in value.items() if isinstance(v, str)} if isinstance(value, dict) else {}
