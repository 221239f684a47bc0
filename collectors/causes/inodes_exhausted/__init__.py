"""Inodes run out while bytes are left; btrfs has no fixed number."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext
from collectors.model.finding import Finding, Severity

ID = "inodes-exhausted"


def detect(context: FindingContext) -> Iterable[Finding]:
    """Used inodes against their thresholds."""
    space = context.space
    percent = space.inodes_used_percent if space is not None else None
    if space is None or percent is None:
        return
    if percent >= context.limits.inodes_p1_percent:
        severity = Severity.P0 if percent >= context.limits.inodes_p0_percent else Severity.P1
        claim = f"{percent}% of the inodes are used: files cannot be made when they run out, whatever df says"
        left = (("free inodes", f"{space.inodes_available:,}"),)
        remedy = "remove images and build cache with many small files"
        yield Finding(ID, severity, claim, None, left, remedy, (), True)


LINE = "inodes run out: no file can be made, whatever df says of bytes"
CAUSE = Cause(ID, None, None, None, LINE, detect, symptom=True, wants_step=False)
