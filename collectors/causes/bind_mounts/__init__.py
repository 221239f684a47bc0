"""Host directories that containers write to: not in any figure of the engine's."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext, count
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category
from collectors.model.reading import charged
from collectors.model.store import UnitKind

ID = "bind-mounts"


def detect(context: FindingContext) -> Iterable[Finding]:
    """All of them together, as far as they are notable."""
    items = context.in_state(Category.OTHER_FILES, UnitKind.BIND.value)
    amount = context.sum(item.referenced for item in items)
    if items and context.notable(charged(amount)):
        evidence = tuple((f"{item.name} of {item.owner}", item.referenced) for item in items[:5])
        claim = f"{count(len(items), 'host directory', 'host directories')} mounted into containers"
        yield Finding(ID, Severity.P4, claim, amount, evidence, "inspect the containers' data", (), True)


LINE = "host directories that containers write to"
CAUSE = Cause(ID, Category.OTHER_FILES, None, None, LINE, detect)
