"""The self-check of the exact walk did not close."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext
from collectors.model.btrfs import Btrfs
from collectors.model.finding import Finding, Severity
from collectors.model.reading import Exact

ID = "btrfs-inexact"


def detect(context: FindingContext) -> Iterable[Finding]:
    """What the walk counted and what the kernel counts differ."""
    sharing = facts.sharing if (facts := context.facts(Btrfs)) else None
    if not isinstance(sharing, Exact):
        return
    table = sharing.value
    if table.residual_data_bytes or table.residual_metadata_bytes:
        evidence = (
            ("data", f"{table.residual_data_bytes} bytes"),
            ("metadata", f"{table.residual_metadata_bytes} bytes"),
        )
        claim = "the exact walk and the kernel's own counters differ: sizes are inexact"
        yield Finding(ID, Severity.P3, claim, None, evidence, "run again", (), False)


LINE = "the exact walk of the btrfs and the kernel's own counters differ"
CAUSE = Cause(ID, None, None, None, LINE, detect)
