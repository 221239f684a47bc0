"""Why a walk of the committed trees cannot go on."""

from __future__ import annotations

from collectors.sources.bounded import Malformed


class Stale(Malformed):
    """A block is not what its pointer promised: overwritten since, or damaged. The walk starts again."""


class Unsupported(Exception):
    """This layout cannot be read from the devices; the kernel's tree search can. The text says what it is."""
