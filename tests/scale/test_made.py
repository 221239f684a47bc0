"""Are the made things what they claim to be? A small host looked at end to end, a bolt file, a law that is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.drivers import bolt_holders
from tests.lab.require import require_machine
from tests.scale.axes import AXES
from tests.scale.bolt import bolt_file
from tests.scale.fit import law
from tests.scale.table import section, steepest


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 8_000, 9_000])
def test_a_bucket_of_any_size_is_read_whole_and_in_order(count: int, tmp_path: Path) -> None:
    names = [f"{number:025}" for number in range(count)]
    path = tmp_path / "metadata_v2.db"
    path.write_bytes(bolt_file({b"_main": {name.encode(): {b"cache.snapshot": b'{"value":"s"}'} for name in names}}))
    assert [record.id for record in bolt_holders.records(path)] == names


@pytest.mark.parametrize("exponent", [0.75, 1.0, 2.0])
def test_the_exponent_is_that_of_what_lies_above_the_start(exponent: float) -> None:
    costs = {size: 3.0 + 0.01 * size**exponent for size in (1_000, 2_000, 4_000, 8_000)}
    found = law(costs, start=3.0, noise=0.1)
    assert found is not None
    assert found.exponent == pytest.approx(exponent)
    assert found.at(80_000) == pytest.approx(3.0 + (costs[8_000] - 3.0) * 10 ** max(1.0, exponent))
    assert found.reaches(found.at(50_000)) == pytest.approx(50_000)


def test_what_does_not_grow_has_no_law() -> None:
    assert law({10: 1.01, 20: 1.02, 40: 1.0}, start=1.0, noise=0.1) is None
    assert law({10: 1.5, 20: 1.5, 40: 1.5, 80: 1.5}, start=1.0, noise=0.1) is None


@pytest.mark.machine
@pytest.mark.parametrize("name", ["everything at once", "images on btrfs", "btrfs extents", "journal points"])
def test_each_kind_of_axis_is_measured_and_finds_all_that_was_made(name: str) -> None:
    """Raises where a report does not list what was made, or a walk is off by a byte."""
    require_machine()
    (axis,) = (axis for axis in AXES if axis.name == name)
    points = list(axis.points((0, 20, 40, 80)))
    text = section(axis, points)
    assert f"## {name}: to 80" in text
    assert all(f"| {what}, s |" in text for what in points[0].whole)
    assert steepest(axis, points) < 2
