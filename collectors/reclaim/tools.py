"""What removers work with, and what one is: each cause has its own in its `remove.py`.

What every handler works with during one run: the context, the engine, the clock, the listener.

How a step is done: each cause that removes something has a class of one of these two kinds in its `remove.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from collectors.engine.reply import Reply
from collectors.model.owner import Owner
from collectors.model.plan import Step
from collectors.model.reading import Exact
from collectors.reclaim.act import GONE, REMOVED, Act, Event, EventKind, failed
from collectors.reclaim.context import Context
from collectors.reclaim.engine_session import EngineSession
from collectors.reclaim.measure import read_fill
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


class Remover(ABC):
    """Target by target: re-verify it, act on it, and after a lost answer read what became of it.

    Each method may raise NoAnswer; what a cause has nothing to say about it leaves as it is here.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def before(self, step: Step) -> str:
        """The reason to leave the whole step alone, "" for none."""
        return ""

    def names(self, target: Owner) -> tuple[str, ...]:
        """Names that the run log has to know before the target is touched, so that they can be put back."""
        return ()

    @abstractmethod
    def act(self, step: Step, target: Owner) -> Act:
        """Verify once more, then remove."""

    def still_there(self, target: Owner) -> bool | None:
        """After an answer that never came: is it still there? None: that cannot be told."""
        return None

    def put_back(self, target: Owner, names: tuple[str, ...]) -> None:
        """After an answer that never came, for a target that is still there: give it back what it lost of `names`."""
        return


class WholeStep(ABC):
    """In one go. May raise NoAnswer."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    @abstractmethod
    def perform(self, step: Step, acts: dict[Owner, Act]) -> Act:
        """Do it, say in `acts` what came of each target, and give back what came of all; its reason is the note."""


def exists(tools: Tools, path: str) -> bool | None:
    """Does the engine know this object? None: it does not tell. Raises NoAnswer."""
    reply = tools.engine.get(path)
    return False if reply.status == 404 else (True if reply.ok else None)


def act_of(reply: Reply) -> Act:
    """What the engine's answer to a removal means."""
    if reply.ok:
        return REMOVED
    return GONE if reply.status == 404 else failed(reply.message)
