"""When will it be full: what is said, what is not, and by which shape."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from collectors.forecast import Point
from collectors.forecast.crossings import Forecast, forecast, imminent
from collectors.model.report import Crossing
from collectors.model.settings import Thresholds
from tests.journal.build import GIB, NOON, points

HOUR = timedelta(hours=1)
TOTAL = 100 * GIB


def _now(known: Sequence[Point]) -> datetime:
    return datetime.fromtimestamp(known[-1].at_s, UTC)


def _ahead(values: Sequence[float], *, every_s: float = 1200.0, thresholds: Thresholds | None = None) -> Forecast:
    known = points(values, every_s=every_s)
    return forecast(known, total=TOTAL, thresholds=thresholds or Thresholds(), now=_now(known))


def _hours(ahead: Forecast, percent: int) -> float:
    (crossing,) = [one for one in ahead.crossings if one.percent == percent]
    return (crossing.at - ahead.now) / HOUR


def _ramp(count: int, per_h: float, start: float) -> list[float]:
    return [(start + per_h * index / 3) * GIB for index in range(count)]


def test_a_straight_ramp_crosses_each_threshold_when_arithmetic_says() -> None:
    ahead = _ahead(_ramp(31, per_h=1.0, start=50))  # 60 % now
    # Shown as 80 and 90 % from the first byte above 79 and 89 on; full is full.
    assert [round(_hours(ahead, percent), 1) for percent in (80, 90, 100)] == [19.0, 29.0, 40.0]
    assert ahead.reason == ""
    assert ahead.path is not None
    assert ahead.path.shape == "ramp"


def test_the_interval_grows_with_the_noise_and_with_the_distance() -> None:
    rng = random.Random(7)
    calm = _ahead([value + rng.gauss(0, 0.05) * GIB for value in _ramp(60, 0.5, 40)])
    wild = _ahead([value + rng.gauss(0, 1.0) * GIB for value in _ramp(60, 0.5, 40)])

    def width(ahead: Forecast, percent: int) -> float:
        (one,) = [crossing for crossing in ahead.crossings if crossing.percent == percent]
        return (one.latest - one.earliest) / HOUR if one.latest else math.inf

    assert width(calm, 80) < width(calm, 90) < width(calm, 100)
    assert width(calm, 80) < width(wild, 80)


@pytest.mark.parametrize("values", [[], [50.0 * GIB], [50.0 * GIB + i * GIB for i in range(5)]])
def test_too_few_runs_foretell_nothing_and_say_why(values: list[float]) -> None:
    known = points(values)
    ahead = forecast(known, total=TOTAL, thresholds=Thresholds(), now=datetime(2027, 2, 1, tzinfo=UTC))
    assert (ahead.crossings, ahead.path) == ((), None)
    assert ahead.reason.startswith("too few runs")


def test_six_runs_within_two_hours_are_too_close() -> None:
    assert _ahead(_ramp(20, 30, 50), every_s=300).reason.startswith("too few runs")


@pytest.mark.parametrize("per_h", [0.0, -0.5])
def test_what_does_not_grow_crosses_nothing(per_h: float) -> None:
    ahead = _ahead(_ramp(60, per_h, 60))
    assert ahead.crossings == ()
    assert ahead.reason == "it does not grow towards a threshold"


def test_a_full_disk_that_cannot_grow_is_not_resolved() -> None:
    ahead = _ahead([*_ramp(30, 6, 40), *([100.0 * GIB] * 30)])
    assert ahead.passed == (80, 90, 100)
    assert ahead.crossings == ()
    assert ahead.reason == "it is full"


def test_thresholds_that_lie_behind_are_passed_and_not_foretold() -> None:
    ahead = _ahead(_ramp(31, 1.0, 75))  # 85 % now
    assert ahead.passed == (80,)
    assert [crossing.percent for crossing in ahead.crossings] == [90, 100]


def test_the_thresholds_are_the_callers() -> None:
    ahead = _ahead(_ramp(31, 1.0, 50), thresholds=Thresholds(p0_percent=95, p1_percent=85))
    assert [crossing.percent for crossing in ahead.crossings] == [85, 95, 100]


def test_a_pull_foretells_nothing() -> None:
    values = [60.0 * GIB + (12 * GIB if index >= 50 else 0) + index * 1e6 for index in range(60)]
    assert not _ahead(values).crosses(80, 24 * HOUR)


def test_a_sawtooth_is_foretold_by_its_peaks() -> None:
    tooth = [(50 + 25 * (index % 72) / 72) * GIB for index in range(72 * 5 + 60)]  # 50 to 75 %, daily
    ahead = _ahead(tooth)
    assert ahead.path is not None
    assert ahead.path.shape == "sawtooth"
    assert not ahead.crosses(80, 24 * HOUR)
    rising = [value + 1.5 * GIB * (index // 72) for index, value in enumerate(tooth)]  # the sixth peak is at 82
    later = _ahead(rising[: 72 * 3 + 20], thresholds=Thresholds(p1_percent=81))  # shown above 80
    assert later.path is not None
    assert later.path.shape == "sawtooth"
    assert 24 < _hours(later, 81) < 5 * 24


def test_a_sawtooth_whose_prune_no_longer_comes_is_a_ramp() -> None:
    tooth = [(40 + 20 * (index % 72) / 72) * GIB for index in range(72 * 4)]
    stopped = tooth + _ramp(72 * 2, per_h=20 / 24, start=40)
    ahead = _ahead(stopped)
    assert ahead.path is not None
    assert ahead.path.shape == "ramp"
    assert 0 < _hours(ahead, 90) < 24


def test_a_log_that_runs_wild_on_a_host_with_prunes_is_not_hidden_by_them() -> None:
    tooth = [(40 + 20 * (index % 72) / 72) * GIB for index in range(72 * 4)]
    ahead = _ahead(tooth + _ramp(12, per_h=6.0, start=42))  # 4 h at 6 GiB/h; the prune is 20 h away
    assert ahead.crosses(80, 24 * HOUR)


def test_a_week_is_foretold_by_weeks() -> None:
    values, used = [], 20.0 * GIB
    for index in range(72 * 7 * 6):
        day, hour = index // 72 % 7, index // 3 % 24
        used += 0.06 * GIB if day < 5 and 8 <= hour < 18 else 0.0
        values.append(used)
    friday_noon = 72 * 7 * 3 + 72 * 4 + 36
    known = points(values[:friday_noon], begin_s=1_795_392_000.0)  # a Monday
    # Shown as one more once it is passed; Friday leaves the last of it for Monday.
    wall = round(values[friday_noon] / GIB) + 3
    truth = next(index for index, value in enumerate(values) if value > wall * GIB)
    ahead = forecast(known, total=TOTAL, thresholds=Thresholds(p1_percent=wall + 1), now=_now(known))
    assert ahead.path is not None
    assert ahead.path.shape == "season"
    assert (truth - friday_noon) / 3 > 60
    assert _hours(ahead, wall + 1) == pytest.approx((truth - friday_noon) / 3, abs=4)


def test_bands_hold_the_best_guess_and_widen() -> None:
    rng = random.Random(5)
    for values in (
        [value + rng.gauss(0, 0.3) * GIB for value in _ramp(100, 0.4, 30)],
        [(40 + 20 * (index % 40) / 40 + rng.gauss(0, 0.2)) * GIB for index in range(300)],
    ):
        path = _ahead(values).path
        assert path is not None
        bands = [path.band(hours * 3600.0) for hours in (0, 1, 5, 20, 60)]
        assert all(low <= best <= high for low, best, high in bands)
        assert bands[0][2] - bands[0][0] <= bands[-1][2] - bands[-1][0]
        low, best, high = path.pace
        assert low <= best <= high


def _crossing(at_h: float, latest_h: float | None) -> Crossing:
    latest = None if latest_h is None else NOON + latest_h * HOUR
    return Crossing(80, NOON + at_h * HOUR, NOON, latest)


@pytest.mark.parametrize(
    ("crossing", "watched_h", "alarm"),
    [
        (_crossing(20, 30), 48, True),
        (_crossing(20, 30), 5, False),  # five hours do not tell a day
        (_crossing(25, 30), 48, False),
        (_crossing(20, None), 48, False),  # perhaps never
        (_crossing(20, 80), 48, False),
    ],
)
def test_an_alarm_wants_a_crossing_that_is_soon_and_sure(crossing: Crossing, watched_h: float, alarm: bool) -> None:
    assert imminent([crossing], 80, now=NOON, within=24 * HOUR, watched_s=watched_h * 3600) is alarm
    assert not imminent([crossing], 90, now=NOON, within=24 * HOUR, watched_s=watched_h * 3600)


def test_samples_taken_while_the_clock_ran_ahead_are_not_looked_at() -> None:
    known = points(_ramp(40, 1.0, 40))
    ahead = [Point(point.at_s + 86400, point.value + 50 * GIB, point.boot_id) for point in known[-3:]]
    now = _now(known)
    assert (
        forecast([*known, *ahead], total=TOTAL, thresholds=Thresholds(), now=now).crossings
        == forecast(known, total=TOTAL, thresholds=Thresholds(), now=now).crossings
    )
