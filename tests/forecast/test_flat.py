"""Series that hardly move: no growth, no alarm, and above all no error. Every run of a quiet host looks like this."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.forecast import Point
from collectors.forecast.crossings import forecast, path_of, study
from collectors.model.settings import Thresholds
from tests.forecast.trend import trend

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def points(values: list[int], step_s: float = 1200.0) -> list[Point]:
    begin = NOW.timestamp() - step_s * (len(values) - 1)
    return [Point(begin + step_s * n, value, "boot") for n, value in enumerate(values)]


@pytest.mark.parametrize("value", [0, 1, 4096, 10**12])
@pytest.mark.parametrize("count", [6, 7, 12, 73, 500])
def test_a_series_that_never_moves_grows_by_nothing_and_foresees_nothing(value: int, count: int) -> None:
    flat = points([value] * count)
    found = trend(flat, now=NOW)
    if found is not None:
        assert (found.slope_bytes_per_s, found.low_bytes_per_s, found.high_bytes_per_s) == (0, 0, 0)
    known = study(flat, NOW.timestamp())
    if known is not None:
        assert path_of(known, NOW.timestamp()).pace == (0, 0, 0)
    assert forecast(flat, total=2 * 10**12, thresholds=Thresholds(), now=NOW).crossings == ()


@given(
    st.lists(st.integers(0, 2**50) | st.just(0), min_size=1, max_size=60), st.sampled_from([1.0, 60.0, 1200.0, 86400.0])
)
def test_no_series_breaks_the_trend_or_the_forecast(values: list[int], step_s: float) -> None:
    some = points(values, step_s)
    trend(some, now=NOW)
    known = study(some, NOW.timestamp())
    if known is not None:
        low, best, high = path_of(known, NOW.timestamp()).pace
        assert low <= best <= high
    forecast(some, total=max(1, max(values)) + 1, thresholds=Thresholds(), now=NOW + timedelta(minutes=3))
