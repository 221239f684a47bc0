"""Records of the build cache, each by its id through the builder."""

from __future__ import annotations

import json
import re

from collectors.causes.unneeded import MOUNTS, RECENT, SHARED, YOUNG
from collectors.model import Owner
from collectors.model.plan import Step
from collectors.reclaim import Act, failed, skipped
from collectors.reclaim.engine_and_disk import EngineSession
from collectors.reclaim.tools import Remover

_RECORD = re.compile(r"[a-z0-9]{20,80}\Z")  # newer engines take the id for a regular expression


class Records(Remover):
    """Build-cache records. Age and use are the builder's own conditions of the request, so nothing can slip between."""

    def act(self, step: Step, target: Owner) -> Act:
        rules, any_record = self._tools.context.rules, step.id in (SHARED, RECENT, YOUNG)
        own = rules.cache_mount_age_s if step.id == MOUNTS else rules.build_cache_age_s
        # Of the last two steps a record is younger than its kind's own age: it must not have been used since the plan.
        least = self._tools.least_s(step, 0.0 if step.id in (RECENT, YOUNG) else own)
        return remove_record(self._tools.engine, target.id, all_=any_record, unused_for_s=least)

    def still_there(self, target: Owner) -> bool | None:
        engine = self._tools.engine
        listed = engine.get(
            "/system/df", {"type": "build-cache"} if (engine.api.major, engine.api.minor) >= (1, 42) else {}
        )
        body = listed.body if isinstance(listed.body, dict) else None
        if body is None or not listed.ok:
            return None
        cache = body.get("BuildCache") or (body.get("BuildCacheUsage") or {}).get("Items") or []
        return any(isinstance(record, dict) and record.get("ID") == target.id for record in cache)


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
        return skipped("the builder kept it: in use, used recently, shared with an image now, or already gone")
    return Act(True, reported_bytes=reported if isinstance(reported, int) and reported >= 0 else None)
