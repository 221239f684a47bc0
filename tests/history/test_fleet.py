"""The forecast against a simulated fleet: is its interval honest, does it cry wolf, does it speak in time?

The seeds are not those that anything was tuned on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from collectors.history.forecast import Forecast, forecast
from collectors.history.hysteresis import fill, rule
from collectors.history.points import Levels, Point
from collectors.history.trend import study
from collectors.model.finding import Severity
from collectors.model.report import Crossing
from tests.history import fleet
from tests.history.fleet import DAY, HOUR, Host

LEVELS = Levels()
SEEDS = range(10_000, 10_250)
RUNS_WATCHED = 18
# What a sample every 20 minutes, late by up to 90 s, cannot tell.
GRAIN_S = 1200.0

Kind = Callable[[int], Host]


def _names(kinds: tuple[Kind, ...]) -> list[str]:
    return [kind.__name__ for kind in kinds]


def _forecast(host: Host, now_s: float) -> Forecast:
    now = datetime.fromtimestamp(now_s, UTC)
    return forecast(host.seen(now_s), total=host.total, levels=LEVELS, now=now)


@dataclass
class Score:
    """`held` of `told` intervals held the truth; `silent` hosts will cross and nothing was foretold."""

    told: int = 0
    held: int = 0
    silent: int = 0


def _score(kind: Kind) -> Score:
    score = Score()
    for seed in SEEDS:
        host = kind(seed)
        truth_s = host.crossing_s(80, host.now_s)
        if truth_s is None or truth_s <= host.now_s:
            continue
        crossing = next((one for one in _forecast(host, host.now_s).crossings if one.percent == 80), None)
        if crossing is None:
            score.silent += 1
            continue
        score.told += 1
        score.held += _holds(crossing, truth_s)
    return score


def _holds(crossing: Crossing, truth_s: float) -> bool:
    latest_s = crossing.latest.timestamp() if crossing.latest else float("inf")
    return crossing.earliest.timestamp() - GRAIN_S / 2 <= truth_s <= latest_s + GRAIN_S / 2


@pytest.fixture(scope="module")
def scores() -> dict[str, Score]:
    return {kind.__name__: _score(kind) for kind in fleet.GROWING}


@pytest.mark.parametrize("kind", _names(fleet.GROWING))
def test_the_90_percent_interval_holds_the_truth_in_85_to_95_of_100_cases(kind: str, scores: dict[str, Score]) -> None:
    score = scores[kind]
    assert score.told >= 200
    assert 0.85 <= score.held / score.told <= 0.95, score


@pytest.mark.parametrize("kind", _names(fleet.GROWING))
def test_a_host_that_will_cross_is_seldom_met_with_silence(kind: str, scores: dict[str, Score]) -> None:
    assert scores[kind].silent <= 0.03 * len(SEEDS), scores[kind]


@pytest.mark.parametrize("kind", fleet.GROWING + fleet.HARMLESS, ids=_names(fleet.GROWING + fleet.HARMLESS))
def test_the_forecast_does_not_peek(kind: Kind) -> None:
    for seed in SEEDS[:5]:
        host = kind(seed)
        now = datetime.fromtimestamp(host.now_s, UTC)
        knowing = forecast(host.points, total=host.total, levels=LEVELS, now=now)
        assert knowing.crossings == _forecast(host, host.now_s).crossings


def _raw(ahead: Forecast) -> Severity:
    """What one run says, by the rules of severity."""
    if ahead.crosses(90, timedelta(hours=4)):
        return Severity.P1
    return Severity.P2 if ahead.crosses(80, timedelta(hours=24)) else Severity.OK


def _alarms(host: Host, runs: Iterator[Point]) -> Iterator[float]:
    """The runs at which a forecast alarm stands."""
    said: list[Severity] = []
    for point in runs:
        said.append(_raw(_forecast(host, point.at_s)))
        if rule(said, LEVELS) >= Severity.P2:
            yield point.at_s


def _last_runs(host: Host) -> list[Point]:
    return [*host.seen(host.now_s)][-RUNS_WATCHED:]


def _pruned_twice(host: Host, point: Point) -> bool:
    """Before the second prune a sawtooth is a ramp, to anybody."""
    known = study(host.seen(point.at_s), point.at_s)
    return known is not None and len(known.parts.drops) >= 2


def _false_alarm(host: Host, runs: list[Point]) -> bool:
    """An alarm of a crossing that does not come, within twice the time that it was foretold for."""
    for at_s in _alarms(host, iter(runs)):
        truth_s = host.crossing_s(80, at_s)
        if truth_s is None or truth_s > at_s + 2 * DAY:
            return True
    return False


@pytest.mark.parametrize(
    ("kind", "most"),
    [(fleet.sawtooth, 0.01), (fleet.step, 0.01), (fleet.flat_noise, 0.02), (fleet.kept_by_gc, 0.02)],
    ids=_names(fleet.HARMLESS),
)
def test_harmless_hosts_raise_hardly_any_alarm(kind: Kind, most: float) -> None:
    watched, false = 0, []
    for seed in SEEDS[:220]:
        host = kind(seed)
        runs = _last_runs(host)
        if kind is fleet.sawtooth and not _pruned_twice(host, runs[0]):
            continue
        watched += 1
        if _false_alarm(host, runs):
            false.append(seed)
    assert watched >= 200
    assert len(false) < most * watched, false


def _escalated(host: Host, until_s: float) -> tuple[bool, bool]:
    """Did P2 or worse stand by `until_s`: by any rule, by the forecast alone? Watched for the day before."""
    said: list[Severity] = []
    percents: list[float | None] = []
    by_any = False
    for point in host.seen(until_s):
        percents.append(100 * point.value / host.total)
        if point.at_s < until_s - 24 * HOUR:
            continue
        said.append(_raw(_forecast(host, point.at_s)))
        if rule(said, LEVELS) >= Severity.P2:
            return True, True
        by_any = by_any or fill(percents[-6:], LEVELS) >= Severity.P2
    return by_any, False


def test_a_ramp_is_escalated_four_hours_before_it_crosses_80_percent() -> None:
    ramps = [kind(seed) for kind in (fleet.steady_ramp, fleet.noisy_ramp) for seed in SEEDS[:200]]
    late, unforeseen = [], []
    for host in ramps:
        truth_s = host.crossing_s(80, host.begin_s)
        assert truth_s is not None
        by_any, foreseen = _escalated(host, truth_s - 4 * HOUR)
        late += [] if by_any else [(host.kind, host.seed)]
        unforeseen += [] if foreseen else [(host.kind, host.seed)]
    assert len(late) <= 0.01 * len(ramps), late
    assert len(unforeseen) <= 0.02 * len(ramps), unforeseen
