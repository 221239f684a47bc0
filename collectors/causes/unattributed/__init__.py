"""Used bytes that no source explains: the promise is that the books explain 99 %."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category
from collectors.model.reading import Exact

ID = "unattributed"


def detect(context: FindingContext) -> Iterable[Finding]:
    """The rest is larger than what may be left over."""
    row = context.ledger.row(Category.UNATTRIBUTED)
    if isinstance(row.charged, Exact) and context.used_bytes:
        left = row.charged.value
        if left > context.limits.unattributed_share * context.used_bytes and left >= context.limits.notable_bytes:
            why = (("why", row.reason or "every source was read; a mount may hide files below it"),)
            remedy = "run as root with the Docker root visible; see Coverage"
            claim = "used bytes that no source explains"
            yield Finding(ID, Severity.P3, claim, row.charged, why, remedy, (), False)


LINE = "used bytes that no source explains"
CAUSE = Cause(ID, Category.UNATTRIBUTED, None, None, LINE, detect, symptom=True, wants_step=False)
