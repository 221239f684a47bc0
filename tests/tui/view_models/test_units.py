import pytest

from collectors.model.reading import AtLeast, Between, Size
from tests.tui.build import GIB, HERE, exact, gib, missing
from tui.view_models.categories import Scale, Units, cell, change, number, scale_for

GIBS = Scale("GiB", GIB, 7, False)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (exact(0), "0"),
        (exact(1), "<0.1"),
        (exact(gib(312)), "312.0"),
        (exact(GIB // 20 - 1), "<0.1"),
        (exact(GIB // 10), "0.1"),
        (Between(gib(5), gib(4), gib(6), 0.9, "sampled", HERE), "~5.0"),
        (AtLeast(gib(12), (missing(),), HERE), "≥12.0"),
        (missing(), "?"),
    ],
)
def test_only_a_measured_zero_reads_as_zero(size: Size, words: str) -> None:
    assert cell(size, GIBS) == words


@pytest.mark.parametrize(
    ("total", "units", "label"),
    [
        (gib(931.5), Units.IEC, "GiB"),
        (gib(8), Units.IEC, "MiB"),
        (gib(931.5), Units.SI, "GB"),
        (gib(931.5), Units.BYTES, "bytes"),
        (0, Units.IEC, "B"),
    ],
)
def test_the_unit_is_the_largest_that_the_disk_has_sixteen_of(total: int, units: Units, label: str) -> None:
    assert scale_for(total, units).label == label


@pytest.mark.parametrize("total", [1, 4096, gib(3), gib(931.5), gib(40_000)])
@pytest.mark.parametrize("units", list(Units))
def test_the_widest_number_of_a_disk_fits_its_column(total: int, units: Units) -> None:
    scale = scale_for(total, units)
    assert len(number(total, scale.divisor)) < scale.width


def test_units_come_round_again() -> None:
    assert [Units.IEC.next_one(), Units.SI.next_one(), Units.BYTES.next_one()] == [Units.SI, Units.BYTES, Units.IEC]


@pytest.mark.parametrize(
    ("count", "words"), [(None, "·"), (0, "0"), (gib(50.1), "+50.1"), (-gib(75.2), "-75.2"), (-1, "-<0.1")]
)
def test_a_change_has_its_sign_and_an_unknown_one_is_no_number(count: int | None, words: str) -> None:
    assert change(count, GIBS) == words
