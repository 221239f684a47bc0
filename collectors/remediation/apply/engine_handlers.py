"""Images, containers, volumes and build-cache records: looked at, then removed, through the engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from collectors.model.owner import Owner, OwnerKind
from collectors.model.plan import Risk, Step
from collectors.remediation.apply import engine_actions, recheck
from collectors.remediation.apply.act import GONE, REMOVED, Act, failed, skipped
from collectors.remediation.apply.handler import Handler
from collectors.remediation.apply.inflight import ingests
from collectors.remediation.apply.tools import Tools
from collectors.remediation.plan import build_cache
from collectors.remediation.plan.images import DANGLING

_SYSTEM_CONTAINERD = "/var/lib/containerd"


class Images(Handler):
    """By id, never forced; on the containerd store only while no pull is in flight."""

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._content: tuple[Path, ...] | None = None

    def before(self, step: Step) -> str:
        """Finds out which store it is."""
        info = self._tools.wire.get("/info").body
        status = info.get("DriverStatus") if isinstance(info, dict) else None
        if not isinstance(info, dict):
            return "the engine does not describe itself"
        if any("io.containerd.snapshotter" in str(part) for row in status or () for part in row):
            root = self._tools.context.docker_root
            inside = (Path(root) / "containerd" / "daemon",) if root else ()
            self._content = (*inside, self._tools.context.host.here(_SYSTEM_CONTAINERD))
        return self._pulling()

    def names(self, target: Owner) -> tuple[str, ...]:
        detail = self._detail(target)
        return recheck.references(detail)[0] if detail else ()

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
        reason = recheck.image(detail, containers, rules, self._tools.now(), dangling=step.id == DANGLING)
        if reason:
            return skipped(reason)
        wire = self._tools.wire
        keeps = engine_actions.keep_parents(wire, detail, rules)
        return engine_actions.remove_image(wire, detail, keep_parents=keeps)

    def still_there(self, target: Owner) -> bool | None:
        return _exists(self._tools, f"/images/{target.id}/json")

    def _detail(self, target: Owner) -> dict[str, Any] | None:
        reply = self._tools.wire.get(f"/images/{target.id}/json")
        return reply.body if reply.ok and isinstance(reply.body, dict) else None

    def _pulling(self) -> str:
        """Removing an image collects garbage, and on this store that has broken pulls in flight."""
        if self._content is None:
            return ""
        seen = ingests(self._content)
        return "whether a pull is in flight cannot be told from here" if seen is None else seen


class Containers(Handler):
    """Ended ones, with their logs; their volumes stay."""

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._last: dict[str, Act] = {}

    def act(self, step: Step, target: Owner) -> Act:
        name = target.id
        if target.kind is OwnerKind.LOG:  # it goes, or stays, with its container
            act = self._last.get(name)
            return Act(act.removed, act.reason) if act else skipped("its container was not removed")
        self._last[name] = act = self._remove(step, name)
        return act

    def still_there(self, target: Owner) -> bool | None:
        there = _exists(self._tools, f"/containers/{target.id}/json")
        if there is False:
            self._last[target.id] = REMOVED
        return there

    def _remove(self, step: Step, name: str) -> Act:
        small = step.risk is Risk.CAREFUL
        reply = self._tools.wire.get(f"/containers/{name}/json", {"size": "1"} if small else {})
        if reply.status == 404:
            return GONE
        if not reply.ok or not isinstance(reply.body, dict):
            return failed(reply.message)
        if reason := recheck.container(reply.body, self._tools.context.rules, self._tools.now(), small=small):
            return skipped(reason)
        return engine_actions.remove_container(self._tools.wire, name)


class Volumes(Handler):
    """One by name, for a person who named it."""

    def act(self, step: Step, target: Owner) -> Act:
        reply = self._tools.wire.get(f"/volumes/{target.id}")
        if reply.status == 404:
            return GONE
        containers = self._tools.containers()
        if not reply.ok or not isinstance(reply.body, dict) or containers is None:
            return failed(reply.message)
        context = self._tools.context
        if reason := recheck.volume(reply.body, containers, context.rules, context.planned_at):
            return skipped(reason)
        return engine_actions.remove_volume(self._tools.wire, target.id)

    def still_there(self, target: Owner) -> bool | None:
        return _exists(self._tools, f"/volumes/{target.id}")


class Records(Handler):
    """Build-cache records. Age and use are the builder's own conditions of the request, so nothing can slip between."""

    def act(self, step: Step, target: Owner) -> Act:
        rules = self._tools.context.rules
        age = rules.cache_mount_age_s if step.id == build_cache.MOUNTS else rules.build_cache_age_s
        return engine_actions.remove_record(
            self._tools.wire, target.id, all_=step.id == build_cache.SHARED, unused_for_s=age
        )

    def still_there(self, target: Owner) -> bool | None:
        wire = self._tools.wire
        listed = wire.get("/system/df", {"type": "build-cache"} if (wire.api.major, wire.api.minor) >= (1, 42) else {})
        body = listed.body if isinstance(listed.body, dict) else None
        if body is None or not listed.ok:
            return None
        cache = body.get("BuildCache") or (body.get("BuildCacheUsage") or {}).get("Items") or []
        return any(isinstance(record, dict) and record.get("ID") == target.id for record in cache)


def _exists(tools: Tools, path: str) -> bool | None:
    reply = tools.wire.get(path)
    return False if reply.status == 404 else (True if reply.ok else None)
