"""A short long run on real engines: nothing grows, nothing is left behind. The whole one: `python -m tests.longrun`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab import Lab
from tests.lab.require import require_machine
from tests.longrun import course, watch
from tests.longrun.verdict import failures

pytestmark = pytest.mark.machine

RUNS = 24


@pytest.mark.parametrize("driver", ["overlay2", "btrfs"])
def test_runs_in_a_row_on_a_changing_lab_leave_nothing_behind(driver: str, tmp_path: Path) -> None:
    require_machine()
    with Lab.up(driver=driver, mess="everyday", size_mib=2048) as lab:
        base = lab.base
        seen = course.run(lab, tmp_path, RUNS)
    assert seen.runs == RUNS
    assert failures(seen) == []
    assert watch.mounts_of(base) == 0
