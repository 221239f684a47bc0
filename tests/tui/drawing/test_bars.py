from datetime import timedelta

import pytest

from collectors.model.report import Sample
from tests.tui.build import NOW
from tui.drawing import SOLID, THIN, sparkline, two_part_bar


def drawn(held: int, freed: int, largest: int, width: int) -> str:
    return "".join(bit.text for bit in two_part_bar(held, freed, largest, width, "cat:O"))


def test_what_comes_free_is_solid_and_the_rest_is_thin() -> None:
    assert drawn(10, 4, 10, 10) == SOLID * 4 + THIN * 6


def test_one_byte_shows_its_tip() -> None:
    assert drawn(1, 0, 10**12, 10) == THIN
    assert drawn(10**12, 1, 10**12, 10) == SOLID + THIN * 9


@pytest.mark.parametrize(("held", "freed"), [(0, 0), (0, 5)])
def test_nothing_draws_nothing(held: int, freed: int) -> None:
    assert drawn(held, freed, 10, 10) == ""


def test_a_bar_is_never_longer_than_its_room() -> None:
    assert len(drawn(30, 30, 10, 10)) == 10


def test_a_swing_below_the_floor_stays_flat() -> None:
    samples = [Sample(NOW - timedelta(days=half / 2), 1000 + half) for half in range(13, -1, -1)]
    assert set(sparkline(samples, 7, NOW, 7.0, 10_000)) == {"▁"}


def test_days_without_a_run_are_blank_and_not_a_line() -> None:
    samples = [Sample(NOW - timedelta(days=6.5), 100), Sample(NOW, 200)]
    curve = sparkline(samples, 7, NOW, 7.0, 1)
    assert " " not in (curve[0], curve[-1])
    assert curve[2:6] == "    "


def test_no_samples_draw_blanks_of_the_same_width() -> None:
    assert sparkline((), 8, NOW, 7.0, 1) == " " * 8
