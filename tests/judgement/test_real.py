"""A few of the jury's fills on a real engine, those that one everyday lab serves; `--real` of the table tries all."""

from __future__ import annotations

import pytest

from tests.judgement.fills import FILLS, OVERLAY
from tests.judgement.jury import Mark
from tests.judgement.real import Bench, Fill, try_fill
from tests.lab.require import require_machine

SHORT = (
    "nothing is wrong",
    "three in use: a directory of the host, a volume, a container's layer",
    "one of the logs is nearly all of them",
    "two that are nearly equal",
    "a deleted file that a process of the host holds",
)
TRIED = [fill for fill in FILLS if fill.name in SHORT]


@pytest.mark.machine
@pytest.mark.parametrize("fill", TRIED, ids=[f"overlay2-{fill.name}" for fill in TRIED])
def test_what_is_said_of_a_real_fill_is_right(fill: Fill) -> None:
    require_machine()
    judged = try_fill(fill, Bench())
    assert judged.mark is not Mark.WRONG, judged.row()


def test_the_short_ones_share_the_lab_that_other_tests_have() -> None:
    assert {fill.name for fill in TRIED} == set(SHORT)
    assert {fill.home for fill in TRIED} == {OVERLAY}


def test_there_are_fills_of_every_driver_and_each_name_is_given_once() -> None:
    assert {(fill.home.driver, fill.home.engine) for fill in FILLS} >= {
        ("overlay2", "20.10"),
        ("btrfs", "20.10"),
        ("vfs", "20.10"),
        ("containerd", "28.5"),
        ("overlay2", "podman"),
    }
    assert len({fill.name for fill in FILLS}) == len(FILLS) >= 20
