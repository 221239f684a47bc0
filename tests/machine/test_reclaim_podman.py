"""Podman behind Docker's API: images go, what containers hold stays, and no volume ever goes with a prune."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.causes import build_cache, other_stores
from collectors.ledger.unlisted import NOT_KNOWN
from collectors.model.ledger import Category
from collectors.model.plan import Harm, Risk, Step
from collectors.model.reading import Exact, Unavailable, charged
from collectors.model.report import Report
from collectors.model.store import UnitKind
from collectors.reclaim import Ended
from tests.lab import Lab, engines, processes
from tests.lab.commands import run
from tests.lab.measure import flush, used_bytes
from tests.lab.registry import stalling
from tests.lab.require import require_machine
from tests.ledger.coverage import of_engine
from tests.reclaim.reclaiming import NO_AGES, Reclaiming, holds

pytestmark = pytest.mark.machine

MIB = 1 << 20
LINK_BYTES = 4096  # ext4 gives the short link of a layer a block, and no unit is a symbolic link


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
    (step,) = [one for one in report.plan.every_step if one.action == "unlisted.remove"]
    assert f"container rm --force {left.id[:12]}" in step.command
    assert charged(step.frees) == charged(left.exclusive)
    assert freed_by(lab, step) == charged(step.frees) + LINK_BYTES


def test_the_cache_mounts_of_builds_are_build_cache_and_go_to_the_byte(lab: Lab, tmp_path: Path) -> None:
    """Buildah keeps them outside the root, and no listing of Podman's counts them."""
    ends = "RUN --mount=type=cache,target=/cache head -c 20000000 /dev/urandom > /cache/big"
    build(lab, f"FROM base:1\n{ends}\nRUN --mount=type=cache,id=two,sharing=locked,target=/c touch /c/f\n")
    report = Reclaiming(lab, tmp_path).look().report
    assert report.ledger is not None
    (item,) = report.ledger.items[Category.BUILD_CACHE]
    row = report.ledger.row(Category.BUILD_CACHE)
    assert item.name == str(lab.mount / "tmp/buildah-cache-0")
    assert charged(item.referenced) == charged(row.charged) == charged(row.reclaimable) >= 20_000_000
    assert charged(report.ledger.row(Category.UNATTRIBUTED).charged) == 0
    (found,) = [one for one in report.findings if one.rule == build_cache.MOUNTS_ID]
    assert found.bytes is not None
    assert charged(found.bytes) == charged(item.exclusive)
    (step,) = [one for one in report.plan.every_step if one.action == "cache-mounts.remove"]
    assert (step.harm, step.automatic) == (Harm.TIME, False)
    assert freed_by(lab, step) == charged(step.frees) == charged(item.exclusive)
    build(lab, f"FROM base:1\nRUN true\n{ends}\n")
    run(*podman(lab), "image", "prune", "--force", "--build-cache")
    assert not (lab.mount / "tmp/buildah-cache-0").exists(), "so does the command that the finding names"


def freed_by(lab: Lab, step: Step) -> int:
    """Bytes that are free on the lab's disk once a person has typed the command of a step."""
    flush(lab.mount)
    before = used_bytes(lab.mount)
    inside = ("nsenter", "--mount", "--target", str(lab.pid)) if step.command.startswith("podman") else ()
    run(*inside, "bash", "-c", step.command)
    flush(lab.mount)
    return before - used_bytes(lab.mount)


def build(lab: Lab, dockerfile: str) -> None:
    """`podman build` by the client."""
    context = lab.base / "of-mounts"
    context.mkdir(exist_ok=True)
    (context / "Dockerfile").write_text(dockerfile)
    limits = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
    run(*podman(lab), "build", "--network", "host", *limits, str(context))


def test_what_a_killed_load_leaves_is_named_and_removed_once_it_is_old_and_nobody_has_it_open(
    lab: Lab, tmp_path: Path
) -> None:
    """Of `podman load` what it unpacks, among temporary files; and of the service what it was sent, which it keeps."""
    image = lab.client.load_image("big:1", [{"one": 48 * MIB}])
    lab.docker("save", "-o", str(lab.base / "big.tar"), "big:1")
    lab.docker("rmi", image)
    begun = lab.spawn(*podman(lab), "load", "-i", str(lab.base / "big.tar"))
    until(lambda: any(one.stat().st_size > 16 * MIB for one in lab.mount.glob("tmp/container_images_*/*")))
    os.kill(begun, signal.SIGSTOP)
    going_on = Reclaiming(lab, tmp_path).look().report
    assert set(temporary(going_on)) == set(left_at(lab, "container_images_*", "api_load.tar*"))
    proposed = [one for step in going_on.plan.every_step for one in step.targets if "container_images_" in one.id]
    assert not proposed, "a process has it open"
    processes.end({one for one in processes.of_lab(lab.base, "none") if one.pid == begun})
    flush(lab.mount)  # ext4 counts what it has not yet placed as used, and as no file's
    reclaiming = Reclaiming(lab, tmp_path)
    young = replace(reclaiming, grace_s=3600.0).look().report
    assert not [step for step in young.plan.every_step if step.action == "temporary.remove"]
    looked = reclaiming.look()
    assert looked.report.ledger is not None
    assert charged(looked.report.ledger.row(Category.UNATTRIBUTED).charged) == 0
    (step,) = [one for one in looked.report.plan.every_step if one.action == "temporary.remove"]
    assert {target.id for target in step.targets} == set(left_at(lab, "container_images_*", "api_load.tar*"))
    outcome = reclaiming.apply(looked, Risk.CAREFUL, steps=frozenset({step.id}))
    assert outcome.ended is Ended.ALL_DONE, outcome
    assert isinstance(outcome.measured, Exact)
    assert outcome.measured.value == charged(step.frees)
    assert left_at(lab, "container_images_*", "api_load.tar*") == []


def test_layers_of_a_pull_that_was_ended_go_with_the_check_of_the_store(lab: Lab, tmp_path: Path) -> None:
    """A pull registers each layer when it has come, and its image last: until then nothing of Podman's lists it."""
    rows = lab.docker_root / "overlay-layers/layers.json"
    before = {row["id"] for row in json.loads(rows.read_text())}
    with stalling(20 * MIB, 4 * MIB) as name:
        begun = lab.spawn(*podman(lab), "pull", "--tls-verify=false", name)
        until(lambda: len(json.loads(rows.read_text())) > len(before))
        processes.end({one for one in processes.of_lab(lab.base, "none") if one.pid == begun})
    flush(lab.mount)
    (layer,) = {row["id"] for row in json.loads(rows.read_text())} - before
    young = Reclaiming(lab, tmp_path).look().report
    (found,) = [one for one in young.findings if one.rule == other_stores.UNKNOWN_ID]
    assert (layer in found.claim, "podman system check" in found.remedy) == (True, True)
    assert not [one for one in young.plan.every_step if one.action == "unlisted.remove"]
    rows.write_text(rows.read_text().replace(f'"id":"{layer}","created":"20', f'"id":"{layer}","created":"19'))
    report = Reclaiming(lab, tmp_path).look().report
    (step,) = [one for one in report.plan.every_step if one.action == "unlisted.remove"]
    assert charged(step.frees) > 20 * MIB
    assert freed_by(lab, step) == charged(step.frees) + LINK_BYTES
    assert layer not in rows.read_text()


def test_a_layer_that_was_not_finished_goes_with_the_next_command_of_podmans(lab: Lab, tmp_path: Path) -> None:
    """As a pull leaves one that was ended while its files were written: the list of layers says so."""
    image = lab.import_image("torn:1", {"own": 3 * MIB}).removeprefix("sha256:")
    images, layers = (lab.docker_root / f"overlay-{part}/{part}.json" for part in ("images", "layers"))
    rows = json.loads(images.read_text())
    (torn,) = (row["layer"] for row in rows if row["id"] == image)
    images.write_text(json.dumps([row for row in rows if row["id"] != image]))
    listed = json.loads(layers.read_text())
    marked = [row | {"flags": {"incomplete": True}} if row["id"] == torn else row for row in listed]
    layers.write_text(json.dumps(marked))
    flush(lab.mount)
    report = Reclaiming(lab, tmp_path).look().report
    assert report.ledger is not None
    (item,) = [one for one in report.ledger.items[Category.DOCKER_OTHER] if one.name == torn]
    assert item.state == UnitKind.INTERRUPTED_WRITE.value
    assert any("podman images is enough" in said for said in report.plan.left_out)
    before = used_bytes(lab.mount)
    run(*podman(lab), "images")
    flush(lab.mount)
    assert 0 <= before - used_bytes(lab.mount) - charged(item.referenced) <= 2 * LINK_BYTES


def test_what_containers_of_a_transient_store_wrote_is_never_called_an_orphan(tmp_path: Path) -> None:
    """Their records lie in the run root, which may be anywhere, and not with the layers."""
    require_machine()
    with Lab.up(driver="overlay2", engine="podman", mess="empty", size_mib=128) as lab:
        lab.client.base_image()
        lab.stop_engine()
        words = lab._engine._argv
        lab._engine._argv = (*words[: words.index("system")], "--transient-store", *words[words.index("system") :])
        lab.start_engine()
        lab.client.run("base:1", "ended", f"head -c {3 * MIB} /dev/urandom > /own")
        lab.docker("wait", "ended")
        flush(lab.mount)
        report = Reclaiming(lab, tmp_path).look().report
        assert report.ledger is not None
        (layer,) = (path.parent.parent for path in lab.docker_root.glob("overlay/*/diff/own"))
        (item,) = [one for one in report.ledger.items[Category.DOCKER_OTHER] if one.id == str(layer)]
        assert (item.state, charged(item.referenced) >= 3 * MIB) == ("unknown", True)
        assert not any(layer.name in step.command for step in report.plan.every_step)
        assert charged(report.ledger.row(Category.ORPHANS).charged) == 0
        assert charged(report.ledger.row(Category.UNATTRIBUTED).charged) == 0


def temporary(report: Report) -> Mapping[str, int]:
    """The engine's temporary files as items, by path."""
    assert report.ledger is not None
    its = report.ledger.items[Category.DOCKER_OTHER]
    return {one.id: charged(one.referenced) for one in its if one.state == UnitKind.TEMPORARY.value}


def left_at(lab: Lab, *names: str) -> list[str]:
    """What lies among the temporary files under these names."""
    return sorted(str(path) for name in names for path in lab.mount.glob(f"tmp/{name}"))


def until(seen: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < end
        time.sleep(0.002)


def podman(lab: Lab) -> tuple[str, ...]:
    """The words that start the client in the very place where the lab's service lives."""
    words = engines.command("podman", lab.driver, lab._engine.place, "none")
    return ("nsenter", "--mount", "--target", str(lab.pid), *words[words.index("env") : words.index("system")])


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
    assert all(
        step.command.startswith(("podman ", "rm -rf --one-file-system "))
        for step in looked.report.plan.steps
        if step.targets
    )
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
    for done in outcome.steps:  # a link a layer, and a block of a list that got shorter
        assert isinstance(done.predicted, Exact)
        assert isinstance(done.measured, Exact)
        assert 0 <= done.measured.value - done.predicted.value <= 2 * LINK_BYTES


def test_one_volume_goes_when_a_person_names_it(lab: Lab, tmp_path: Path) -> None:
    reclaiming = Reclaiming(lab, tmp_path)
    before = {line for line in holds(lab) if line.startswith("volume ")}
    reclaiming.apply(reclaiming.look(), Risk.DESTRUCTIVE, named=frozenset({"volume:nobodys"}))
    assert before - {line for line in holds(lab) if line.startswith("volume ")} == {"volume nobodys"}


def test_the_items_hold_every_byte_of_each_row(lab: Lab) -> None:
    assert of_engine(lab.host) == {}
