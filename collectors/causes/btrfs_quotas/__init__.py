"""Quotas that say themselves that they are wrong."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext
from collectors.model.btrfs import Btrfs, QuotaMode
from collectors.model.finding import Finding, Severity
from collectors.model.reading import Exact

ID = "btrfs-quotas"


def detect(context: FindingContext) -> Iterable[Finding]:
    """They are on, and flagged inconsistent."""
    quotas = facts.quotas if (facts := context.facts(Btrfs)) else None
    if isinstance(quotas, Exact) and quotas.value.mode is not QuotaMode.OFF and not quotas.value.consistent:
        claim = "quotas are on and flagged inconsistent: their figures are not used"
        remedy = "btrfs quota rescan, or switch quotas off"
        yield Finding(ID, Severity.P4, claim, None, (), remedy, (), True)


LINE = "btrfs quotas are on and flagged inconsistent"
CAUSE = Cause(ID, None, None, None, LINE, detect)
