"""The forecast against a simulated fleet: is its interval honest, does it cry wolf, does it speak in time?

The seeds are not those that anything was tuned on. `python -m tests.bench.journal_forecast` prints the figures.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from collectors.history.forecast import forecast
from tests.history import fleet
from tests.history.judging import (
    EVERY,
    LEVELS,
    Kind,
    Score,
    ahead_of,
    escalated,
    false_alarm,
    four_hours_before,
    names,
    score,
)

SEEDS = range(10_000, 10_250)
RUNS_WATCHED = 12


@pytest.fixture(scope="module")
def scores() -> dict[str, Score]:
    return {kind.__name__: score(kind, SEEDS) for kind in fleet.GROWING}


@pytest.mark.parametrize("kind", names(fleet.GROWING))
def test_the_90_percent_interval_holds_the_truth_in_85_to_95_of_100_cases(kind: str, scores: dict[str, Score]) -> None:
    found = scores[kind]
    assert found.told >= 200
    assert 0.85 <= found.held / found.told <= 0.95, found


@pytest.mark.parametrize("kind", names(fleet.GROWING))
def test_a_host_that_will_cross_is_seldom_met_with_silence(kind: str, scores: dict[str, Score]) -> None:
    assert scores[kind].silent <= 0.03 * len(SEEDS), scores[kind]


@pytest.mark.parametrize("kind", EVERY, ids=names(EVERY))
def test_the_forecast_does_not_peek(kind: Kind) -> None:
    for seed in SEEDS[:5]:
        host = kind(seed)
        now = datetime.fromtimestamp(host.now_s, UTC)
        knowing = forecast(host.points, total=host.total, levels=LEVELS, now=now)
        assert knowing.crossings == ahead_of(host, host.now_s).crossings


@pytest.mark.parametrize(
    ("kind", "most"),
    [(fleet.sawtooth, 0.01), (fleet.step, 0.01), (fleet.flat_noise, 0.02), (fleet.kept_by_gc, 0.02)],
    ids=names(fleet.HARMLESS),
)
def test_harmless_hosts_raise_hardly_any_alarm(kind: Kind, most: float) -> None:
    said = {seed: false_alarm(kind(seed), RUNS_WATCHED) for seed in SEEDS[:215]}
    false = [seed for seed, alarm in said.items() if alarm]
    watched = sum(alarm is not None for alarm in said.values())
    assert watched >= 200
    assert len(false) < most * watched, false


def test_a_ramp_is_escalated_four_hours_before_it_crosses_80_percent() -> None:
    ramps = [kind(seed) for kind in (fleet.steady_ramp, fleet.noisy_ramp) for seed in SEEDS[:200]]
    outcomes = {(host.kind, host.seed): escalated(host, four_hours_before(host)) for host in ramps}
    late = [which for which, (by_any, _) in outcomes.items() if not by_any]
    unforeseen = [which for which, (_, foreseen) in outcomes.items() if not foreseen]
    assert len(late) <= 0.01 * len(ramps), late
    assert len(unforeseen) <= 0.02 * len(ramps), unforeseen
