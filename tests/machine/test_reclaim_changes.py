"""Between the plan and the run the world goes on: containers start, tags move, images load, builds run.

Each test makes a plan, changes something that the plan counts on, runs the plan at the tier that would have removed it,
and looks at what is left.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.model.plan import Risk
from collectors.pipeline import FinishedRun as Looked
from collectors.reclaim import EventKind, ReclaimOutcome, engine_and_disk
from collectors.reclaim.engine_and_disk import EngineSession, Reply
from tests.lab import Lab
from tests.lab.client import rootfs
from tests.lab.require import require_machine
from tests.reclaim.reclaiming import NO_AGES, Reclaiming, holds, records

pytestmark = pytest.mark.machine

MIB = 1 << 20
RULES = replace(NO_AGES, images=("base",))  # what the tests themselves run their containers from


@pytest.fixture(
    scope="module",
    params=[("overlay2", "20.10"), ("btrfs", "20.10"), ("overlay2", "28.5"), ("containerd", "28.5")],
    ids=lambda setup: f"{setup[0]}-{setup[1]}",
)
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    require_machine()
    driver, engine = request.param
    with Lab.up(driver=driver, engine=engine, mess="empty", size_mib=1024) as up:
        up.client.base_image()
        yield up


@pytest.fixture
def reclaiming(lab: Lab, tmp_path: Path) -> Reclaiming:
    return Reclaiming(lab, tmp_path, rules=RULES)


def own_image(lab: Lab, tag: str, count: int = 3 * MIB) -> str:
    return lab.import_image(tag, {**rootfs(), "own": count})


def reasons(outcome: ReclaimOutcome) -> dict[str, str]:
    return {t.target.text(): t.reason for result in outcome.steps for t in result.targets if not t.removed}


def test_an_image_that_a_container_uses_by_now_stays_with_all_its_tags(reclaiming: Reclaiming) -> None:
    lab = reclaiming.lab
    image = own_image(lab, "late/used:1")
    lab.docker("tag", "late/used:1", "other/used:stable")
    looked = reclaiming.look()
    assert f"image:{image}" in {t.text() for step in looked.report.plan.steps for t in step.targets}
    lab.docker("create", "--network", "none", "--name", "late-user", "other/used:stable", "sh")
    before = holds(lab)
    outcome = reclaiming.apply(looked, Risk.CAREFUL)
    assert {line for line in before if image in line} <= holds(lab)
    assert "late-user uses it" in reasons(outcome)[f"image:{image}"]
    lab.docker("rm", "late-user")


def test_a_dangling_image_that_was_tagged_meanwhile_stays(reclaiming: Reclaiming) -> None:
    lab = reclaiming.lab
    image = own_image(lab, "late/tagged:1")
    own_image(lab, "late/tagged:1", 2 * MIB)
    looked = reclaiming.look()
    planned = {t.text() for step in looked.report.plan.steps for t in step.targets}
    if f"image:{image}" not in planned:
        pytest.skip("this image store keeps no image that lost its tag")
    lab.docker("tag", image, "rescued:1")
    reclaiming.apply(looked, Risk.CAREFUL)
    assert f"tag rescued:1 {image}" in holds(lab)


def test_a_tag_that_moved_to_a_new_image_is_not_taken_from_it(reclaiming: Reclaiming) -> None:
    lab = reclaiming.lab
    old = own_image(lab, "late/moving:1")
    lab.docker("tag", "late/moving:1", "late/moving:2")
    looked = reclaiming.look()
    new = own_image(lab, "late/moving:1", 5 * MIB)
    reclaiming.apply(looked, Risk.CAREFUL)
    assert f"tag late/moving:1 {new}" in holds(lab)
    assert f"image {new}" in holds(lab)
    assert old != new


def acting(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], object]) -> list[str]:
    """Do it just before the request with this number, of those that change images; they are all remembered."""
    monkeypatch.setattr(engine_and_disk, "settle", lambda *_: "")  # when bytes are free is not the matter here
    asked: list[str] = []
    real = EngineSession._send

    def send(
        self: EngineSession, method: str, path: str, query: Mapping[str, str], timeout_s: float, archive: bytes = b""
    ) -> Reply:
        if method in ("POST", "DELETE") and "/images/" in path:
            asked.append(f"{method} {path}")
            if len(asked) == number:
                act()
        return real(self, method, path, query, timeout_s, archive)

    monkeypatch.setattr(EngineSession, "_send", send)
    return asked


def image_steps(looked: Looked, image: str) -> frozenset[str]:
    return frozenset(s.id for s in looked.report.plan.steps if f"image:{image}" in {t.text() for t in s.targets})


@pytest.mark.parametrize("tags", [(), ("race/one:1",), ("race/one:1", "race/two:1")], ids=len)
def test_an_image_that_is_named_as_it_is_removed_stays_with_all_its_names(
    tags: tuple[str, ...], reclaiming: Reclaiming, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = reclaiming.lab
    for number in range(1, 16, 2):  # each of them: tests.adversary
        image = own_image(lab, tags[0] if tags else "")
        for tag in tags[1:]:
            lab.docker("tag", tags[0], tag)
        looked = reclaiming.look()
        steps = image_steps(looked, image)
        assert steps
        with monkeypatch.context() as patched:
            asked = acting(patched, number, lambda image=image: lab.docker("tag", image, "race/mine:1"))  # type: ignore[misc]
            outcome = reclaiming.apply(looked, Risk.CAREFUL, steps=steps)
        assert not [line for line in holds(lab) if "ullage-removing" in line]
        if len(asked) < number:
            assert not [line for line in holds(lab) if image in line]
            break
        assert f"image {image}" in holds(lab), asked
        assert {line for line in holds(lab) if line.startswith("tag race/")} == {
            f"tag {tag} {image}" for tag in (*tags, "race/mine:1")
        }, asked
        assert "race/mine:1" in reasons(outcome)[f"image:{image}"]
        lab.docker("rmi", *tags, "race/mine:1")
    assert number > 1


def test_a_tag_that_moves_as_it_is_taken_away_stays_at_the_newer_image(
    reclaiming: Reclaiming, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = reclaiming.lab
    newer = own_image(lab, "newer:1")
    for number in range(1, 16, 2):  # each of them: tests.adversary
        old = own_image(lab, "race/moving:1", 2 * MIB)
        lab.docker("tag", old, "race/other:1")
        looked = reclaiming.look()
        with monkeypatch.context() as patched:
            asked = acting(patched, number, lambda: lab.docker("tag", "newer:1", "race/moving:1"))
            reclaiming.apply(looked, Risk.CAREFUL, steps=image_steps(looked, old))
        if len(asked) < number:
            break
        assert {f"tag newer:1 {newer}", f"tag race/moving:1 {newer}"} <= holds(lab), (number, asked)
        assert f"tag race/moving:1 {old}" not in holds(lab)
        lab.docker("rmi", "race/moving:1")
        if f"tag race/other:1 {old}" in holds(lab):
            lab.docker("rmi", "race/other:1")
    assert number > 1
    lab.docker("rmi", "newer:1")


def test_a_container_that_runs_again_stays(reclaiming: Reclaiming) -> None:
    lab = reclaiming.lab
    container = lab.client.run("base:1", "back-again", "test -f /tmp/seen && exec sleep 1000; touch /tmp/seen")
    lab.docker("wait", "back-again")
    looked = reclaiming.look()
    assert f"container:{container}" in {t.text() for step in looked.report.plan.steps for t in step.targets}
    lab.docker("start", "back-again")
    outcome = reclaiming.apply(looked, Risk.CAREFUL)
    assert f"container {container} back-again" in holds(lab)
    assert reasons(outcome)[f"container:{container}"] == "it is running now"
    assert reasons(outcome)[f"log:{container}"] == "it is running now"
    lab.docker("rm", "-f", "back-again")


def test_a_container_whose_layer_grew_large_meanwhile_stays(lab: Lab, tmp_path: Path) -> None:
    reclaiming = Reclaiming(lab, tmp_path, rules=replace(RULES, container_small_bytes=4 * MIB))
    container = lab.client.run("base:1", "growing", "touch /seen")
    lab.docker("wait", "growing")
    looked = reclaiming.look()
    (tmp_path / "data").write_bytes(os.urandom(8 * MIB))
    lab.docker("cp", str(tmp_path / "data"), "growing:/data")
    outcome = reclaiming.apply(looked, Risk.CAREFUL)
    assert f"container {container} growing" in holds(lab)
    assert "somebody's data" in reasons(outcome)[f"container:{container}"]
    lab.docker("rm", "-f", "growing")


def test_a_named_volume_that_is_mounted_or_made_anew_meanwhile_stays(reclaiming: Reclaiming) -> None:
    lab = reclaiming.lab
    for name in ("mounted", "anew"):
        lab.client.run("base:1", "filler", "head -c 1048576 /dev/urandom > /data/filled", "-v", f"{name}:/data")
        lab.docker("wait", "filler")
        lab.docker("rm", "filler")
    time.sleep(1.1)  # the engine dates volumes in whole seconds; younger ones are left alone
    looked = reclaiming.look()
    lab.docker("create", "--network", "none", "--name", "mounter", "-v", "mounted:/data", "base:1", "sh")
    lab.docker("volume", "rm", "anew")
    lab.docker("volume", "create", "anew")
    named = frozenset({"volume:mounted", "volume:anew"})
    outcome = reclaiming.apply(looked, Risk.DESTRUCTIVE, named=named)
    assert {"volume mounted", "volume anew"} <= holds(lab)
    assert reasons(outcome)["volume:mounted"] == "the container mounter mounts it"
    assert reasons(outcome)["volume:anew"] == "it was made after the plan"
    lab.docker("rm", "mounter")
    lab.docker("volume", "rm", "mounted", "anew")


def test_an_image_that_is_loaded_during_the_run_arrives_whole(reclaiming: Reclaiming, tmp_path: Path) -> None:
    lab = reclaiming.lab
    loaded = own_image(lab, "loading:1", 80 * MIB)
    lab.docker("save", "-o", str(tmp_path / "image.tar"), "loading:1")
    lab.docker("rmi", "loading:1")
    for number in range(4):
        own_image(lab, f"unused/{number}:1", MIB)
    looked = reclaiming.look()
    loading = threading.Thread(target=lab.docker, args=("load", "-i", str(tmp_path / "image.tar")))
    loading.start()
    reclaiming.apply(looked, Risk.CAREFUL)
    loading.join()
    assert any(line.startswith("tag loading:1 ") for line in holds(lab))
    ran = lab.docker(
        "run", "--rm", "--network", "none", "loading:1", "sh", "-c", "cat /own | head -c 83886080 | tail -c 3"
    )
    assert len(ran.encode(errors="replace")) > 0
    assert loaded
    reclaiming.apply(reclaiming.look(), Risk.CAREFUL)


def test_a_build_that_runs_meanwhile_succeeds(reclaiming: Reclaiming) -> None:
    lab = reclaiming.lab
    first = "FROM base:1\nCOPY own /own\nRUN head -c 2097152 /dev/urandom > /first\n"
    slow = first + "RUN sleep 4; head -c 1048576 /dev/urandom > /second\n"
    own = os.urandom(MIB)
    lab.docker("rmi", lab.build("built/before:1", {"Dockerfile": first, "own": own}))
    looked = reclaiming.look()
    assert records(lab)
    trouble: list[BaseException] = []

    def build() -> None:
        try:
            lab.build("built/meanwhile:1", {"Dockerfile": slow, "own": own})
        except BaseException as error:  # noqa: BLE001 - shown in the test's own thread
            trouble.append(error)

    building = threading.Thread(target=build)
    building.start()
    threading.Event().wait(1.5)
    reclaiming.apply(looked, Risk.CAREFUL)
    building.join()
    assert not trouble
    assert any(line.startswith("tag built/meanwhile:1 ") for line in holds(lab))
    lab.docker("run", "--rm", "--network", "none", "built/meanwhile:1", "ls", "/first", "/second", "/own")


def test_what_is_gone_already_is_said_and_is_no_failure(reclaiming: Reclaiming) -> None:
    lab = reclaiming.lab
    image = own_image(lab, "gone/already:1")
    looked = reclaiming.look()
    lab.docker("rmi", "gone/already:1")
    outcome = reclaiming.apply(looked, Risk.CAREFUL)
    assert reasons(outcome)[f"image:{image}"] == "it is already gone"
    assert not [event for event in reclaiming.heard if event.kind is EventKind.TARGET_FAILED]


def test_a_run_that_is_cancelled_stops_before_the_next_thing(reclaiming: Reclaiming) -> None:
    lab = reclaiming.lab
    for number in range(3):
        own_image(lab, f"cancelled/{number}:1", MIB)
    looked = reclaiming.look()
    seen: list[object] = []
    outcome = reclaiming.apply(
        looked,
        Risk.CAREFUL,
        cancelled=lambda: bool(seen),
        on_event=lambda event: seen.append(event) if event.kind is EventKind.TARGET_REMOVED else None,
    )
    assert outcome.ended.value == "cancelled"
    assert sum(len(result.removed) for result in outcome.steps) == 1
