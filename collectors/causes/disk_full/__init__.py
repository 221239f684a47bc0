"""Used bytes against the thresholds."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext
from collectors.model.finding import Finding, Severity
from collectors.model.reading import Exact, Unavailable, charged

ID = "disk-full"


def detect(context: FindingContext) -> Iterable[Finding]:
    """The highest threshold that is reached."""
    space, limits = context.study.filesystem.space, context.limits
    if isinstance(space, Unavailable):
        return
    levels = ((limits.p0_percent, Severity.P0), (limits.p1_percent, Severity.P1), (limits.p2_percent, Severity.P2))
    for level, severity in levels:
        if space.value.used_percent >= level:
            rows = sorted(context.ledger.rows, key=lambda row: -charged(row.charged))
            told = tuple((row.category.value, row.charged) for row in rows[:4] if charged(row.charged) > 0)
            used = Exact(space.value.used_bytes, space.origin)
            yield Finding(ID, severity, f"the disk is above {level}%", used, told, "follow the plan", (), True)
            return


LINE = "the disk is fuller than a threshold: 70, 80, 90 %"
CAUSE = Cause(ID, None, None, None, LINE, detect, symptom=True, wants_step=False)
