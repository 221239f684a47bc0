"""Names of images during a run: put back what was taken away, and a name of our own under which an image is removed.

Only a removal by name lets the engine decide: it takes the name, and the image only if nothing else names it by then.
A removal by id takes along a name that was given a moment ago. Refuses to take a name from an image that got it from
somebody else.

A name that may have moved a moment ago must not be removed by name: the image that has it now would go with it. It is
given to a stand-in first, an image of nothing that only we know, and the stand-in is removed by its id: whatever the
name means by then, no other image goes.
"""

from __future__ import annotations

import io
import json
import re
import secrets
import tarfile
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from collectors.causes.plan_context import normal
from collectors.engine import tag_events
from collectors.engine.reply import Reply
from collectors.model import dataclass
from collectors.model.reading import Origin
from collectors.reclaim.engine_and_disk import EngineSession, NoAnswer
from collectors.reclaim.preconditions import labels, references, text
from collectors.system.deadline import Declined

OWN = "ullage-removing"  # begins the repository, or the tag, of names that only a removal gives
STAND_IN_LEFT = f"{OWN}:stand-in"  # among names that are to be put right: a stand-in is to be removed
_EVENTS_S = 2.0  # an engine whose clock is behind ours answers only when its own time has come
_LOADED = re.compile(rb"Loaded image(?: ID)?: (sha256:[0-9a-f]{64})")
_NOT_FORCED = {"force": "0", "noprune": "1"}


@dataclass(frozen=True, slots=True)
class Restored:
    """`back`: tags that name the image again. `elsewhere`: those that somebody gave to another image meanwhile.

    `lost`: those that name nothing, since the engine does not give them.
    """

    back: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def own_name(image_id: str, repository: str) -> str:
    """A name for this image that nobody else can have chosen, in this repository, or with "" in one of our own."""
    short, chosen = image_id.rpartition(":")[2][:12], secrets.token_hex(8)
    return f"{repository}:{OWN}-{chosen}" if repository else f"{OWN}/{short}:{chosen}"


def is_own(reference: str) -> bool:
    """Was it given by a removal? Podman writes a registry before it, and makes a digest of it."""
    repository, _, tag = f"/{reference}".rpartition(":")
    ours = repository.rpartition("/")[0].endswith(f"/{OWN}")
    return ours or tag.startswith(f"{OWN}-") or reference == STAND_IN_LEFT


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
    back, elsewhere, lost = [], [], []
    for tag in tags:
        watch = Watch(engine, tag, image_id)
        named = engine.get(f"/images/{tag}/json")
        if named.ok and not is_stand_in(named.body):
            if text(named.body, "Id") != image_id:
                elsewhere.append(tag)
            continue
        if not (named.ok or named.status == 404) or not give(engine, image_id, tag).ok:
            lost.append(tag)
            continue
        newer = watch.gave_to_other()
        if newer and give(engine, newer, tag).ok:
            elsewhere.append(tag)
        else:
            back.append(tag)
    # An engine that cannot write down what it gave has given it all the same, until it starts again.
    return Restored(tuple(back), tuple(elsewhere), tuple(lost))


class Watch:
    """From before one looks what a name means until one has given it: did somebody else give it to another image?

    No engine gives a name only if it is free, or tells whose it was. A `docker tag` shows in its events; a load, a pull
    or a build that ends in between shows as an image that is new and has no name.
    """

    def __init__(self, engine: EngineSession, tag: str, *ours: str) -> None:
        """`ours` are images that the name is given to by us. Raises NoAnswer."""
        self._engine, self._tag, self._ours = engine, tag, ours
        self._since = time.time()
        self._there = {text(one, "Id") for one in _listed(engine)}

    def gave_to_other(self) -> str:
        """The image that was given the name last, "" for none known. Raises NoAnswer."""
        if told := self._told():
            return told
        new = [one for one in _listed(self._engine) if text(one, "Id") not in (*self._there, *self._ours)]
        nameless = [text(one, "Id") for one in new if not theirs(one)[0] and not is_stand_in(_as_inspected(one))]
        return nameless[0] if len(nameless) == 1 else ""

    def _told(self) -> str:
        began, now = datetime.fromtimestamp(self._since, UTC), time.time()
        span = {"since": f"{self._since:.6f}", "until": f"{now:.6f}", "stream": "false"}
        wanted = json.dumps({"type": ["image"], "event": ["tag"]})
        try:
            told = self._engine.get("/events", {**span, "filters": wanted}, timeout_s=_EVENTS_S)
            origin = Origin("apply", "GET /events", began, now - self._since)
            given = tag_events(told.raw, origin) if told.ok else ()
        except (NoAnswer, Declined):  # it changes nothing, and not every engine remembers
            return ""
        others = (event.image_id for event in given if event.tag == self._tag and event.image_id not in self._ours)
        return next(reversed(tuple(others)), "")


def _as_inspected(listed: Mapping[str, Any]) -> dict[str, Any]:
    return {"Config": {"Labels": listed.get("Labels")}}


def drop_own(engine: EngineSession, name: str) -> bool:
    """Take a name of ours away and leave its image; is there no such name any more? Raises NoAnswer.

    By way of a stand-in: where it is the image's only name, or only digests are left beside it in its repository,
    taking it away by name would take the image, or the digests, along.
    """
    named = engine.get(f"/images/{name}/json")
    if not named.ok:
        return named.status == 404
    other = stand_in(engine)
    if not other:
        return False
    given = give(engine, other, name)
    dropped = engine.delete(f"/images/{other}", _NOT_FORCED)
    return given.ok and (dropped.ok or dropped.status == 404)


def drop_left_behind(engine: EngineSession) -> bool:
    """Names and images of ours that a run left which was killed or lost its engine; is none left? Raises NoAnswer."""
    clean = True
    for image in _listed(engine):
        if is_stand_in(_as_inspected(image)):
            clean = engine.delete(f"/images/{text(image, 'Id')}", _NOT_FORCED).ok and clean
            continue
        for name in references(image)[0]:
            if is_own(name):
                clean = drop_own(engine, name) and clean
    return clean


def stand_in(engine: EngineSession) -> str:
    """The id of an image without a layer and without a name, for a name to move to; "" where none can be made.

    Raises NoAnswer.
    """
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": {OWN: secrets.token_hex(8)}},
            "rootfs": {"type": "layers", "diff_ids": []},
        }
    ).encode()
    manifest = json.dumps([{"Config": "config.json", "RepoTags": None, "Layers": []}]).encode()
    reply = engine.load(_archive({"config.json": config, "manifest.json": manifest}))
    loaded = _LOADED.search(reply.raw) if reply.ok else None
    return loaded[1].decode() if loaded else ""


def is_stand_in(detail: object) -> bool:
    """Is an inspected image one of those?"""
    return isinstance(detail, dict) and OWN in labels(detail)


def _archive(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _listed(engine: EngineSession) -> list[dict[str, Any]]:
    listed = engine.get("/images/json").body
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
