"""Names of images during a run: put back what was taken away, and a name of our own under which an image is removed.

Only a removal by name lets the engine decide: it takes the name, and the image only if nothing else names it by then.
A removal by id takes along a name that was given a moment ago. Refuses to take a name from an image that got it from
somebody else.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from collectors.causes.holders import normal
from collectors.engine.past import tag_events
from collectors.engine.reply import Reply
from collectors.model.reading import Origin
from collectors.reclaim.engine_session import EngineSession, NoAnswer
from collectors.reclaim.preconditions import references, text
from collectors.system.deadline import Declined

OWN = "ullage-removing"  # first part of the repository of names that only a removal gives
_EVENTS_S = 2.0  # an engine whose clock is behind ours answers only when its own time has come
_NOT_FORCED = {"force": "0", "noprune": "1"}


@dataclass(frozen=True, slots=True)
class Restored:
    """`back`: tags that name the image again. `elsewhere`: those that somebody gave to another image meanwhile."""

    back: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()


def own_name(image_id: str) -> str:
    """A name for this image that nobody else can have chosen."""
    return f"{OWN}/{image_id.rpartition(':')[2][:12]}:{secrets.token_hex(8)}"


def is_own(reference: str) -> bool:
    """Was it given by a removal? Podman writes a registry before it."""
    return f"/{reference}".rpartition(":")[0].rpartition("/")[0].endswith(f"/{OWN}")


def theirs(detail: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tags and digests of an inspected image that are not of a removal's making."""
    tags, digests = references(detail)
    return tuple(t for t in tags if not is_own(t)), tuple(d for d in digests if not is_own(d))


def strangers(detail: Mapping[str, Any], known: Iterable[str]) -> tuple[str, ...]:
    """Names of an inspected image that are neither known nor of a removal's making.

    containerd makes a digest of each tag, and lists fewer of them than it shows in an inspection.
    """
    held = tuple(known)
    made = {f"{tag.rpartition(':')[0]}@{text(detail, 'Id')}" for tag in held if "@" not in tag}
    return unknown((name for name in chain.from_iterable(theirs(detail)) if name not in made), held)


def unknown(names: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Those that are not among the known ones, however an engine abbreviates them, nor ours."""
    held = {_short(name) for name in known}
    return tuple(name for name in names if _short(name) not in held and not is_own(name))


def _short(name: str) -> str:
    return normal(name).removeprefix("docker.io/").removeprefix("library/")


def give(engine: EngineSession, image_id: str, name: str) -> Reply:
    """Let this name mean this image. Raises NoAnswer."""
    repository, _, tag = name.rpartition(":")
    return engine.post(f"/images/{image_id}/tag", {"repo": repository, "tag": tag})


def restore_tags(engine: EngineSession, image_id: str, tags: Iterable[str]) -> Restored:
    """Put tags back that name nothing now, if the image is still there. Raises NoAnswer."""
    if engine.get(f"/images/{image_id}/json").status == 404:
        return Restored()
    back, elsewhere = [], []
    for tag in tags:
        since = time.time()
        named = engine.get(f"/images/{tag}/json")
        if named.status != 404:
            if named.ok and isinstance(named.body, dict) and named.body.get("Id") != image_id:
                elsewhere.append(tag)
            continue
        if not give(engine, image_id, tag).ok:
            continue
        # No engine gives a name only if it is free: somebody may have taken it since it was looked for.
        newer = given_since(engine, since, tag, image_id)
        if newer and give(engine, newer, tag).ok:
            elsewhere.append(tag)
        else:
            back.append(tag)
    return Restored(tuple(back), tuple(elsewhere))


def given_since(engine: EngineSession, since: float, tag: str, image_id: str) -> str:
    """The image, other than this one, that was given the name last, by the engine's events; "" for none known."""
    began, now = datetime.fromtimestamp(since, UTC), time.time()
    span = {"since": f"{since:.6f}", "until": f"{now:.6f}", "stream": "false"}
    wanted = json.dumps({"type": ["image"], "event": ["tag"]})
    try:
        told = engine.get("/events", {**span, "filters": wanted}, timeout_s=_EVENTS_S)
        given = tag_events(told.raw, Origin("apply", "GET /events", began, now - since)) if told.ok else ()
    except (NoAnswer, Declined):  # it changes nothing, and not every engine remembers
        return ""
    others = (event.image_id for event in given if event.tag == tag and event.image_id != image_id)
    return next(reversed(tuple(others)), "")


def drop_own(engine: EngineSession, name: str) -> None:
    """Take a name of ours away and leave its image. Raises NoAnswer.

    Where it is the image's only name, taking it away would remove the image: it moves to one with a name of its own
    first.
    """
    detail = engine.get(f"/images/{name}/json").body
    if not isinstance(detail, dict) or "Id" not in detail:
        return
    if not any(theirs(detail)):
        other = _named(engine, text(detail, "Id"))
        if not other or not give(engine, other, name).ok:
            return
    engine.delete(f"/images/{name}", _NOT_FORCED)


def drop_left_behind(engine: EngineSession) -> None:
    """Names of ours that a run left which was killed or lost its engine. Raises NoAnswer."""
    for image in _listed(engine):
        for name in references(image)[0]:
            if is_own(name):
                drop_own(engine, name)


def _named(engine: EngineSession, but: str) -> str:
    """An image with a tag that somebody else gave it."""
    return next((text(one, "Id") for one in _listed(engine) if text(one, "Id") != but and theirs(one)[0]), "")


def _listed(engine: EngineSession) -> list[dict[str, Any]]:
    listed = engine.get("/images/json").body
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
