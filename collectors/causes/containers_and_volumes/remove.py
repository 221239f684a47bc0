"""Containers that have ended, with their logs; their volumes stay. A volume by its name, for a person who named it.

Never by a prune, which takes named volumes too on Podman.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from collectors.causes.containers_and_volumes import ENDED
from collectors.model import Owner, OwnerKind
from collectors.model.plan import Risk, Step
from collectors.model.settings import Rules, has_label, matches
from collectors.reclaim import GONE, REMOVED, Act, failed, skipped
from collectors.reclaim.preconditions import labels, mapping, moment, name_of, strings, text
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
        if reason := volume_why_not(reply.body, containers, context.rules, context.planned_at):
            return skipped(reason)
        return act_of(self._tools.engine.delete(f"/volumes/{target.id}", {"force": "0"}))

    def still_there(self, target: Owner) -> bool | None:
        return exists(self._tools, f"/volumes/{target.id}")


def volume_why_not(
    detail: Mapping[str, Any], containers: Iterable[Mapping[str, Any]], rules: Rules, planned_at: datetime
) -> str:
    """A volume that was made anew under the same name is another volume."""
    name = text(detail, "Name")
    if kept := has_label(strings(detail.get("Labels")), rules) or matches((name,), rules.volumes):
        return f"the rule {kept} keeps it"
    made = moment(detail.get("CreatedAt"))
    # The engine tells whole seconds: what was made within the second of the plan may have been made after it.
    if made is not None and made >= planned_at.replace(microsecond=0):
        return "it was made after the plan"
    for one in containers:
        if any(isinstance(m, dict) and m.get("Name") == name for m in one.get("Mounts") or ()):
            return f"the container {name_of(one)} mounts it"
    return ""
