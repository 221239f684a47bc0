"""Containers that have ended, with their logs; their volumes stay."""

from __future__ import annotations

from collectors.model.owner import Owner, OwnerKind
from collectors.model.plan import Risk, Step
from collectors.reclaim import engine_actions, recheck
from collectors.reclaim.act import GONE, REMOVED, Act, failed, skipped
from collectors.reclaim.remover import Remover, exists
from collectors.reclaim.tools import Tools


class Containers(Remover):
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
        there = exists(self._tools, f"/containers/{target.id}/json")
        if there is False:
            self._last[target.id] = REMOVED
        return there

    def _remove(self, step: Step, name: str) -> Act:
        small = step.risk is Risk.CAREFUL
        reply = self._tools.engine.get(f"/containers/{name}/json", {"size": "1"} if small else {})
        if reply.status == 404:
            return GONE
        if not reply.ok or not isinstance(reply.body, dict):
            return failed(reply.message)
        if reason := recheck.container(reply.body, self._tools.context.rules, self._tools.now(), small=small):
            return skipped(reason)
        return engine_actions.remove_container(self._tools.engine, name)
