"""The forecast against a simulated fleet: is its interval honest, does it cry wolf, does it speak in time?

The seeds are not those that anything was tuned on. `python -m tests.bench.journal_forecast` prints the figures.

What is promised are shares: the interval holds the truth in 85 to 95 of 100 cases, 3 of 100 hosts at most meet silence.
With `ULLAGE_FLEET=whole` (250 hosts of a kind, minutes) the shares themselves are what is counted. Without it 100 hosts
are drawn, and a count may be off its share by as much as a draw of that size is by chance: a forecast that just keeps a
promise is refused in one draw of a hundred, see `at_most` and `at_least`.
"""

from __future__ import annotations

import math
import os
from datetime import UTC, datetime
from functools import cache

import pytest

from collectors.forecast.crossings import forecast
from tests.forecast import fleet
from tests.forecast.judging import (
    EVERY,
    THRESHOLDS,
    Kind,
    Score,
    ahead_of,
    escalated,
    false_alarm,
    four_hours_before,
    names,
    score,
)

WHOLE = os.environ.get("ULLAGE_FLEET") == "whole"
SEEDS = range(10_000, 10_250) if WHOLE else range(10_000, 10_100)
ENOUGH = 4 * len(SEEDS) // 5  # of the hosts drawn must count, or the fleet says nothing
RUNS_WATCHED = 12


def at_most(share: float, count: int) -> int:
    """The most that may have a property which `share` of all have: of the whole fleet that share, else what 99 of 100
    draws of `count` hosts stay within."""
    if WHOLE:
        return int(share * count)
    below, found = 0.0, -1
    while below < 0.99:
        found += 1
        below += math.comb(count, found) * share**found * (1 - share) ** (count - found)
    return found


def at_least(share: float, count: int) -> int:
    """The fewest, likewise."""
    return count - at_most(1 - share, count)


@cache
def scored(kind: str) -> Score:
    """Both tests of a kind look at the same hosts."""
    return score(getattr(fleet, kind), SEEDS)


@pytest.mark.parametrize("kind", names(fleet.GROWING))
def test_the_90_percent_interval_holds_the_truth_in_85_to_95_of_100_cases(kind: str) -> None:
    found = scored(kind)
    assert found.told >= ENOUGH
    assert at_least(0.85, found.told) <= found.held <= at_most(0.95, found.told), found


@pytest.mark.parametrize("kind", names(fleet.GROWING))
def test_a_host_that_will_cross_is_seldom_met_with_silence(kind: str) -> None:
    assert scored(kind).silent <= at_most(0.03, len(SEEDS)), scored(kind)


def test_a_draw_is_held_to_its_share_and_what_chance_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.forecast.test_fleet.WHOLE", False)
    assert (at_least(0.85, 100), at_most(0.95, 100), at_most(0.03, 100), at_most(0.01, 100)) == (76, 99, 8, 4)
    monkeypatch.setattr("tests.forecast.test_fleet.WHOLE", True)
    assert (at_least(0.85, 250), at_most(0.95, 250), at_most(0.03, 250), at_most(0.01, 400)) == (213, 237, 7, 4)


@pytest.mark.parametrize("kind", EVERY, ids=names(EVERY))
def test_the_forecast_does_not_peek(kind: Kind) -> None:
    for seed in SEEDS[:5]:
        host = kind(seed)
        now = datetime.fromtimestamp(host.now_s, UTC)
        knowing = forecast(host.points, total=host.total, thresholds=THRESHOLDS, now=now)
        assert knowing.crossings == ahead_of(host, host.now_s).crossings


@pytest.mark.parametrize(
    ("kind", "most"),
    [(fleet.sawtooth, 0.01), (fleet.step, 0.01), (fleet.flat_noise, 0.02), (fleet.kept_by_gc, 0.02)],
    ids=names(fleet.HARMLESS),
)
def test_harmless_hosts_raise_hardly_any_alarm(kind: Kind, most: float) -> None:
    said = {seed: false_alarm(kind(seed), RUNS_WATCHED) for seed in (SEEDS[:215] if WHOLE else SEEDS)}
    false = [seed for seed, alarm in said.items() if alarm]
    watched = sum(alarm is not None for alarm in said.values())
    assert watched >= ENOUGH
    assert len(false) <= (math.ceil(most * watched) - 1 if WHOLE else at_most(most, watched)), false


def test_a_ramp_is_escalated_four_hours_before_it_crosses_80_percent() -> None:
    ramps = [kind(seed) for kind in (fleet.steady_ramp, fleet.noisy_ramp) for seed in SEEDS[: 200 if WHOLE else 50]]
    outcomes = {(host.kind, host.seed): escalated(host, four_hours_before(host)) for host in ramps}
    late = [which for which, (by_any, _) in outcomes.items() if not by_any]
    unforeseen = [which for which, (_, foreseen) in outcomes.items() if not foreseen]
    assert len(late) <= at_most(0.01, len(ramps)), late
    assert len(unforeseen) <= at_most(0.02, len(ramps)), unforeseen
