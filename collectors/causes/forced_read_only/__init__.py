"""A superblock that the kernel turned read-only: nothing that writes will help."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext
from collectors.model.finding import Finding, Severity

ID = "forced-read-only"


def detect(context: FindingContext) -> Iterable[Finding]:
    """Mounted for writing, and read-only all the same."""
    mount = context.study.filesystem.mount
    if "ro" in mount.super_options and "rw" in mount.options:
        claim = f"the kernel turned {mount.mountpoint} read-only after an error"
        remedy = "read the kernel log, stop writers, repair or replace; never prune now"
        yield Finding(ID, Severity.P0, claim, None, (("device", mount.source),), remedy, (), True)


LINE = "the kernel turned the filesystem read-only after an error"
CAUSE = Cause(ID, None, None, None, LINE, detect)
