"""Escalation before a threshold is crossed: which forecast becomes a finding, how bad, and in which words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from collectors.causes.disk_full import detect_forecast
from collectors.causes.finding_context import FindingContext
from collectors.model.plan import Severity
from collectors.model.report import Crossing, Growth, TrendView
from collectors.model.settings import DEFAULTS

NOW = datetime(2026, 10, 12, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def context(*ahead: tuple[int, float], span_h: float = 24.0) -> FindingContext:
    """Crossings by percent and minutes from now, sure within a minute, after so many hours of history."""
    trend = TrendView(
        runs=72,
        oldest=NOW - timedelta(hours=span_h),
        growth=(
            Growth("used", 9 << 30, 8 << 30, 10 << 30, 72, span_h * 3600, None),
            Growth("logs", 7 << 30, 6 << 30, 8 << 30, 72, span_h * 3600, None),
            Growth("images", 2 << 30, 1 << 30, 3 << 30, 72, span_h * 3600, None),
        ),
        crossings=tuple(
            Crossing(percent, NOW + at * MINUTE, NOW + (at - 1) * MINUTE, NOW + (at + 1) * MINUTE)
            for percent, at in ahead
        ),
        churn=(),
        used_percent=(),
        reason="",
        skipped_lines=0,
    )
    return cast(
        FindingContext, SimpleNamespace(limits=DEFAULTS.thresholds, trend=trend, snapshot=SimpleNamespace(ended_at=NOW))
    )


@pytest.mark.parametrize(
    ("ahead", "severity", "claim"),
    [
        ([(90, 222)], Severity.P1, "at this rate 90% is crossed at 12:42 UTC, in 3.7 h"),
        ([(90, 25)], Severity.P1, "at this rate 90% is crossed at 09:25 UTC, in 25 min"),
        ([(90, 25), (80, 5)], Severity.P1, "at this rate 90% is crossed at 09:25 UTC, in 25 min"),
        ([(90, 700), (80, 500)], Severity.P2, "at this rate 80% is crossed at 17:20 UTC, in 8.3 h"),
    ],
)
def test_what_will_soon_be_crossed_is_a_finding_of_the_worst_level(
    ahead: list[tuple[int, float]], severity: Severity, claim: str
) -> None:
    (found,) = detect_forecast(context(*ahead))
    assert (found.severity, found.claim) == (severity, claim)
    assert ("grows most", "logs") in found.evidence


@pytest.mark.parametrize("ahead", [[], [(100, 30)], [(90, 700)], [(80, 24 * 60 + 30)]])
def test_what_is_far_off_or_judges_nothing_is_no_finding(ahead: list[tuple[int, float]]) -> None:
    assert list(detect_forecast(context(*ahead))) == []


def test_a_short_history_does_not_foretell_a_day() -> None:
    assert list(detect_forecast(context((80, 500), span_h=2.0))) == []
    assert [found.severity for found in detect_forecast(context((90, 30), span_h=2.0))] == [Severity.P1]
