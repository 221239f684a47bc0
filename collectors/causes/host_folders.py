"""Directories of the host that fill up by themselves, for the causes that are about one of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from collectors.causes.finding_context import FindingContext, largest
from collectors.causes.plan_context import PlanContext
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category
from collectors.model.reading import Between
from collectors.model.sums import charged


def detect_folders(
    context: FindingContext, cause: str, pattern: re.Pattern[str], what: str, remedy: str
) -> Iterable[Finding]:
    """All directories whose path matches, together, as far as they are notable."""
    inside = [i for i in context.items(Category.OTHER_FILES) if pattern.fullmatch(i.name)]
    amount = context.sum(item.referenced for item in inside)
    if inside and context.notable(charged(amount)):
        claim = f"{what} in {inside[0].name}"
        yield Finding(cause, context.severity(amount, Severity.P4), claim, amount, largest(inside), remedy, (), True)


def folder_of(context: PlanContext, cause: str) -> tuple[str, int] | None:
    """The largest directory that the finding names, and the bytes of all."""
    finding = context.found(cause)
    if finding is None or finding.bytes is None or not finding.evidence:
        return None
    return finding.evidence[0][0], charged(finding.bytes)


def estimate(context: PlanContext, cause: str, best: int, most: int, method: str) -> Between:
    """What a tool that chooses by itself may free, in bytes."""
    return Between(best, 0, most, 0.9, method, context.origin(cause))
