"""Growth: measured inside runs, robustly, with the doubt that belongs to it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.forecast import Point, split
from collectors.forecast.slope import measure, quantile
from collectors.model.settings import Thresholds
from tests.forecast.trend import Trend, trend
from tests.journal.build import GIB, HOUR, points

RUN_S = 1200.0


def _at(known: Sequence[Point]) -> datetime:
    return datetime.fromtimestamp(known[-1].at_s, UTC)


def _trend(known: Sequence[Point]) -> Trend:
    found = trend(known, now=_at(known))
    assert found is not None
    return found


def _ramp(
    count: int, rate_per_h: float = GIB, start: float = 50 * GIB, noise: float = 0.0, seed: int = 0
) -> list[float]:
    rng = random.Random(seed)
    return [start + rate_per_h * index / 3 + rng.gauss(0, noise) for index in range(count)]


@pytest.mark.parametrize("count", [0, 1, 5, 6])
def test_nothing_is_said_from_few_runs_or_two_short_hours(count: int) -> None:
    known = points(_ramp(count))
    assert trend(known, now=datetime(2027, 1, 20, tzinfo=UTC)) is None


def test_seven_runs_over_two_hours_are_enough() -> None:
    assert _trend(points(_ramp(7))).slope_bytes_per_s == pytest.approx(GIB / HOUR)


def test_points_after_now_are_not_looked_at() -> None:
    known = points([*_ramp(40), *([0.0] * 40)])
    assert trend(known, now=_at(known[:40])) == trend(known[:40], now=_at(known[:40]))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.2, 1.0]), st.randoms(use_true_random=False))
def test_order_and_repetition_of_samples_do_not_matter(seed: int, noise: float, rng: random.Random) -> None:
    known = points(_ramp(60, noise=noise * GIB, seed=seed))
    mixed = known + rng.sample(known, 10)
    rng.shuffle(mixed)
    assert trend(mixed, now=_at(known)) == trend(known, now=_at(known))


def test_a_tenth_of_wild_samples_moves_the_slope_little() -> None:
    rng = random.Random(1)
    values = [value + (rng.choice((-20, 20)) * GIB if index % 11 == 5 else 0) for index, value in enumerate(_ramp(150))]
    assert _trend(points(values)).slope_bytes_per_s * HOUR == pytest.approx(GIB, rel=0.2)


def test_a_pull_is_a_step_and_no_growth() -> None:
    values = [100 * GIB + (9 * GIB if index >= 30 else 0) for index in range(60)]
    found = _trend(points(values))
    assert found.slope_bytes_per_s == pytest.approx(0, abs=1)
    assert [step.bytes for step in found.steps] == [9 * GIB]


def test_a_pull_on_a_ramp_leaves_the_ramp() -> None:
    values = [value + (9 * GIB if index >= 30 else 0) for index, value in enumerate(_ramp(80))]
    found = _trend(points(values))
    assert found.slope_bytes_per_s * HOUR == pytest.approx(GIB, rel=0.02)
    assert len(found.steps) == 1


def test_pulls_that_keep_coming_are_growth() -> None:
    values = [50 * GIB + 2 * GIB * (index // 6) for index in range(120)]  # 2 GiB every 2 h
    found = _trend(points(values))
    assert found.slope_bytes_per_s * HOUR == pytest.approx(GIB, rel=0.15)
    assert found.steps == ()


def test_a_prune_ends_a_run_and_is_no_negative_growth() -> None:
    values = [60 * GIB + (index % 36) * GIB / 3 for index in range(108)]
    found = _trend(points(values))
    assert found.slope_bytes_per_s * HOUR == pytest.approx(GIB, rel=0.02)
    assert (found.segments, found.drops) == (3, 2)
    assert found.dropped_bytes == pytest.approx(2 * 35 / 3 * GIB, rel=0.01)


def test_a_prune_that_takes_two_samples_is_one_drop() -> None:
    values = [60.0 * GIB + (index * GIB / 3 if index < 40 else 0.0) for index in range(80)]
    values[39] = 66.0 * GIB
    assert _trend(points(values)).drops == 1


@pytest.mark.parametrize("what", ["reboot", "gap"])
def test_growth_is_not_measured_across_a_reboot_or_a_gap(what: str) -> None:
    known = points(_ramp(40)) + [
        Point(1.8e9 + (40 + index) * RUN_S + (6 * HOUR if what == "gap" else 0), point.value + 30 * GIB, boot)
        for boot in ["boot-2" if what == "reboot" else "boot-1"]
        for index, point in enumerate(points(_ramp(40)))
    ]
    found = _trend(known)
    assert found.segments == 2
    assert found.slope_bytes_per_s * HOUR == pytest.approx(GIB, rel=0.02)


def test_a_single_missed_run_is_no_gap() -> None:
    known = points(_ramp(40))
    del known[20]
    assert _trend(known).segments == 1


def test_a_ramp_that_began_hours_ago_is_seen_at_its_own_pace() -> None:
    values = [40 * GIB] * 216 + _ramp(15, start=40 * GIB, rate_per_h=2 * GIB)
    found = _trend(points(values))
    assert found.slope_bytes_per_s * HOUR == pytest.approx(2 * GIB, rel=0.25)
    assert found.span_s <= 8 * HOUR


def test_a_ramp_that_stopped_is_over() -> None:
    values = _ramp(100) + [_ramp(100)[-1]] * 20
    assert _trend(points(values)).slope_bytes_per_s * HOUR == pytest.approx(0, abs=0.1 * GIB)


def test_constant_values_have_no_growth_and_no_doubt() -> None:
    found = _trend(points([70.0 * GIB] * 50))
    assert (found.slope_bytes_per_s, found.low_bytes_per_s, found.high_bytes_per_s) == (0, 0, 0)
    assert not found.growing


def test_daily_runs_have_a_trend_as_well() -> None:
    known = points(_ramp(30, rate_per_h=3 * GIB), every_s=86400.0)
    assert _trend(known).slope_bytes_per_s * 86400 == pytest.approx(GIB)


def test_white_noise_and_a_random_walk_are_told_apart() -> None:
    rng = random.Random(3)
    white = [(index * RUN_S, rng.gauss(0, 100.0)) for index in range(2000)]
    found = measure([white])
    assert found is not None
    assert found.white == pytest.approx(10_000, rel=0.2)
    assert found.walk * 86400 < 1_000
    total, walk = 0.0, []
    for index in range(2000):
        total += rng.gauss(0, 100.0)
        walk.append((index * RUN_S, total))
    found = measure([walk])
    assert found is not None
    assert found.walk * RUN_S == pytest.approx(10_000, rel=0.6)


def test_a_straight_line_has_no_scatter_however_steep() -> None:
    found = measure([[(index * RUN_S, 1e9 * index) for index in range(50)]])
    assert found is not None
    assert (found.white, found.walk) == pytest.approx((0, 0), abs=1)


@given(st.floats(1, 1e6), st.floats(1, 1e6))
def test_more_freedom_means_less_doubt(one: float, other: float) -> None:
    assert quantile(min(one, other)) >= quantile(max(one, other)) >= 1.645


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 1 << 50), min_size=2, max_size=60))
def test_runs_end_at_their_measured_values_whatever_the_history(values: list[int]) -> None:
    known = points(values)
    parts = split(known)
    assert sum(map(len, parts.runs)) == len(known)
    at_s, value = parts.runs[-1][-1]
    assert at_s == known[-1].at_s
    assert value == pytest.approx(known[-1].value, abs=1)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 1 << 50), min_size=0, max_size=40), st.sampled_from([1.0, 60.0, 1200.0, 86400.0]))
def test_no_history_breaks_it(values: list[int], every_s: float) -> None:
    from collectors.forecast.crossings import forecast

    known = points(values, every_s=every_s)
    now = datetime.fromtimestamp(1.8e9, UTC) + timedelta(seconds=every_s * len(values))
    found = trend(known, now=now)
    assert found is None or found.low_bytes_per_s <= found.slope_bytes_per_s <= found.high_bytes_per_s
    ahead = forecast(known, total=1 << 50, thresholds=Thresholds(), now=now)
    for crossing in ahead.crossings:
        assert now <= crossing.earliest <= crossing.at
        assert crossing.latest is None or crossing.at <= crossing.latest
