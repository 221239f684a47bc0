"""Records of the build cache, each by its id through the builder."""

from __future__ import annotations

from collectors.causes.build_cache.records import MOUNTS, SHARED
from collectors.model.owner import Owner
from collectors.model.plan import Step
from collectors.reclaim import engine_actions
from collectors.reclaim.act import Act
from collectors.reclaim.remover import Remover


class Records(Remover):
    """Build-cache records. Age and use are the builder's own conditions of the request, so nothing can slip between."""

    def act(self, step: Step, target: Owner) -> Act:
        rules = self._tools.context.rules
        age = rules.cache_mount_age_s if step.id == MOUNTS else rules.build_cache_age_s
        return engine_actions.remove_record(self._tools.engine, target.id, all_=step.id == SHARED, unused_for_s=age)

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
