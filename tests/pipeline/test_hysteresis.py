"""When an alarm goes up and comes down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.journal import Noted
from collectors.model.plan import Severity
from collectors.model.settings import Thresholds
from collectors.pipeline.memory import fill_severity, raws, rule_severity
from tests.journal.build import a_journal, a_record

OK, P4, P3, P2, P1, P0 = Severity.OK, Severity.P4, Severity.P3, Severity.P2, Severity.P1, Severity.P0
THRESHOLDS = Thresholds()


@pytest.mark.parametrize(
    ("used", "severity"),
    [
        ([], OK),
        ([95], P0),  # one run is enough
        ([85], OK),  # others want two
        ([85, 85], P1),
        ([85, 71], P2),  # what both agree on
        ([69, 70, 70], P2),
        ([69, 69], OK),
        ([85, None, 85], P1),  # a run that could not tell moves nothing
        ([85, 85, None, None, None], P1),
        ([95, 89, 88, 87], P0),  # holds above 85
        ([95, 84, 86, 84, 86], P0),  # one run below is not two
        ([95, 84, 84], P1),
        ([95, 76, 76], P1),
        ([95, 74, 74], P2),
        ([95, 60, 60], OK),
        ([72, 72, 66, 66], P2),
        ([72, 72, 64, 66, 64, 64], OK),
        ([81, 79, 81, 79, 81], P2),  # breathing around 80 does not flap
        ([81, 81, 79, 81, 79], P1),
        ([75, 75, 91], P0),
        ([100, 100, 100], P0),
    ],
)
def test_fill_levels_rise_and_clear_with_patience(used: list[int | None], severity: Severity) -> None:
    assert fill_severity(used, THRESHOLDS) is severity


@given(st.lists(st.integers(85, 100), min_size=1), st.integers(90, 100))
def test_from_85_on_a_p0_never_clears(after: list[int], peak: int) -> None:
    assert fill_severity([peak, *after], THRESHOLDS) is P0


@given(st.lists(st.integers(0, 100)))
def test_two_quiet_runs_clear_everything(used: list[int]) -> None:
    assert fill_severity([*used, 64, 64], THRESHOLDS) is OK


@given(st.lists(st.integers(0, 100), min_size=2))
def test_what_two_runs_agree_on_always_stands(used: list[int]) -> None:
    lowest = min(used[-2:])
    least = P0 if max(used[-1:]) >= 90 else P1 if lowest >= 80 else P2 if lowest >= 70 else OK
    assert fill_severity(used, THRESHOLDS) >= least


@pytest.mark.parametrize(
    ("said", "severity"),
    [
        ([P1], OK),
        ([P1, P1], P1),
        ([P1, OK, P1, OK], OK),
        ([P0], P0),
        ([P2, P2, OK], P2),
        ([P2, P2, OK, OK], OK),
        ([P2, P1, P2], P2),
        ([P3, P3], P3),
    ],
)
def test_a_rule_wants_two_runs_to_rise_and_two_to_clear(said: list[Severity], severity: Severity) -> None:
    assert rule_severity(said, THRESHOLDS) is severity


def test_numbers_are_the_callers() -> None:
    assert fill_severity([55, 55, 55], Thresholds(p2_percent=50, raise_runs=3)) is P2
    assert fill_severity([55, 55], Thresholds(p2_percent=50, raise_runs=3)) is OK
    assert fill_severity([55, 55, 49], Thresholds(p2_percent=50, clear_points=0, clear_runs=1)) is OK


def test_what_runs_said_of_a_rule_is_read_from_the_journal() -> None:
    waiting = Noted("disk-forecast", OK, P1, None)
    standing = Noted("disk-forecast", P1, P1, None)
    journal = a_journal([a_record(0), a_record(1, findings=(waiting,)), a_record(2, findings=(standing,))])
    assert raws(journal, "disk-forecast") == (OK, P1, P1)
    assert raws(journal, "churn") == (OK, OK, OK)
