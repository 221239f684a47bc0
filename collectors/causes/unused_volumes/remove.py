"""One volume by name, for a person who named it. Never by a prune, which takes named ones too on Podman."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from collectors.model.owner import Owner
from collectors.model.plan import Step
from collectors.model.settings import Rules, has_label, matches
from collectors.reclaim.act import GONE, Act, failed, skipped
from collectors.reclaim.preconditions import moment, name_of, strings, text
from collectors.reclaim.tools import Remover, act_of, exists


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
        if reason := why_not(reply.body, containers, context.rules, context.planned_at):
            return skipped(reason)
        return act_of(self._tools.engine.delete(f"/volumes/{target.id}", {"force": "0"}))

    def still_there(self, target: Owner) -> bool | None:
        return exists(self._tools, f"/volumes/{target.id}")


def why_not(
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
