"""What every handler works with during one run: the context, the engine, the clock, the listener."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from collectors.model.owner import Owner
from collectors.model.plan import Step
from collectors.model.reading import Exact
from collectors.reclaim.context import Context
from collectors.reclaim.engine_session import EngineSession
from collectors.reclaim.measure import read_fill
from collectors.reclaim.outcome import Event, EventKind
from collectors.reclaim.run_log import RunLog


@dataclass(frozen=True, slots=True)
class Tools:
    """Shared by all steps of a run. `stuck` are deleted subvolumes that the cleaner cannot get at for now."""

    context: Context
    engine: EngineSession
    log: RunLog
    on_event: Callable[[Event], None]
    cancelled: Callable[[], bool]
    stuck: set[int] = field(default_factory=set)

    def tell(
        self,
        kind: EventKind,
        step: Step | None = None,
        *,
        target: Owner | None = None,
        text: str = "",
        done: int = 0,
        total: int = 0,
        freed: int | None = None,
    ) -> None:
        """One event to whoever listens."""
        self.on_event(Event(datetime.now(UTC), kind, step.id if step else "", target, text, done, total, freed))

    def now(self) -> datetime:
        """UTC."""
        return datetime.now(UTC)

    def reached(self) -> bool:
        """Is used at or below the target?"""
        target = self.context.target_percent
        if target is None:
            return False
        here = read_fill(self.context.mountpoint)
        return isinstance(here, Exact) and here.value.used_percent <= target

    def containers(self) -> list[dict[str, Any]] | None:
        """All containers, stopped ones too; None where the engine does not list them. Raises NoAnswer."""
        listed = self.engine.get("/containers/json", {"all": "1"})
        if not listed.ok or not isinstance(listed.body, list):
            return None
        return [one for one in listed.body if isinstance(one, dict)]

    def come_back(self, step: Step) -> None:
        """Wait for an engine that restarts. Raises StillDown."""
        limit = self.context.engine_return_s

        def waiting(spent_s: float) -> bool:
            self.tell(EventKind.WAITING, step, text="the engine does not answer", done=int(spent_s), total=int(limit))
            return not self.cancelled()

        self.engine.wait_back(limit, waiting)
