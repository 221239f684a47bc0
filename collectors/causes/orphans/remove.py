"""Removing proved orphans, each proved once more at the last moment.

Refuses while the engine is doing anything that makes or registers layers, while it cannot be told whether it does, and
for a directory with anything mounted in it.
"""

from __future__ import annotations

import time
from pathlib import Path

from collectors.engine.reply import Reply
from collectors.model import Owner
from collectors.model.plan import Step
from collectors.model.reading import Exact, Reading
from collectors.model.store import Orphanhood, Store, Unit
from collectors.reclaim import GONE, Act, skipped
from collectors.reclaim.engine_and_disk import EngineSession, NoAnswer
from collectors.reclaim.preconditions import given_to_container, ingests, mounted_inside, read_again, stopped, writers
from collectors.reclaim.tools import Remover, RunContext, Tools
from collectors.reclaim.tree import remove_layer

_PROOF_GOOD_S = 2.0  # a proof is used for this long after it was made, then it is made again
_QUIET_STATES = frozenset({"running", "paused", "exited", "dead", "created"})


class Orphans(Remover):
    """Each proved again; the engine idle or stopped."""

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._prover = Prover(tools.context, tools.engine)

    def before(self, step: Step) -> str:
        # What a probe saw under the root may be another directory under the same path here, or none: not "gone".
        return "" if self._tools.context.docker_root else "the Docker root is not known"

    def act(self, step: Step, target: Owner) -> Act:
        path = target.id
        if not Path(path).exists():
            return GONE
        if reason := self._prover.why_not(path):
            return skipped(reason)
        return remove_layer(Path(path), self._prover.driver)

    def still_there(self, target: Owner) -> bool | None:
        return Path(target.id).exists()


class Prover:
    """Keeps the last proof for a moment, so that forty orphans do not mean forty readings of every database."""

    def __init__(self, context: RunContext, engine: EngineSession) -> None:
        self._context = context
        self._engine = engine
        self._store: Reading[Store] | None = None
        self._proved_at = 0.0

    def why_not(self, path: str) -> str:
        """The reason not to remove `path` now, "" when it is proved an orphan this very moment."""
        root = self._context.docker_root
        if root is None:
            return "the Docker root is not known"
        if reason := self._read_again(Path(root)):
            return reason
        store = self._store
        if not isinstance(store, Exact) or not isinstance(store.value.orphans, Exact):
            return "its owners could not be read again"
        proof = next((p for p in store.value.orphans.value if self._path(store.value, p.unit) == path), None)
        if proof is None:
            return "something uses it now, or it is gone"
        if proof.verdict is not Orphanhood.ORPHAN:
            return f"the proof no longer holds: {proof.note}"
        host = self._context.host
        return mounted_inside(host, path) or given_to_container(self._engine, host, path)

    def _read_again(self, root: Path) -> str:
        """Read the store, unless that was only just done; why it makes no sense now, "" where it does."""
        if time.monotonic() - self._proved_at <= _PROOF_GOOD_S:
            return ""
        if reason := busy(self._engine, root, self._context.grace_s):
            return reason
        self._store = read_again(self._context, self._engine, root)
        self._proved_at = time.monotonic()
        return ""

    @property
    def driver(self) -> str:
        """Of the store that the last proof was made with; "" before the first."""
        return self._store.value.driver if isinstance(self._store, Exact) else ""

    def _path(self, store: Store, unit_id: str) -> str:
        units: tuple[Unit, ...] = store.units.value if isinstance(store.units, Exact) else ()
        return next((unit.path for unit in units if unit.id == unit_id), unit_id)


def busy(engine: EngineSession, root: Path, grace_s: float) -> str:
    """What the engine is doing that makes layers, "" when it is idle or stopped. Whatever cannot be told is busy."""
    seen = writers(root, grace_s)
    if seen:
        return f"the engine is not idle: {seen}"
    if seen is None:
        return "whether the engine is idle cannot be told: its folder cannot be read"
    pulling = ingests((root / "containerd" / "daemon", root))
    if pulling:
        return f"the engine is not idle: {pulling}"
    try:
        listed = engine.get("/containers/json", {"all": "1"})
    except NoAnswer:
        return "" if stopped(engine) else "the engine does not answer, and it is not known to be stopped"
    return _in_motion(listed) or _building(engine)


def _in_motion(listed: Reply) -> str:
    """A container that is neither running nor at rest, "" where the engine lists none."""
    if not listed.ok or not isinstance(listed.body, list):
        return "the engine does not list its containers"
    for container in listed.body:
        state = container.get("State") if isinstance(container, dict) else None
        if state not in _QUIET_STATES:
            return f"a container is {state or 'in an unknown state'}"
    return ""


def _building(engine: EngineSession) -> str:
    query = {"type": "build-cache"} if (engine.api.major, engine.api.minor) >= (1, 42) else {}
    try:
        usage = engine.get("/system/df", query)
    except NoAnswer:
        return "the engine does not tell whether a build runs"
    body = usage.body if isinstance(usage.body, dict) else {}
    cache = body.get("BuildCache") or (body.get("BuildCacheUsage") or {}).get("Items") or []
    if any(isinstance(record, dict) and record.get("InUse") for record in cache):
        return "a build uses the cache"
    return ""
