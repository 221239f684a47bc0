"""kill -9 in the middle, an engine that dies, hangs or restarts, a disk without a free byte, two runs at once."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.causes.unused_images import remove as unused_images
from collectors.model.filesystem import most_used_bytes
from collectors.model.plan import Risk
from collectors.model.reading import Exact
from collectors.reclaim import Ended, Event, EventKind, image_removal
from collectors.reclaim.engine_and_disk import EngineSession, Reply, flush
from collectors.reclaim.run import apply, earlier_run
from tests.lab import Lab
from tests.lab.require import require_machine
from tests.reclaim.reclaiming import NO_AGES, Reclaiming, holds, never

pytestmark = pytest.mark.machine

MIB = 1 << 20
RULES = replace(NO_AGES, images=("base",))


@pytest.fixture(scope="module", params=["overlay2", "btrfs"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    require_machine()
    with Lab.up(driver=request.param, mess="empty", size_mib=512) as up:
        up.client.base_image()
        yield up


@pytest.fixture
def reclaiming(lab: Lab, tmp_path: Path) -> Reclaiming:
    lab.start_engine()
    for number in range(4):
        lab.import_image(f"unused/{number}:1", {"own": MIB + number * 4096})
    return Reclaiming(lab, tmp_path, rules=RULES)


def killed(run: Callable[[], object]) -> None:
    """Run it in a process of its own that is expected to end by SIGKILL."""
    child = multiprocessing.get_context("fork").Process(target=run)
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at(kind: EventKind, nth: int, act: Callable[[], object]) -> Callable[[Event], None]:
    """Do something at the nth event of a kind."""
    seen: list[Event] = []

    def hear(event: Event) -> None:
        if event.kind is kind:
            seen.append(event)
            if len(seen) == nth:
                act()

    return hear


def unused(lab: Lab) -> set[str]:
    return {line for line in holds(lab) if line.startswith("tag unused/")}


def test_the_run_after_a_kill_says_what_was_left_and_finishes(reclaiming: Reclaiming) -> None:
    lab = reclaiming.lab
    looked = reclaiming.look()
    killed(lambda: reclaiming.apply(looked, Risk.CAREFUL, on_event=at(EventKind.TARGET_REMOVED, 2, die)))
    assert len(unused(lab)) == 2
    assert "did not end" in earlier_run(reclaiming.state)
    assert "2 things were removed" in earlier_run(reclaiming.state)
    outcome = reclaiming.apply(reclaiming.look(), Risk.CAREFUL)
    assert outcome.ended is Ended.ALL_DONE
    assert [event.kind for event in reclaiming.heard].count(EventKind.EARLIER_RUN) == 1
    assert any("did not end" in note for note in outcome.notes)
    assert not unused(lab)
    assert earlier_run(reclaiming.state) == ""


def test_a_kill_between_two_tags_of_an_image_costs_it_no_tag(
    reclaiming: Reclaiming, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = reclaiming.lab
    lab.docker("tag", "unused/0:1", "unused/also:1")
    looked = reclaiming.look()
    with_two = next(line.split()[2] for line in unused(lab) if " " in line and "unused/also:1" in line)
    real = EngineSession.delete

    def named_count() -> int:
        return len([line for line in unused(lab) if line.endswith(with_two)])

    def deadly(self: EngineSession, path: str, query: dict[str, str]) -> Reply:
        reply = real(self, path, query)
        if named_count() == 1:
            die()
        return reply

    def run() -> None:
        monkeypatch.setattr(EngineSession, "delete", deadly)
        reclaiming.apply(looked, Risk.CAREFUL)

    killed(run)
    assert named_count() == 1
    outcome = reclaiming.apply(reclaiming.look(), Risk.SAFE)
    assert named_count() == 2
    assert any("are put back" in note and "still there" in note for note in outcome.notes)
    reclaiming.apply(reclaiming.look(), Risk.CAREFUL)
    assert not unused(lab)


def test_an_engine_that_restarts_in_the_middle_is_waited_for(reclaiming: Reclaiming) -> None:
    lab = reclaiming.lab

    def restart() -> None:
        lab.kill_engine()
        threading.Timer(2.0, lab.start_engine).start()

    outcome = reclaiming.apply(reclaiming.look(), Risk.CAREFUL, on_event=at(EventKind.TARGET_REMOVED, 1, restart))
    assert outcome.ended is Ended.ALL_DONE, outcome
    assert any(e.kind is EventKind.WAITING and "does not answer" in e.text for e in reclaiming.heard)
    assert not unused(lab)


def test_an_engine_that_stays_away_ends_the_run_and_the_next_one_finishes(reclaiming: Reclaiming) -> None:
    lab = reclaiming.lab
    looked = reclaiming.look()
    context = replace(reclaiming.context(looked, Risk.CAREFUL), engine_return_s=2.0)
    outcome = apply(
        looked.report.plan,
        frozenset(step.id for step in looked.report.plan.steps),
        context,
        on_event=at(EventKind.TARGET_REMOVED, 1, lab.kill_engine),
        cancelled=never,
    )
    assert outcome.ended is Ended.ENGINE_LOST
    assert sum(len(result.removed) for result in outcome.steps) == 1
    lab.start_engine()
    assert reclaiming.apply(reclaiming.look(), Risk.CAREFUL).ended is Ended.ALL_DONE
    assert not unused(lab)


def test_after_a_time_out_the_state_is_read_and_nothing_is_asked_twice(
    reclaiming: Reclaiming, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = reclaiming.lab
    looked = reclaiming.look()
    asked: list[str] = []
    real = EngineSession.delete

    def counting(self: EngineSession, path: str, query: dict[str, str]) -> Reply:
        asked.append(path)
        if len(asked) == 1:
            lab.freeze_engine()
            threading.Timer(5.0, lab.thaw_engine).start()
        return real(self, path, query)

    monkeypatch.setattr(EngineSession, "delete", counting)
    context = replace(reclaiming.context(looked, Risk.CAREFUL), request_timeout_s=2.0)
    outcome = apply(
        looked.report.plan,
        frozenset(step.id for step in looked.report.plan.steps),
        context,
        on_event=lambda event: None,
        cancelled=never,
    )
    assert len(asked) == len(set(asked)) >= 4
    assert outcome.ended is Ended.ALL_DONE
    first = outcome.steps[0].targets[0]
    assert "gave no answer" in first.reason
    there = any(first.target.id in line for line in holds(lab))
    assert first.removed is not there
    reclaiming.apply(reclaiming.look(), Risk.CAREFUL)
    assert not unused(lab)


def test_a_disk_without_a_free_byte_is_freed_though_nothing_can_be_logged_on_it(lab: Lab) -> None:
    """The engine itself cannot write there; what it refused at first is tried again once there is room."""
    filler = lab.mount / "filler"
    build_some(lab)
    reclaiming = Reclaiming(lab, lab.mount / "state", rules=RULES)
    looked = reclaiming.look()
    fill(filler)
    try:
        outcome = reclaiming.apply(looked, Risk.CAREFUL)
        assert outcome.ended is Ended.ALL_DONE, outcome
        assert isinstance(outcome.measured, Exact)
        assert outcome.measured.value > 30 * MIB
        assert not unused(lab)
        assert not [step for step in reclaiming.look().report.plan.steps if step.automatic]
    finally:
        filler.unlink()


def build_some(lab: Lab) -> None:
    """Build cache, a dangling image, a stopped container, tagged images."""
    for number in range(4):
        lab.import_image(f"unused/{number}:1", {"own": 8 * MIB})
    lab.import_image("", {"own": 4 * MIB})
    lab.client.run("base:1", "ended", "head -c 3000000 /dev/urandom > /written")
    lab.docker("wait", "ended")
    files: dict[str, bytes | str] = {"Dockerfile": "FROM base:1\nCOPY own /own\n", "own": os.urandom(3 * MIB)}
    lab.docker("rmi", lab.build("built:1", files))


def test_enospc_and_a_kill_together_leave_a_state_that_the_next_run_finishes(lab: Lab) -> None:
    filler = lab.mount / "filler"
    build_some(lab)
    reclaiming = Reclaiming(lab, lab.mount / "state-too", rules=RULES)
    looked = reclaiming.look()
    fill(filler)
    try:
        killed(lambda: reclaiming.apply(looked, Risk.CAREFUL, on_event=at(EventKind.TARGET_REMOVED, 2, die)))
        fill(filler.with_name("filler-2"))
        outcome = reclaiming.apply(reclaiming.look(), Risk.CAREFUL)
        assert outcome.ended is Ended.ALL_DONE, outcome
        assert not unused(lab)
    finally:
        for path in lab.mount.glob("filler*"):
            path.unlink()


def fill(path: Path) -> None:
    """Not one byte more, as root or not."""
    with path.open("wb", buffering=0) as file:
        for size in (MIB, 4096, 1):
            try:
                while True:
                    file.write(os.urandom(size) if size > 1 else b"x")
                    if size == MIB:
                        os.fsync(file.fileno())
            except OSError:
                continue


def test_two_runs_at_once_are_one_run_and_one_refusal(reclaiming: Reclaiming, tmp_path: Path) -> None:
    looked = reclaiming.look()
    other = Reclaiming(reclaiming.lab, tmp_path / "elsewhere", rules=RULES)
    refusals: list[Ended] = []

    def meanwhile() -> None:
        refusals.append(other.apply(looked, Risk.CAREFUL).ended)

    outcome = reclaiming.apply(looked, Risk.CAREFUL, on_event=at(EventKind.STEP_STARTED, 1, meanwhile))
    assert refusals == [Ended.BUSY]
    assert outcome.ended is Ended.ALL_DONE


def test_a_last_tag_that_the_engine_refuses_puts_the_others_back(
    reclaiming: Reclaiming, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The container comes between the last look and the removal: the engine's refusal is the last guard."""
    lab = reclaiming.lab
    lab.docker("tag", "unused/0:1", "unused/also:1")
    looked = reclaiming.look()
    real = image_removal.remove_image

    def late(engine: EngineSession, detail: dict[str, object], *, keep_parents: bool) -> object:
        if len(detail["RepoTags"]) > 1:  # type: ignore[arg-type]
            lab.docker("create", "--network", "none", "--name", "just-now", "unused/0:1", "/none")
        return real(engine, detail, keep_parents=keep_parents)

    monkeypatch.setattr(unused_images, "remove_image", late)
    before = unused(lab)
    reclaiming.apply(looked, Risk.CAREFUL)
    image = next(line.split()[2] for line in before if "unused/also:1" in line)
    assert {line for line in before if line.endswith(image)} == unused(lab)
    lab.docker("rm", "just-now")


def test_the_run_stops_at_its_target(reclaiming: Reclaiming) -> None:
    lab = reclaiming.lab
    flush(str(lab.mount))
    space = reclaiming.look().snapshot.studies[0].filesystem.space
    assert isinstance(space, Exact)
    # A MiB above a whole percent, which is what targets go by.
    target = space.value.used_percent
    more = most_used_bytes(target, space.value.usable_bytes) + MIB - space.value.used_bytes
    (lab.mount / "more").write_bytes(secrets.token_bytes(more))
    flush(str(lab.mount))
    looked = reclaiming.look()
    outcome = reclaiming.apply(looked, Risk.CAREFUL, until=target)
    assert outcome.ended is Ended.TARGET_REACHED
    assert unused(lab)
