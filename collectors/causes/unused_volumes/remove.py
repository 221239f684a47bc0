"""One volume by name, for a person who named it."""

from __future__ import annotations

from collectors.model.owner import Owner
from collectors.model.plan import Step
from collectors.reclaim import engine_actions, recheck
from collectors.reclaim.act import GONE, Act, failed, skipped
from collectors.reclaim.remover import Remover, exists


class Volumes(Remover):
    """One by name, for a person who named it."""

    def act(self, step: Step, target: Owner) -> Act:
        reply = self._tools.engine.get(f"/volumes/{target.id}")
        if reply.status == 404:
            return GONE
        containers = self._tools.containers()
        if not reply.ok or not isinstance(reply.body, dict) or containers is None:
            return failed(reply.message)
        context = self._tools.context
        if reason := recheck.volume(reply.body, containers, context.rules, context.planned_at):
            return skipped(reason)
        return engine_actions.remove_volume(self._tools.engine, target.id)

    def still_there(self, target: Owner) -> bool | None:
        return exists(self._tools, f"/volumes/{target.id}")
