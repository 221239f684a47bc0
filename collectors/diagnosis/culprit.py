"""Which finding names who took the room: one answer for the verdict, the dashboard and the journal. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.model.finding import Finding
from collectors.model.sums import charged

# Findings that say how bad it is, not who it is.
SYMPTOMS = frozenset({"disk-full", "disk-forecast", "disk-unknown", "inodes-exhausted", "ext-reserve", "unattributed"})


def culprit(findings: Iterable[Finding]) -> Finding | None:
    """The worst of those that are certain and have bytes, the largest of the worst; None where there is none."""
    known = [f for f in findings if f.rule not in SYMPTOMS and f.certain and f.bytes is not None]
    return max(known, key=lambda f: (f.severity, charged(f.bytes) if f.bytes is not None else 0), default=None)
