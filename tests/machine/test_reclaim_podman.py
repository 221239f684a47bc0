"""Podman behind Docker's API: images go, what containers hold stays, and no volume ever goes with a prune."""

from __future__ import annotations

import time
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
from tests.lab import Lab, engines, processes
from tests.lab.commands import run
from tests.lab.measure import used_bytes
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
    made = a_killed_build(lab, 13 * MIB)
    report = Reclaiming(lab, tmp_path).look().report
    assert report.ledger is not None
    cache = report.ledger.row(Category.BUILD_CACHE)
    assert isinstance(cache.charged, Unavailable)
    assert "counted with the images" in cache.reason
    (left,) = [item for item in report.ledger.items[Category.CONTAINERS] if item.state == NOT_KNOWN]
    assert left.name == made
    assert charged(left.referenced) >= 13 * MIB
    assert all("docker " not in one.remedy for one in report.findings)
    (found,) = [finding for finding in report.findings if finding.rule == other_stores.UNKNOWN_ID]
    assert "podman rm --storage --force NAME" in found.remedy
    before = used_bytes(lab.mount)
    run(*podman(lab), "rm", "--storage", "--force", made)
    assert before - used_bytes(lab.mount) == pytest.approx(charged(left.referenced), abs=64 << 10)


def podman(lab: Lab) -> tuple[str, ...]:
    """The words that start the client in the very place where the lab's service lives."""
    words = engines.command("podman", lab.driver, lab._engine.place, "none")
    return ("nsenter", "--mount", "--target", str(lab.pid), *words[words.index("podman") : words.index("system")])


def a_killed_build(lab: Lab, size_bytes: int) -> str:
    """`podman build`, ended outright while it writes: its working container stays. Gives back that one's name."""
    context = lab.base / "context"
    context.mkdir()
    script = f"head -c {size_bytes} /dev/urandom > /big; sleep 1000"
    (context / "Dockerfile").write_text(f"FROM base:1\nRUN {script}\n")
    limits = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
    lab.spawn(*podman(lab), "build", "--network", "host", "--isolation", "chroot", *limits, str(context))
    end = time.monotonic() + 60
    while not any(big.stat().st_size == size_bytes for big in lab.docker_root.glob("overlay/*/diff/big")):
        assert time.monotonic() < end, (lab.base / "spawned.log").read_text()
        time.sleep(0.05)
    building = {
        one for one in processes.of_lab(lab.base, "none") if b"build" in Path(f"/proc/{one.pid}/cmdline").read_bytes()
    }
    assert processes.end(building) == set()
    return "base-working-container"


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
