"""Used bytes against the thresholds.

A threshold that will be crossed soon: escalate before, not after.

A filesystem that could not be asked how full it is: a finding too, never a zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from collectors.causes.base import Cause
from collectors.causes.finding_context import FindingContext, at_path
from collectors.forecast import USED
from collectors.forecast.crossings import imminent
from collectors.model.finding import Finding, Severity
from collectors.model.holder import Resource
from collectors.model.reading import Exact, Unavailable

ID = "disk-full"


def detect(context: FindingContext) -> Iterable[Finding]:
    """The highest threshold that is reached."""
    space, limits = context.study.filesystem.space, context.limits
    if isinstance(space, Unavailable):
        return
    levels = ((limits.p0_percent, Severity.P0), (limits.p1_percent, Severity.P1), (limits.p2_percent, Severity.P2))
    for level, severity in levels:
        if space.value.used_percent >= level:
            told = tuple((at_path(one), one.bytes) for one in context.ranking(Resource.BYTES).holders[:5])
            used = Exact(space.value.used_bytes, space.origin)
            yield Finding(ID, severity, f"the disk is above {level}%", used, told, "follow the plan", (), True)
            return


LINE = "the disk is fuller than a threshold: 70, 80, 90 %"
CAUSE = Cause(ID, None, None, None, LINE, detect, symptom=True, short_of=Resource.BYTES, wants_step=False)


FORECAST_ID = "disk-forecast"


def detect_forecast(context: FindingContext) -> Iterable[Finding]:
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
            yield Finding(FORECAST_ID, severity, claim, None, evidence, "follow the plan before that", (), True)
            return


FORECAST_LINE = "at the present rate a threshold is crossed within hours"
FORECAST = Cause(
    FORECAST_ID,
    None,
    None,
    None,
    FORECAST_LINE,
    detect_forecast,
    symptom=True,
    short_of=Resource.BYTES,
    wants_step=False,
    of_engine=True,
)


UNKNOWN_ID = "disk-unknown"


def detect_unknown(context: FindingContext) -> Iterable[Finding]:
    """statvfs failed."""
    space = context.study.filesystem.space
    if isinstance(space, Unavailable):
        why = (("reason", f"{space.why}: {space.detail}"),)
        remedy = "run where the Docker root can be seen"
        yield Finding(UNKNOWN_ID, Severity.P2, "how full the disk is could not be read", None, why, remedy, (), False)


UNKNOWN_LINE = "how full the disk is could not be read"
UNKNOWN = Cause(UNKNOWN_ID, None, None, None, UNKNOWN_LINE, detect_unknown, symptom=True, wants_step=False)
