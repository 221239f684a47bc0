"""Images, one by one: never forced, never by a blanket prune, and only under names that the plan knew.

A prune of images would strip tags from images in use, report what it did not free, and on the containerd store delete
the leases of pulls in flight.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from collectors.causes.plan_context import normal
from collectors.drivers.containerd import SYSTEM_CONTAINERD
from collectors.model import Owner
from collectors.model.plan import Step
from collectors.model.settings import Rules, has_label, image_names, matches
from collectors.reclaim import GONE, Act, skipped
from collectors.reclaim.engine_and_disk import EngineSession
from collectors.reclaim.image_removal import remove_image
from collectors.reclaim.image_tags import drop_left_behind, restore_tags, strangers, theirs
from collectors.reclaim.preconditions import ingests, labels, mapping, moment, name_of, references, text
from collectors.reclaim.tools import Remover, Tools, exists

_MOST_PARENTS = 500


class Images(Remover):
    """On the containerd store only while no pull is in flight."""

    dangling = False  # True: it must still be untagged

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._content: tuple[Path, ...] | None = None

    def before(self, step: Step) -> str:
        """Finds out which store it is, and takes away names that an earlier run left."""
        info = self._tools.engine.get("/info").body
        status = info.get("DriverStatus") if isinstance(info, dict) else None
        if not isinstance(info, dict):
            return "the engine does not describe itself"
        if any("io.containerd.snapshotter" in str(part) for row in status or () for part in row):
            root = self._tools.context.docker_root
            inside = (Path(root) / "containerd" / "daemon",) if root else ()
            self._content = (*inside, self._tools.context.host.here(SYSTEM_CONTAINERD))
        if pulling := self._pulling():
            return pulling
        drop_left_behind(self._tools.engine)
        return ""

    def names(self, target: Owner) -> tuple[str, ...]:
        detail = self._detail(target)
        return theirs(detail)[0] if detail else ()

    def act(self, step: Step, target: Owner) -> Act:
        if reason := self._pulling():
            return skipped(reason)
        detail = self._detail(target)
        if detail is None:
            return GONE
        containers = self._tools.containers()
        if containers is None:
            return skipped("the engine does not list its containers")
        known = self._tools.context.image_names.get(target.id)
        if known is None:
            return skipped("the plan did not know its names")
        rules = self._tools.context.rules
        least_s = self._tools.least_s(step, rules.dangling_age_s if self.dangling else rules.image_age_s)
        reason = why_not(detail, containers, rules, self._tools.now(), least_s, dangling=self.dangling)
        if reason:
            return skipped(reason)
        if names := strangers(detail, known):
            return skipped(f"it was named {', '.join(names)} since the plan")
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
        drop_left_behind(self._tools.engine)


class DanglingImages(Images):
    """Only while they are still untagged."""

    dangling = True


def why_not(
    detail: Mapping[str, Any],
    containers: Iterable[Mapping[str, Any]],
    rules: Rules,
    now: datetime,
    least_s: float,
    *,
    dangling: bool,
) -> str:
    """`detail` is the image's inspection, `containers` the list of all containers, stopped ones too.

    It must not have got a tag for `least_s` seconds.
    """
    tags, digests = theirs(detail)
    names = image_names(tags, digests, text(detail, "Id"))
    if kept := has_label(labels(detail), rules) or matches(names, rules.images):
        return f"the rule {kept} keeps it"
    if dangling and tags:
        return f"it is not dangling any more: it is tagged {tags[0]}"
    tagged_at = moment(mapping(detail, "Metadata").get("LastTagTime"))
    if tagged_at is not None and (now - tagged_at).total_seconds() < least_s:
        return "it was tagged, pulled or loaded recently"
    ids = {text(detail, "Id"), *(digest.rpartition("@")[2] for digest in digests)}
    return _used_by(containers, ids, {normal(tag) for tag in tags}.union(digests))


def _used_by(containers: Iterable[Mapping[str, Any]], ids: set[str], names: set[str]) -> str:
    for container in containers:
        if text(container, "ImageID") in ids or normal(text(container, "Image")) in names:
            return f"the container {name_of(container)} uses it"
    return ""


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
