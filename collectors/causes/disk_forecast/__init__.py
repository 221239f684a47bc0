"""A threshold that will be crossed soon: escalate before, not after."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext
from collectors.forecast.crossings import imminent
from collectors.forecast.series import USED
from collectors.model.finding import Finding, Severity

ID = "disk-forecast"


def detect(context: FindingContext) -> Iterable[Finding]:
    """The worst threshold that is met within its horizon."""
    limits = context.limits
    ahead = {crossing.percent: crossing for crossing in context.trend.crossings}
    levels = (
        (limits.p0_percent, limits.forecast_p1_hours, Severity.P1),
        (limits.p1_percent, limits.forecast_p2_hours, Severity.P2),
    )
    now = context.snapshot.ended_at
    watched_s = max((growth.span_s for growth in context.trend.growth if growth.key == USED), default=0.0)
    for percent, hours, severity in levels:
        crossing = ahead.get(percent)
        if crossing is None:
            continue
        left_h = max(0.0, (crossing.at - now).total_seconds() / 3600)
        if imminent((crossing,), percent, now=now, within=timedelta(hours=hours), watched_s=watched_s):
            when = crossing.at.strftime("%H:%M UTC")
            growth = max(context.trend.growth, key=lambda g: g.bytes_per_day if g.key != USED else -1, default=None)
            evidence = (
                ("earliest", crossing.earliest.strftime("%Y-%m-%dT%H:%M:%SZ")),
                ("latest", crossing.latest.strftime("%Y-%m-%dT%H:%M:%SZ") if crossing.latest else "never"),
                ("grows most", growth.key if growth else "not known"),
            )
            left = f"{left_h:.1f} h" if left_h >= 1 else f"{left_h * 60:.0f} min"
            claim = f"at this rate {percent}% is crossed at {when}, in {left}"
            yield Finding(ID, severity, claim, None, evidence, "follow the plan before that", (), True)
            return


LINE = "at the present rate a threshold is crossed within hours"
CAUSE = Cause(ID, None, None, None, LINE, detect, symptom=True, wants_step=False)
