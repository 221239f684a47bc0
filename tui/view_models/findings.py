"""The findings of a report as a screen shows them: which may be claimed, about which category, in which order. Pure.

Refuses a claim about bytes of a category that was not read, whoever makes it.
"""

from __future__ import annotations

from collectors import causes
from collectors.model.finding import Finding, Severity
from collectors.model.reading import Unavailable
from collectors.model.report import Report
from tui.view_models.frame import Frame

_MARKS = {
    Severity.P0: ("✖", "CRITICAL"),
    Severity.P1: ("▲", "HIGH"),
    Severity.P2: ("◆", "MEDIUM"),
    Severity.P3: ("●", "LOW"),
    Severity.P4: ("○", "INFO"),
    Severity.OK: ("✔", "OK"),
}


def chip(severity: Severity, *, word: bool) -> str:
    """` P0 ✖ CRITICAL `, or ` P0 ✖ ` without the word."""
    glyph, name = _MARKS[severity]
    if severity is Severity.OK:
        return f" {glyph} OK " if word else f" {glyph}  "
    return f" {severity.name} {glyph} {name} " if word else f" {severity.name} {glyph} "


def word(severity: Severity) -> str:
    return _MARKS[severity][1]


def glyph(severity: Severity) -> str:
    return _MARKS[severity][0]


def ordered(frame: Frame) -> tuple[Finding, ...]:
    """Worst first; among equals in the order of the diagnosis; what is resolved after them."""
    return (*sorted(claimable(frame.report), key=lambda finding: -finding.severity), *frame.resolved)


def category_of(report: Report, finding: Finding) -> str:
    """The category a finding is about: its own, that of the items it would remove, or that of its cause; "" if none.

    Findings of a journal or of an older recording do not carry one.
    """
    if finding.category is not None:
        return finding.category.value
    owners = set(finding.owners)
    if owners and report.ledger is not None:
        for category, items in report.ledger.items.items():
            if any(item.owner_id in owners for item in items):
                return category.value
    cause = causes.find(finding.rule)
    return cause.category.value if cause is not None and cause.category is not None else ""


def claimable(report: Report) -> tuple[Finding, ...]:
    """The findings without those that are sure of bytes in a category whose reading failed."""
    if report.ledger is None:
        return report.findings
    unread = {row.category.value for row in report.ledger.rows if isinstance(row.charged, Unavailable)}
    return tuple(
        finding
        for finding in report.findings
        if not (finding.certain and finding.bytes is not None and category_of(report, finding) in unread)
    )
