"""Images, one by one: by id, never forced, never by a blanket prune.

A prune of images would strip tags from images in use, report what it did not free, and on the containerd store delete
the leases of pulls in flight.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from collectors.causes.holders import normal
from collectors.drivers.containerd import SYSTEM_CONTAINERD
from collectors.model.owner import Owner
from collectors.model.plan import Step
from collectors.model.settings import Rules, has_label, image_names, matches
from collectors.reclaim.act import GONE, REMOVED, Act, failed, skipped
from collectors.reclaim.engine_session import EngineSession
from collectors.reclaim.inspection import labels, mapping, moment, name_of, references, text
from collectors.reclaim.preconditions import ingests
from collectors.reclaim.run import restore_tags
from collectors.reclaim.tools import Remover, Tools, act_of, exists

_NOT_FORCED = {"force": "0"}
_MOST_PARENTS = 500


class Images(Remover):
    """On the containerd store only while no pull is in flight."""

    dangling = False  # True: it must still be untagged

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._content: tuple[Path, ...] | None = None

    def before(self, step: Step) -> str:
        """Finds out which store it is."""
        info = self._tools.engine.get("/info").body
        status = info.get("DriverStatus") if isinstance(info, dict) else None
        if not isinstance(info, dict):
            return "the engine does not describe itself"
        if any("io.containerd.snapshotter" in str(part) for row in status or () for part in row):
            root = self._tools.context.docker_root
            inside = (Path(root) / "containerd" / "daemon",) if root else ()
            self._content = (*inside, self._tools.context.host.here(SYSTEM_CONTAINERD))
        return self._pulling()

    def names(self, target: Owner) -> tuple[str, ...]:
        detail = self._detail(target)
        return references(detail)[0] if detail else ()

    def act(self, step: Step, target: Owner) -> Act:
        if reason := self._pulling():
            return skipped(reason)
        detail = self._detail(target)
        if detail is None:
            return GONE
        containers = self._tools.containers()
        if containers is None:
            return skipped("the engine does not list its containers")
        rules = self._tools.context.rules
        reason = why_not(detail, containers, rules, self._tools.now(), dangling=self.dangling)
        if reason:
            return skipped(reason)
        engine = self._tools.engine
        keeps = keep_parents(engine, detail, rules)
        return remove_image(engine, detail, keep_parents=keeps)

    def still_there(self, target: Owner) -> bool | None:
        return exists(self._tools, f"/images/{target.id}/json")

    def _detail(self, target: Owner) -> dict[str, Any] | None:
        reply = self._tools.engine.get(f"/images/{target.id}/json")
        return reply.body if reply.ok and isinstance(reply.body, dict) else None

    def _pulling(self) -> str:
        """Removing an image collects garbage, and on this store that has broken pulls in flight."""
        if self._content is None:
            return ""
        seen = ingests(self._content)
        return "whether a pull is in flight cannot be told from here" if seen is None else seen

    def put_back(self, target: Owner, names: tuple[str, ...]) -> None:
        restore_tags(self._tools.engine, target.id, names)


def why_not(
    detail: Mapping[str, Any], containers: Iterable[Mapping[str, Any]], rules: Rules, now: datetime, *, dangling: bool
) -> str:
    """`detail` is the image's inspection, `containers` the list of all containers, stopped ones too."""
    tags, digests = references(detail)
    names = image_names(tags, digests, text(detail, "Id"))
    if kept := has_label(labels(detail), rules) or matches(names, rules.images):
        return f"the rule {kept} keeps it"
    if dangling and tags:
        return f"it is not dangling any more: it is tagged {tags[0]}"
    tagged_at = moment(mapping(detail, "Metadata").get("LastTagTime"))
    least = rules.dangling_age_s if dangling else rules.image_age_s
    if tagged_at is not None and (now - tagged_at).total_seconds() < least:
        return "it was tagged, pulled or loaded recently"
    known = {normal(tag) for tag in tags} | set(digests)
    ids = {text(detail, "Id"), *(digest.rpartition("@")[2] for digest in digests)}
    for container in containers:
        if text(container, "ImageID") in ids or normal(text(container, "Image")) in known:
            return f"the container {name_of(container)} uses it"
    return ""


def remove_image(engine: EngineSession, detail: Mapping[str, Any], *, keep_parents: bool) -> Act:
    """The inspected image with all its references, or with none of them.

    The engine deletes an image by id only while one reference at most names it; else each is taken away by itself,
    after a look that it still names this image. If one is refused, those that went before are put back. Raises
    NoAnswer, with `restore_tags` still to be called.
    """
    image_id = str(detail.get("Id", ""))
    options = {**_NOT_FORCED, "noprune": "1" if keep_parents else "0"}
    tags, digests = references(detail)
    if len(tags) <= 1:
        reply = engine.delete(f"/images/{image_id}", options)
        if reply.status != 409 or not (tags or digests):
            return act_of(reply)
        if "multiple repositories" not in reply.message:  # in use: whatever the references
            return failed(reply.message)
    for reference in (*tags, *digests):
        named = engine.get(f"/images/{reference}/json")
        if named.status == 404:
            continue  # the engine drops a repository's digests with its last tag
        if not named.ok or not isinstance(named.body, dict) or named.body.get("Id") != image_id:
            restore_tags(engine, image_id, tags)
            return skipped(f"{reference} names another image now")
        reply = engine.delete(f"/images/{reference}", options)
        if not reply.ok and reply.status != 404:
            restore_tags(engine, image_id, tags)
            return failed(reply.message)
    if engine.get(f"/images/{image_id}/json").status == 404:
        return REMOVED
    reply = engine.delete(f"/images/{image_id}", options)
    if not reply.ok and reply.status != 404:
        restore_tags(engine, image_id, tags)
        return failed(reply.message)
    return REMOVED


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
