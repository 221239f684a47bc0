"""Who took it: which findings may be claimed, which category each is about, and the biggest culprit. Pure.

Refuses a claim about bytes of a category that was not read, whoever makes it.
"""

from __future__ import annotations

from dataclasses import dataclass

from collectors.diagnosis import culprit as diagnosis
from collectors.model.finding import Finding
from collectors.model.ledger import Category
from collectors.model.reading import Unavailable
from collectors.model.report import Report
from collectors.model.sums import charged, floor
from collectors.report.words import bytes_, safe
from tui.categories import face


@dataclass(frozen=True, slots=True)
class Culprit:
    """What took the most that need not be there. `key` is the category to look at."""

    key: str
    amount: str
    claim: str
    certain: bool


def culprit(report: Report) -> Culprit | None:
    """The finding that the verdict of the preflight page names too, else the largest category that was measured."""
    worst = diagnosis.culprit(finding for finding in claimed(report) if _bytes(finding) > 0)
    if worst is not None:
        return Culprit(category_of(report, worst), bytes_(_bytes(worst)), safe(worst.claim), True)
    if report.ledger is None:
        return None
    read = [row for row in report.ledger.rows if not isinstance(row.charged, Unavailable) and charged(row.charged) > 0]
    read = [row for row in read if row.category is not Category.UNATTRIBUTED] or read
    if not read:
        return None
    largest = max(read, key=lambda row: charged(row.charged))
    title = face(largest.category).title
    return Culprit(
        largest.category.value, bytes_(charged(largest.charged)), f"{title.lower()}, the largest part", False
    )


def category_of(report: Report, finding: Finding) -> str:
    """The category a finding is about: that of the items it would remove, or that its rule names; "" if none."""
    owners = set(finding.owners)
    if owners and report.ledger is not None:
        for category, items in report.ledger.items.items():
            if any(item.owner_id in owners for item in items):
                return category.value
    rule = finding.rule.replace("-", "_")
    for category in Category:
        if category.value.rstrip("s") in rule:
            return category.value
    return ""


def claimed(report: Report) -> tuple[Finding, ...]:
    """The findings without those that are sure of bytes in a category whose reading failed."""
    if report.ledger is None:
        return report.findings
    unread = {row.category.value for row in report.ledger.rows if isinstance(row.charged, Unavailable)}
    return tuple(
        finding
        for finding in report.findings
        if not (finding.certain and finding.bytes is not None and category_of(report, finding) in unread)
    )


def _bytes(finding: Finding) -> int:
    return 0 if finding.bytes is None else floor(finding.bytes)
