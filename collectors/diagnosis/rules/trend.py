"""What the journal adds: crossings ahead, and repositories that are rebuilt all day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from collectors.diagnosis.case import Case
from collectors.history.forecast import imminent
from collectors.history.series import USED
from collectors.model.finding import Finding, Severity
from collectors.model.sums import charged


def forecast(case: Case) -> Iterable[Finding]:
    """Escalate before a threshold is crossed, not after."""
    limits = case.limits
    ahead = {crossing.percent: crossing for crossing in case.trend.crossings}
    levels = (
        (limits.p0_percent, limits.forecast_p1_hours, Severity.P1),
        (limits.p1_percent, limits.forecast_p2_hours, Severity.P2),
    )
    now = case.snapshot.ended_at
    watched_s = max((growth.span_s for growth in case.trend.growth if growth.key == USED), default=0.0)
    for percent, hours, severity in levels:
        crossing = ahead.get(percent)
        if crossing is None:
            continue
        left_h = max(0.0, (crossing.at - now).total_seconds() / 3600)
        if imminent((crossing,), percent, now=now, within=timedelta(hours=hours), watched_s=watched_s):
            when = crossing.at.strftime("%H:%M UTC")
            growth = max(case.trend.growth, key=lambda g: g.bytes_per_day if g.key != "used" else -1, default=None)
            evidence = (
                ("earliest", crossing.earliest.strftime("%Y-%m-%dT%H:%M:%SZ")),
                ("latest", crossing.latest.strftime("%Y-%m-%dT%H:%M:%SZ") if crossing.latest else "never"),
                ("grows most", growth.key if growth else "not known"),
            )
            left = f"{left_h:.1f} h" if left_h >= 1 else f"{left_h * 60:.0f} min"
            claim = f"at this rate {percent}% is crossed at {when}, in {left}"
            yield Finding("disk-forecast", severity, claim, None, evidence, "follow the plan before that", (), True)
            return


def churn(case: Case) -> Iterable[Finding]:
    """Rebuilding one tag again and again leaves an image behind each time."""
    for one in case.trend.churn:
        if one.rebuilds >= 3 and case.notable(charged(one.dangling_bytes)):
            claim = f"{one.repository} rebuilt {one.rebuilds} times since {one.since.strftime('%H:%M UTC')}"
            evidence = (("new bytes come from", one.busting_step),) if one.busting_step else ()
            remedy = "order the Dockerfile so that what changes most comes last; prune dangling images and build cache"
            yield Finding("churn", Severity.P3, claim, one.dangling_bytes, evidence, remedy, (), True)


RULES = (forecast, churn)
