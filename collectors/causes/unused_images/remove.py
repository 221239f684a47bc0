"""Images, one by one: by id, never forced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from collectors.model.owner import Owner
from collectors.model.plan import Step
from collectors.reclaim import engine_actions, recheck
from collectors.reclaim.act import GONE, Act, skipped
from collectors.reclaim.inflight import ingests
from collectors.reclaim.remover import Remover, exists
from collectors.reclaim.tools import Tools

_SYSTEM_CONTAINERD = "/var/lib/containerd"


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
        reason = recheck.image(detail, containers, rules, self._tools.now(), dangling=self.dangling)
        if reason:
            return skipped(reason)
        engine = self._tools.engine
        keeps = engine_actions.keep_parents(engine, detail, rules)
        return engine_actions.remove_image(engine, detail, keep_parents=keeps)

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
        engine_actions.restore(self._tools.engine, target.id, names)
