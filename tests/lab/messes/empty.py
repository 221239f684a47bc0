"""Nothing: an engine that has just been installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab.truth import Planted

if TYPE_CHECKING:
    from tests.lab.lab import Lab


def make(lab: Lab) -> list[Planted]:
    """Plant nothing."""
    return []
