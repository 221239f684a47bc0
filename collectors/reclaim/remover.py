"""How a step is done: each cause that removes something has a class of one of these two kinds in its `remove.py`."""

from __future__ import annotations

from abc import ABC, abstractmethod

from collectors.engine.reply import Reply
from collectors.model.owner import Owner
from collectors.model.plan import Step
from collectors.reclaim.act import GONE, REMOVED, Act, failed
from collectors.reclaim.tools import Tools


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
    def perform(self, step: Step, acts: dict[Owner, Act]) -> str:
        """Do it, say in `acts` what came of each target, and give back the step's note."""


def exists(tools: Tools, path: str) -> bool | None:
    """Does the engine know this object? None: it does not tell. Raises NoAnswer."""
    reply = tools.engine.get(path)
    return False if reply.status == 404 else (True if reply.ok else None)


def act_of(reply: Reply) -> Act:
    """What the engine's answer to a removal means."""
    if reply.ok:
        return REMOVED
    return GONE if reply.status == 404 else failed(reply.message)
