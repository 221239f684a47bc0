"""Why a walk of the committed trees cannot go on."""

from __future__ import annotations

from collectors.system.deadline import Malformed


class Stale(Malformed):
    """A block is not what its pointer promised: overwritten since, or damaged. The walk starts again."""


class Unsupported(Exception):
    """This filesystem cannot be read from its devices; the kernel's tree search may do. The text says why."""

    def __init__(self, why: str, restarts: int = 0) -> None:
        super().__init__(why)
        self.restarts = restarts
