"""Escalation before a threshold is crossed: which forecast becomes a finding, how bad, and in which words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from collectors.causes import btrfs_metadata
from collectors.causes.btrfs_metadata.balance import metadata_room
from collectors.causes.disk_full import detect_forecast
from collectors.causes.finding_context import FindingContext
from collectors.model.btrfs import Btrfs
from collectors.model.ledger import Books, Ledger
from collectors.model.plan import Severity
from collectors.model.reading import Exact
from collectors.model.report import Crossing, Growth, TrendView
from collectors.model.settings import DEFAULTS
from collectors.model.snapshot import FilesystemStudy, Snapshot
from tests.planning.build import GIB, HERE, btrfs

NOW = datetime(2026, 10, 12, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NO_STUDY, NO_LEDGER, NO_BOOKS = cast(FilesystemStudy, None), cast(Ledger, None), cast(Books, None)


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
    moment = cast(Snapshot, SimpleNamespace(ended_at=NOW))
    return FindingContext(moment, NO_STUDY, NO_LEDGER, NO_BOOKS, trend, DEFAULTS.thresholds)


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


def on_btrfs(facts: Btrfs, full_in_min: float | None) -> FindingContext:
    study = cast(FilesystemStudy, SimpleNamespace(filesystem_facts=Exact(facts, HERE)))
    at = [NOW + (full_in_min + more) * MINUTE for more in (0, -1, 1)] if full_in_min is not None else None
    plain = context()
    return replace(
        plain, study=study, trend=replace(plain.trend, trees_full=None if at is None else Crossing(100, *at))
    )


ROOMY = btrfs(data=[(GIB, GIB)] * 20, metadata=(GIB, GIB // 4), unallocated=8 * GIB)
PRESSED = btrfs(data=[(GIB, GIB)] * 20, metadata=(GIB, GIB - (16 << 20)))


@pytest.mark.parametrize(
    ("full_in_min", "severity", "when"),
    [(90, Severity.P1, "10:30 UTC, in 1.5 h"), (800, Severity.P2, "22:20 UTC, in 13.3 h"), (3000, None, "")],
)
def test_metadata_that_will_soon_be_full_is_a_finding(full_in_min: float, severity: Severity | None, when: str) -> None:
    found = list(btrfs_metadata.detect_forecast(on_btrfs(ROOMY, full_in_min)))
    assert [one.severity for one in found] == ([] if severity is None else [severity])
    assert all(f"metadata is full at {when}: writes fail then" in one.claim for one in found)


def test_where_metadata_presses_already_that_is_said_and_no_forecast() -> None:
    room = metadata_room(PRESSED)
    assert room is not None
    assert room.presses(DEFAULTS.thresholds.metadata_high_share)
    assert list(btrfs_metadata.detect_forecast(on_btrfs(PRESSED, 90))) == []
    assert list(btrfs_metadata.detect_forecast(on_btrfs(ROOMY, None))) == []
