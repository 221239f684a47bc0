"""What lies inside writable layers and volumes, for the causes that are about it: it goes with what holds it."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.finding_context import FindingContext, count, largest
from collectors.model.finding import Finding
from collectors.model.store import UnitKind
from collectors.model.sums import charged


def detect_inside(context: FindingContext, cause: str, kind: UnitKind, what: str, remedy: str) -> Iterable[Finding]:
    """All things of this kind together, whatever category they are charged in; `what` names one of them."""
    items = [i for items in context.ledger.items.values() for i in items if i.state == kind.value]
    amount = context.sum(item.referenced for item in items)
    if items and context.notable(charged(amount)):
        claim = f"{count(len(items), what)}: {items[0].name}"
        yield Finding(cause, context.severity(amount), claim, amount, largest(items), remedy, (), True)
