"""Podman behind Docker's API: images go, what containers hold stays, and no volume ever goes with a prune."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.causes import other_stores
from collectors.ledger.unlisted import NOT_KNOWN
from collectors.model.ledger import Category
from collectors.model.plan import Risk
from collectors.model.reading import Exact, Unavailable, charged
from collectors.reclaim import Ended
from tests.lab import Lab
from tests.lab.messes._write import random_file
from tests.lab.require import require_machine
from tests.ledger.coverage import of_engine
from tests.reclaim.reclaiming import NO_AGES, Reclaiming, holds

pytestmark = pytest.mark.machine

MIB = 1 << 20


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    require_machine()
    with Lab.up(driver="overlay2", engine="podman", mess="podman", size_mib=512) as up:
        yield up


def test_a_build_that_was_ended_is_named_and_the_build_cache_is_not_called_empty(lab: Lab, tmp_path: Path) -> None:
    """The working container of a build lies in the store, and Podman does not list it."""
    made = external_container(lab, 13 * MIB)
    report = Reclaiming(lab, tmp_path).look().report
    assert report.ledger is not None
    cache = report.ledger.row(Category.BUILD_CACHE)
    assert isinstance(cache.charged, Unavailable)
    assert "counted with the images" in cache.reason
    (left,) = [item for item in report.ledger.items[Category.CONTAINERS] if item.state == NOT_KNOWN]
    assert left.name == made
    assert charged(left.referenced) >= 13 * MIB
    (found,) = [finding for finding in report.findings if finding.rule == other_stores.UNKNOWN_ID]
    assert "podman rm --storage" in found.remedy
    assert all("docker " not in one.remedy for one in report.findings)


def external_container(lab: Lab, size_bytes: int) -> str:
    """As `podman build` leaves its working container when it is killed: a row of the store's own, and a layer."""
    root, name = lab.docker_root, "base-working-container"
    lab.stop_engine()
    layer, container = ("7a" * 32, "7b" * 32)
    for part, stem, row in (
        ("layers", "layers", {"id": layer, "created": "2026-01-01T00:00:00Z", "flags": {}}),
        ("containers", "containers", {"id": container, "names": [name], "layer": layer, "metadata": "{}",
                                      "created": "2026-01-01T00:00:00Z", "flags": {}}),
    ):  # fmt: skip
        path = root / f"overlay-{part}" / f"{stem}.json"
        path.write_text(json.dumps([*json.loads(path.read_text()), row]))
    for folder in ("diff", "work", "merged"):
        (root / "overlay" / layer / folder).mkdir(parents=True)
    (root / "overlay" / layer / "link").write_text("EXTERNALEXTERNALEXTERNALEX")
    (root / "overlay/l/EXTERNALEXTERNALEXTERNALEX").symlink_to(f"../{layer}/diff")
    random_file(root / "overlay" / layer / "diff/big", size_bytes)
    lab.start_engine()
    return name


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


def test_the_items_hold_every_byte_of_each_row(lab: Lab) -> None:
    assert of_engine(lab.host) == {}
