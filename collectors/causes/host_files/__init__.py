"""Files outside Docker: when Docker is not the culprit, say so and name the directories."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext, largest
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category
from collectors.model.reading import charged

ID = "host-files"


def detect(context: FindingContext) -> Iterable[Finding]:
    """They are more than a third of what is used."""
    row = context.ledger.row(Category.OTHER_FILES)
    if context.used_bytes and charged(row.charged) > context.used_bytes // 3:
        evidence = largest(context.items(Category.OTHER_FILES))
        claim, remedy = "files outside Docker on the same filesystem", "inspect the largest directories"
        yield Finding(ID, Severity.P4, claim, row.charged, evidence, remedy, (), True)


LINE = "files outside Docker on the same filesystem, with the largest directories"
CAUSE = Cause(ID, Category.OTHER_FILES, None, None, LINE, detect)
