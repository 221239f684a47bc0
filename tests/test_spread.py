"""How tests are spread over workers: what shares a lab stays together."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.spread import ALONE, BY_PARAMETER, among, unit

HERE = Path(__file__).parents[1]


@pytest.mark.parametrize("file", ALONE + BY_PARAMETER)
def test_the_files_that_are_taken_apart_are_there(file: str) -> None:
    assert (HERE / file).is_file()


def test_tests_on_one_lab_stay_together_and_labs_of_one_file_are_taken_apart() -> None:
    tiers = "tests/machine/test_reclaim_tiers.py::test_{}[{}]"
    first = unit(tiers.format("one", "overlay2-20.10"))
    assert first == unit(tiers.format("two", "overlay2-20.10"))
    assert first != unit(tiers.format("two", "overlay2-28.5"))


def test_the_labs_of_a_whole_folder_are_shared_by_its_files() -> None:
    assert unit("tests/privileges/test_a.py::test[btrfs-root]") == unit("tests/privileges/test_b.py::test[btrfs]")


def test_a_file_without_labs_is_a_unit() -> None:
    assert (
        unit("tests/model/test_a.py::test_one[x]") == unit("tests/model/test_a.py::test_two") == "tests/model/test_a.py"
    )


def test_files_that_only_look_at_an_everyday_host_share_it() -> None:
    look = "tests/machine/test_preflight.py::test[overlay2]"
    assert unit(look) == unit("tests/machine/test_engine_real.py::test[20.10-overlay2-x]")
    assert unit(look) != unit("tests/machine/test_engine_real.py::test[26.1-overlay2-x]")


def test_those_that_wait_are_spread_over_the_others() -> None:
    assert "".join(among("WWW", "abcdef")) == "aWbcWdeWf"
    assert among("", "ab") == ["a", "b"]
    assert among("WX", "") == ["W", "X"]


def test_the_labs_of_the_adversary_are_taken_apart() -> None:
    adversary = "tests/adversary/test_adversary.py::test_nothing_else_goes_whatever_is_done_meanwhile[{}]"
    assert unit(adversary.format("overlay2")) != unit(adversary.format("btrfs"))
