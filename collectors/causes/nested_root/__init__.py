"""Engines inside containers that keep a whole Docker root of their own."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext, detect_inside
from collectors.model.finding import Finding
from collectors.model.store import UnitKind

ID = "nested-root"


def detect(context: FindingContext) -> Iterable[Finding]:
    """All of them together, as far as they are notable."""
    remedy = "prune with the inner engine"
    return detect_inside(context, ID, UnitKind.NESTED_ROOT, "Docker root inside a container", remedy)


LINE = "a whole Docker root inside a container or volume"
CAUSE = Cause(ID, None, None, None, LINE, detect, inside=UnitKind.NESTED_ROOT)
