"""Podman behind Docker's API: images go, what containers hold stays, and no volume ever goes with a prune."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.model.plan import Risk
from collectors.model.reading import Exact
from collectors.reclaim.act import Ended
from tests.lab import Lab
from tests.lab.require import require_machine
from tests.reclaim.reclaiming import NO_AGES, Reclaiming, holds

pytestmark = pytest.mark.machine

MIB = 1 << 20


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    require_machine()
    with Lab.up(driver="overlay2", engine="podman", mess="podman", size_mib=512) as up:
        yield up


def test_unused_images_go_and_everything_held_or_named_stays(lab: Lab, tmp_path: Path) -> None:
    unused = lab.import_image("free/one:1", {"own": 3 * MIB})
    lab.docker("tag", "free/one:1", "free/two:1")
    lab.docker("volume", "create", "nobodys")
    reclaiming = Reclaiming(lab, tmp_path, rules=replace(NO_AGES, images=("*base*",)))
    looked = reclaiming.look()
    assert all(step.command.startswith("podman ") for step in looked.report.plan.steps if step.targets)
    before = holds(lab)
    outcome = reclaiming.apply(looked, Risk.DESTRUCTIVE)
    assert outcome.ended is Ended.ALL_DONE, outcome
    after = holds(lab)
    assert not any(unused.removeprefix("sha256:") in line for line in after)
    for kind in ("volume ", "container "):
        assert {line for line in before if line.startswith(kind)} == {x for x in after if x.startswith(kind)}
    assert {line for line in before if "shop/app" in line} <= after
    assert isinstance(outcome.measured, Exact)
    assert outcome.measured.value > 7 * MIB


def test_one_volume_goes_when_a_person_names_it(lab: Lab, tmp_path: Path) -> None:
    reclaiming = Reclaiming(lab, tmp_path)
    before = {line for line in holds(lab) if line.startswith("volume ")}
    reclaiming.apply(reclaiming.look(), Risk.DESTRUCTIVE, named=frozenset({"volume:nobodys"}))
    assert before - {line for line in holds(lab) if line.startswith("volume ")} == {"volume nobodys"}
