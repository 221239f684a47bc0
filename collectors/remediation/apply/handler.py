"""What a step's handler is: re-verify a target, act on it, and after a lost answer read what became of it."""

from __future__ import annotations

from abc import ABC, abstractmethod

from collectors.model.owner import Owner
from collectors.model.plan import Step
from collectors.remediation.apply.act import Act
from collectors.remediation.apply.tools import Tools


class Handler(ABC):
    """One kind of step. Each method may raise Lost; what a kind has nothing to say about it leaves as it is here."""

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
