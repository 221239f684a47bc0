"""Removals through the engine: one object by its id at a time, never forced, never a blanket prune.

A prune of images would strip tags from images in use, report what it did not free, and on the containerd store delete
the leases of pulls in flight; a prune of volumes takes named ones on Podman. None of them is called here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from collectors.model.keep import Rules, has_label
from collectors.reclaim.act import GONE, REMOVED, Act, failed, skipped
from collectors.reclaim.engine_session import EngineSession, Reply
from collectors.reclaim.recheck import labels, references

_NOT_FORCED = {"force": "0"}
_RECORD = re.compile(r"[a-z0-9]{20,80}\Z")  # newer engines take the id for a regular expression
_MOST_PARENTS = 500


def remove_container(engine: EngineSession, container_id: str) -> Act:
    """Its writable layer and its log; its volumes stay, anonymous ones too. Raises NoAnswer."""
    return _result(engine.delete(f"/containers/{container_id}", {**_NOT_FORCED, "v": "0"}))


def remove_volume(engine: EngineSession, name: str) -> Act:
    """By name. Raises NoAnswer."""
    return _result(engine.delete(f"/volumes/{name}", _NOT_FORCED))


def remove_record(engine: EngineSession, record_id: str, *, all_: bool, unused_for_s: float) -> Act:
    """One record of the build cache; the engine itself refuses one in use, or used since. Raises NoAnswer."""
    if not _RECORD.match(record_id):
        return skipped("its id cannot be named safely to the engine")
    filters: dict[str, dict[str, bool]] = {"id": {record_id: True}}
    if unused_for_s >= 1:
        filters["until"] = {f"{int(unused_for_s)}s": True}
    reply = engine.post("/build/prune", {"all": "1" if all_ else "0", "filters": json.dumps(filters)})
    if not reply.ok:
        return failed(reply.message)
    body = reply.body if isinstance(reply.body, dict) else {}
    deleted = body.get("CachesDeleted") or []
    reported = body.get("SpaceReclaimed")
    if record_id not in deleted:
        return skipped("the builder kept it: in use, used lately, shared with an image by now, or already gone")
    return Act(True, reported_bytes=reported if isinstance(reported, int) and reported >= 0 else None)


def remove_image(engine: EngineSession, detail: Mapping[str, Any], *, keep_parents: bool) -> Act:
    """The inspected image with all its references, or with none of them.

    The engine deletes an image by id only while one reference at most names it; else each is taken away by itself,
    after a look that it still names this image. If one is refused, those that went before are put back. Raises
    NoAnswer, with `restore` still to be called.
    """
    image_id = str(detail.get("Id", ""))
    options = {**_NOT_FORCED, "noprune": "1" if keep_parents else "0"}
    tags, digests = references(detail)
    if len(tags) <= 1:
        reply = engine.delete(f"/images/{image_id}", options)
        if reply.status != 409 or not (tags or digests):
            return _result(reply)
        if "multiple repositories" not in reply.message:  # in use: whatever the references
            return failed(reply.message)
    for reference in (*tags, *digests):
        named = engine.get(f"/images/{reference}/json")
        if named.status == 404:
            continue  # the engine drops a repository's digests with its last tag
        if not named.ok or not isinstance(named.body, dict) or named.body.get("Id") != image_id:
            restore(engine, image_id, tags)
            return skipped(f"{reference} names another image by now")
        reply = engine.delete(f"/images/{reference}", options)
        if not reply.ok and reply.status != 404:
            restore(engine, image_id, tags)
            return failed(reply.message)
    if engine.get(f"/images/{image_id}/json").status == 404:
        return REMOVED
    reply = engine.delete(f"/images/{image_id}", options)
    if not reply.ok and reply.status != 404:
        restore(engine, image_id, tags)
        return failed(reply.message)
    return REMOVED


def restore(engine: EngineSession, image_id: str, tags: tuple[str, ...]) -> tuple[str, ...]:
    """Put tags back that name nothing now, if the image is still there; which ones were. Raises NoAnswer."""
    if engine.get(f"/images/{image_id}/json").status == 404:
        return ()
    back = []
    for tag in tags:
        if engine.get(f"/images/{tag}/json").status != 404:
            continue  # it names an image: this one, or a newer one that has taken the name
        repository, _, name = tag.rpartition(":")
        if engine.post(f"/images/{image_id}/tag", {"repo": repository, "tag": name}).ok:
            back.append(tag)
    return tuple(back)


def keep_parents(engine: EngineSession, detail: Mapping[str, Any], rules: Rules) -> bool:
    """Is one of the untagged images it was built on, which would go along, kept by a label? Raises NoAnswer."""
    parent = detail.get("Parent")
    for _ in range(_MOST_PARENTS):
        if not isinstance(parent, str) or not parent:
            return False
        reply = engine.get(f"/images/{parent}/json")
        if not reply.ok or not isinstance(reply.body, dict) or any(references(reply.body)):
            return False
        if has_label(labels(reply.body), rules):
            return True
        parent = reply.body.get("Parent")
    return True


def _result(reply: Reply) -> Act:
    if reply.ok:
        return REMOVED
    return GONE if reply.status == 404 else failed(reply.message)
