"""The laws of sums that keep the unknown."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.model.reading import (
    AtLeast,
    Between,
    Exact,
    Origin,
    Size,
    Unavailable,
    Why,
    ceiling,
    charged,
    floor,
    remainder,
    total,
)

HERE = Origin("test", "sum", datetime(2026, 1, 1, tzinfo=UTC), 0.0)
COUNTS = st.integers(min_value=0, max_value=2**63)


@st.composite
def measured(draw: st.DrawFn) -> tuple[int, Size]:
    """A true size and a reading of it that does not lie."""
    truth = draw(COUNTS)
    low = draw(st.integers(min_value=0, max_value=truth))
    high = truth + draw(COUNTS)
    unread = Unavailable(draw(st.sampled_from(list(Why))), draw(st.sampled_from("abc")), HERE)
    estimate = Between(draw(st.integers(min_value=low, max_value=high)), low, high, 0.95, "sampling", HERE)
    readings: list[Size] = [Exact(truth, HERE), estimate, AtLeast(low, (unread,), HERE), unread]
    return truth, draw(st.sampled_from(readings))


@given(st.lists(measured()))
def test_the_truth_lies_within_the_bounds_of_a_total(parts: list[tuple[int, Size]]) -> None:
    truth = sum(part for part, _ in parts)
    answer = total((reading for _, reading in parts), HERE)
    high = ceiling(answer)
    assert floor(answer) <= truth
    assert high is None or truth <= high


@given(st.lists(measured()))
def test_an_unknown_part_never_yields_an_exact_total(parts: list[tuple[int, Size]]) -> None:
    readings = [reading for _, reading in parts]
    answer = total(readings, HERE)
    assert isinstance(answer, Exact) == all(isinstance(reading, Exact) for reading in readings)
    if any(isinstance(reading, Unavailable | AtLeast) for reading in readings):
        assert isinstance(answer, AtLeast)


@given(st.lists(measured()).flatmap(lambda parts: st.tuples(st.just(parts), st.permutations(parts))))
def test_the_order_of_the_parts_does_not_matter(
    orders: tuple[list[tuple[int, Size]], list[tuple[int, Size]]],
) -> None:
    one, other = orders
    assert total((r for _, r in one), HERE) == total((r for _, r in other), HERE)


@given(st.lists(measured()), st.lists(measured()))
def test_a_total_of_totals_is_the_total(one: list[tuple[int, Size]], other: list[tuple[int, Size]]) -> None:
    nested = total([total((r for _, r in one), HERE), total((r for _, r in other), HERE)], HERE)
    flat = total((r for _, r in one + other), HERE)
    assert (floor(nested), ceiling(nested), charged(nested)) == (floor(flat), ceiling(flat), charged(flat))


@given(measured(), measured())
def test_the_truth_lies_within_the_bounds_of_a_remainder(part: tuple[int, Size], rest: tuple[int, Size]) -> None:
    truth_part, part_reading = part
    truth_rest, _ = rest
    whole = Exact(truth_part + truth_rest, HERE)
    answer = remainder(whole, part_reading, HERE)
    high = ceiling(answer)
    assert floor(answer) <= truth_rest
    assert high is None or truth_rest <= high
    assert isinstance(answer, Exact) == isinstance(part_reading, Exact)


def test_no_part_at_all_sums_to_a_measured_zero() -> None:
    assert total([], HERE) == Exact(0, HERE)


def test_bounds_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="out of order"):
        Between(5, 6, 7, 0.9, "guess", HERE)


def test_a_floor_with_nothing_missing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing is missing"):
        AtLeast(5, (), HERE)
