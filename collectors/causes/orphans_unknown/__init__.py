"""The admission that proof was not possible."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category
from collectors.model.reading import Exact, Unavailable, Why

ID = "orphans-unknown"


def detect(context: FindingContext) -> Iterable[Finding]:
    """The store was read, but not all that may own its layers."""
    store = context.snapshot.store
    told = store.value.orphans if isinstance(store, Exact) else None
    if isinstance(told, Unavailable) and told.why is not Why.NOT_APPLICABLE:
        why = (("reason", f"{told.why}: {told.detail}"),)
        claim, remedy = "whether layers are orphaned could not be told", "see Coverage for what could not be read"
        yield Finding(ID, Severity.P4, claim, None, why, remedy, (), False)


LINE = "whether layers are orphaned could not be told"
CAUSE = Cause(ID, Category.ORPHANS, None, None, LINE, detect)
