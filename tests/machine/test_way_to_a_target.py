"""Minutes after an incident, as an operator would: the way to a target, by the command line, and what came of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Lab, measure
from tests.lab.require import require_machine
from tests.reclaim.reclaiming import TREE_SLACK_BYTES, holds

pytestmark = pytest.mark.machine

# Dangling images alone lead to 80 %; below that it takes build cache too.
IMAGES_DO, TARGET = 80, 77
_STATUS = {"reached": 0, "not reached": 1}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    require_machine()
    with Lab.up(driver="btrfs", mess="incident", size_mib=1536) as up:
        yield up


def ullage(lab: Lab, state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "collectors", "--host", lab.host, "--no-journal", "--state", str(state)]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}
    ended = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=300, env=clean, check=False)
    assert "Traceback" not in ended.stderr
    return ended


def planned(lab: Lab, state: Path, *arguments: str, until: int = TARGET) -> dict[str, Any]:
    said = ullage(lab, state, "--preflight", "--format", "json", "--until", f"{until}%", *arguments).stdout
    answer: dict[str, Any] = json.loads(said)
    return answer


def used(lab: Lab) -> tuple[int, int]:
    """Bytes, and whole percent as df rounds."""
    figures = os.statvfs(lab.mount)
    taken = figures.f_blocks - figures.f_bfree
    return taken * figures.f_frsize, -(-taken * 100 // (taken + figures.f_bavail))


def test_80_percent_is_reached_by_what_can_be_built_again_and_is_then_measured(lab: Lab, tmp_path: Path) -> None:
    """Minutes after the incident: all of it is young, and marked so; nothing goes before its age is lifted."""
    assert used(lab)[1] >= 93
    gentle = planned(lab, tmp_path, until=IMAGES_DO)
    assert {step["action"] for step in gentle["plan"]} <= {"build-cache.prune", "image.remove"}
    assert (gentle["plan_for_person"], gentle["plan_target"]["short_bytes"]) == ([], 0)
    page = ullage(lab, tmp_path, "--plan", "--until", f"{IMAGES_DO}%").stdout
    assert re.search(rf"^Target: {IMAGES_DO}%, reached by \d steps? \(harm: time\) at ", page, re.MULTILINE)
    assert "volume" not in "".join(line for line in page.splitlines() if re.match(r"\d+\. ", line))
    before = holds(lab)
    unasked = ullage(lab, tmp_path, "--reclaim", "--apply", "--tier", "careful", "--until", f"{IMAGES_DO}%")
    assert unasked.returncode == _STATUS["not reached"], unasked.stdout
    assert holds(lab) == before, "what is young goes only where the age is lifted"
    lifted_and_measured(lab, tmp_path, IMAGES_DO)


def test_below_that_the_way_is_cache_and_dangling_images_and_does_what_it_says(lab: Lab, tmp_path: Path) -> None:
    document = planned(lab, tmp_path)
    steps, target = document["plan"], document["plan_target"]
    assert {step["action"] for step in steps} <= {"build-cache.prune", "image.remove"}
    assert all("cache" in step["title"] or "dangling" in step["title"] for step in steps)
    assert {step["harm"] for step in steps} <= {"none", "time"}
    assert any(step["young_s"] > 0 for step in steps)
    assert document["plan_for_person"] == []
    assert (target["short_bytes"], target["exact"]) == (0, True)
    assert target["leads_to_percent"] <= TARGET
    lifted_and_measured(lab, tmp_path, TARGET)


def lifted_and_measured(lab: Lab, state: Path, until: int) -> None:
    """With the ages lifted it is carried out: the fill is what was predicted, and no volume is gone."""
    lifted = planned(lab, state, "--min-age", "0", until=until)
    assert {step["young_s"] for step in lifted["plan"]} == {0}
    predicted, leads_to = sum(step["frees_bytes"] for step in lifted["plan"]), lifted["plan_target"]["leads_to_percent"]
    measure.cleaned(lab.mount)
    volumes = {line for line in holds(lab) if line.startswith("volume ")}
    first, _ = used(lab)
    done = ullage(lab, state, "--reclaim", "--apply", "--tier", "careful", "--until", f"{until}%", "--min-age", "0")
    assert done.returncode == _STATUS["reached"], done.stdout
    last, percent = used(lab)
    # A run stops as soon as the disk shows the target; the way holds no step that it could do without.
    assert percent == leads_to <= until, done.stdout
    assert abs((first - last) - predicted) <= max(4 * TREE_SLACK_BYTES, predicted // 100)
    assert {line for line in holds(lab) if line.startswith("volume ")} == volumes
