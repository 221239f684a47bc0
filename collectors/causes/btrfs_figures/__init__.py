"""The self-check of the exact walk did not close.

Quotas that say themselves that they are wrong.
"""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext
from collectors.model.btrfs import Btrfs, QuotaMode
from collectors.model.finding import Finding, Severity
from collectors.model.reading import Exact

INEXACT_ID = "btrfs-inexact"


def detect_inexact(context: FindingContext) -> Iterable[Finding]:
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
        yield Finding(INEXACT_ID, Severity.P3, claim, None, evidence, "run again", (), False)


INEXACT_LINE = "the exact walk of the btrfs and the kernel's own counters differ"
INEXACT = Cause(INEXACT_ID, None, None, None, INEXACT_LINE, detect_inexact)


QUOTA_ID = "btrfs-quotas"


def detect_quota(context: FindingContext) -> Iterable[Finding]:
    """They are on, and flagged inconsistent."""
    quotas = facts.quotas if (facts := context.facts(Btrfs)) else None
    if isinstance(quotas, Exact) and quotas.value.mode is not QuotaMode.OFF and not quotas.value.consistent:
        claim = "quotas are on and flagged inconsistent: their figures are not used"
        remedy = "btrfs quota rescan, or switch quotas off"
        yield Finding(QUOTA_ID, Severity.P4, claim, None, (), remedy, (), True)


QUOTA_LINE = "btrfs quotas are on and flagged inconsistent"
QUOTA = Cause(QUOTA_ID, None, None, None, QUOTA_LINE, detect_quota)
