"""The plan."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from collectors.model.finding import Finding
from collectors.model.ids import OwnerId
from collectors.model.ledger import Books, Ledger
from collectors.model.plan import Plan
from collectors.model.snapshot import Snapshot
from collectors.remediation.plan.keep import Rules


def plan(
    snapshot: Snapshot,
    ledger: Ledger,
    books: Books,
    findings: tuple[Finding, ...],
    rules: Rules,
    last_used: Mapping[OwnerId, datetime],
    now: datetime,
    *,
    until_percent: float | None,
) -> Plan:
    """What would help on this filesystem, safest first.

    `last_used` maps owners to when the journal last saw them in use (or, never used, first saw them at all).
    `until_percent` keeps only the shortest safest steps that bring used down to it, and says so where nothing can.
    """
    raise NotImplementedError
