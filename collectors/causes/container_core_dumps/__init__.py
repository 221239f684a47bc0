"""Core dumps in writable layers."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext, detect_inside
from collectors.model.finding import Finding
from collectors.model.ledger import Category
from collectors.model.store import UnitKind

ID = "container-core-dumps"


def detect(context: FindingContext) -> Iterable[Finding]:
    """All of them together, as far as they are notable."""
    remedy = "copy out what is needed, remove it, set ulimit core=0"
    return detect_inside(context, ID, UnitKind.CORE_DUMP, "core dump", remedy)


LINE = "core dumps in the writable layers of containers"
CAUSE = Cause(ID, Category.CONTAINERS, None, None, LINE, detect, inside=UnitKind.CORE_DUMP)
