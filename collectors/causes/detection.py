"""Look for every cause and put what was found in order, worst first. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from collectors import causes
from collectors.causes.finding_context import FindingContext
from collectors.model.finding import Finding, Severity
from collectors.model.reading import charged


def detect(context: FindingContext) -> tuple[Finding, ...]:
    """All findings of one filesystem, worst first, then largest; each with the category of its cause.

    Of another filesystem than the Docker root's they name it.
    """
    mount = "" if context.of_root else context.study.filesystem.mount.mountpoint
    found = [
        replace(finding, category=finding.category or cause.category, claim=_placed(finding.claim, mount), mount=mount)
        for cause in causes.CAUSES
        if context.of_root or not cause.of_engine
        for finding in cause.detect(context)
    ]
    return in_order(found)


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The worst first, then the largest."""
    return tuple(sorted(findings, key=_order))


def _placed(claim: str, mount: str) -> str:
    return f"{claim} (on {mount})" if mount and mount not in claim else claim


def severity(findings: Iterable[Finding]) -> Severity:
    """The worst of them; OK where there is none."""
    return max((finding.severity for finding in findings), default=Severity.OK)


def is_symptom(finding: Finding) -> bool:
    """Does it say how bad it is, not who it is?"""
    cause = causes.find(finding.rule)
    return cause is not None and cause.symptom


def _order(finding: Finding) -> tuple[int, int, str]:
    return (-int(finding.severity), -_bytes(finding), finding.rule)


def _bytes(finding: Finding) -> int:
    return charged(finding.bytes) if finding.bytes is not None else 0
