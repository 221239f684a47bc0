"""What a run's exit status is made from: how it ended, what is left of what was chosen, how full the disk is."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.model.plan import Step
from collectors.model.reading import Unavailable, Why
from collectors.reclaim import GONE, ApplyStatus, Ended, ReclaimOutcome, StepResult, TargetResult, status
from tests.fakes.server import Reply, Request
from tests.owners import owner
from tests.planning.build import HERE, exact
from tests.reclaim.fake_engine import FakeEngine, image
from tests.reclaim.test_engine import OLD_ENOUGH, a_step, run

SILENT = Unavailable(Why.NOT_REPORTED, "", HERE)


def result(step: str, *targets: TargetResult, worked: bool = True) -> StepResult:
    return StepResult(step, "image.remove", step, exact(1), SILENT, exact(1), SILENT, targets, 0.0, "", worked)


def gone(name: str) -> TargetResult:
    return TargetResult(owner(f"image:{name}"), True, "")


def left(name: str, reason: str = "in use") -> TargetResult:
    return TargetResult(owner(f"image:{name}"), False, reason)


def outcome(ended: Ended, *results: StepResult, after: int | None = 80) -> ReclaimOutcome:
    return ReclaimOutcome(ended, "", results, exact(1), SILENT, exact(1), SILENT, 90, after, ())


@pytest.mark.parametrize(
    ("ended", "after", "meant"),
    [
        (Ended.TARGET_REACHED, 75, ApplyStatus.REACHED),
        (Ended.ALL_DONE, 75, ApplyStatus.REACHED),
        (Ended.ALL_DONE, 76, ApplyStatus.NOT_REACHED),
        (Ended.CANCELLED, 76, ApplyStatus.NOT_REACHED),
        (Ended.ALL_DONE, None, ApplyStatus.UNKNOWN),
        (Ended.BUSY, 76, ApplyStatus.REFUSED),
        (Ended.REFUSED, None, ApplyStatus.REFUSED),
        (Ended.ENGINE_LOST, 76, ApplyStatus.UNKNOWN),
        (Ended.FAILED, 76, ApplyStatus.UNKNOWN),
    ],
)
def test_with_a_target_the_disk_decides(ended: Ended, after: int | None, meant: ApplyStatus) -> None:
    assert status(outcome(ended, result("s", gone("a")), after=after), frozenset({"s"}), 75.0) is meant


@pytest.mark.parametrize(
    ("results", "meant"),
    [
        ((result("s", gone("a"), gone("b")),), ApplyStatus.REACHED),
        ((result("s", gone("a"), left("b")),), ApplyStatus.NOT_REACHED),
        ((result("s", gone("a"), left("b", GONE.reason)),), ApplyStatus.REACHED),
        ((result("s", gone("a"), left("b")), result("s", gone("b"))), ApplyStatus.REACHED),  # once there was room
        ((result("s", gone("a")), result("t", left("b"))), ApplyStatus.NOT_REACHED),
        ((result("t"),), ApplyStatus.NOT_REACHED),  # "s" was never come to
        ((), ApplyStatus.NOT_REACHED),
        ((result("s"),), ApplyStatus.REACHED),  # in one go, without targets: a balance
        ((result("s", worked=False),), ApplyStatus.NOT_REACHED),
    ],
)
def test_without_a_target_each_chosen_thing_counts(results: tuple[StepResult, ...], meant: ApplyStatus) -> None:
    assert status(outcome(Ended.ALL_DONE, *results), frozenset({"s"}), None) is meant


def removal(name: str) -> Step:
    return a_step("s", "image.remove", f"image:sha256:{name}")


def test_0_of_1_removed_is_no_success(tmp_path: Path) -> None:
    def refuse(request: Request) -> Reply | None:
        return Reply(b'{"message":"conflict"}', status=409) if request.method == "DELETE" else None

    fake = FakeEngine(images={"sha256:a": image("a", "app:1", tagged=OLD_ENOUGH)}, fault=refuse)
    done = run(fake, tmp_path, removal("a"))
    assert (done.ended, status(done, frozenset({"s"}), None)) == (Ended.ALL_DONE, ApplyStatus.NOT_REACHED)
    done = run(FakeEngine(images={"sha256:a": image("a", "app:1", tagged=OLD_ENOUGH)}), tmp_path, removal("a"))
    assert status(done, frozenset({"s"}), None) is ApplyStatus.REACHED
