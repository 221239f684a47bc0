"""Run every rule and put the findings in order, worst first."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.diagnosis.case import Case
from collectors.diagnosis.rules import RULES
from collectors.model.finding import Finding, Severity
from collectors.model.sums import charged


def diagnose(case: Case) -> tuple[Finding, ...]:
    """All findings of one filesystem, worst first, then largest."""
    found = [finding for rule in RULES for finding in rule(case)]
    return tuple(sorted(found, key=_order))


def severity(findings: Iterable[Finding]) -> Severity:
    """The worst of them; OK where there is none."""
    return max((finding.severity for finding in findings), default=Severity.OK)


def _order(finding: Finding) -> tuple[int, int, str]:
    size = charged(finding.bytes) if finding.bytes is not None else 0
    return (-int(finding.severity), -size, finding.rule)
