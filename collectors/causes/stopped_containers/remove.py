"""Containers that have ended, with their logs; their volumes stay."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from collectors.causes.stopped_containers import ENDED
from collectors.model.owner import Owner, OwnerKind
from collectors.model.plan import Risk, Step
from collectors.model.settings import Rules, has_label, matches
from collectors.reclaim.act import GONE, REMOVED, Act, failed, skipped
from collectors.reclaim.preconditions import labels, mapping, moment, text
from collectors.reclaim.tools import Remover, Tools, act_of, exists


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
        rules = self._tools.context.rules
        least_s = self._tools.least_s(step, rules.container_age_s)
        if reason := why_not(reply.body, rules, self._tools.now(), least_s, small=small):
            return skipped(reason)
        return act_of(self._tools.engine.delete(f"/containers/{name}", {"force": "0", "v": "0"}))


def why_not(detail: Mapping[str, Any], rules: Rules, now: datetime, least_s: float, *, small: bool) -> str:
    """`detail` is the container's inspection with size; `small`: its writable layer must not have grown large.

    It must have ended `least_s` seconds ago.
    """
    name = text(detail, "Name").removeprefix("/")
    if kept := has_label(labels(detail), rules) or matches((name, text(detail, "Id")), rules.containers):
        return f"the rule {kept} keeps it"
    state = mapping(detail, "State")
    status = text(state, "Status")
    if status not in ENDED:
        return f"it is {status or 'in an unknown state'} now"
    ended = moment(state.get("FinishedAt"))
    if ended is None:
        return "when it ended is not known"
    if (now - ended).total_seconds() < least_s:
        return "it ran again recently"
    written = detail.get("SizeRw", 0)
    if small and (not isinstance(written, int) or written > rules.container_small_bytes):
        return "its writable layer may hold somebody's data"
    return ""
