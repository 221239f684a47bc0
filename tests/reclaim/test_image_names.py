"""Somebody names an image, or moves its name, at any one request of its removal: what the plan did not name stays."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from collectors.causes.unused_images import DANGLING_STEP as DANGLING
from collectors.reclaim import engine_and_disk
from collectors.reclaim.image_tags import is_own
from collectors.reclaim.run_log import RunLog
from tests.fakes.server import Reply, Request, Reset
from tests.owners import owner
from tests.reclaim.fake_engine import FakeEngine, container, image, refusal
from tests.reclaim.test_engine import OLD_ENOUGH, a_step, reasons, run

STEP = a_step("s", "image.remove", "image:sha256:a")
UNTAGGED = a_step(DANGLING, "image.remove", "image:sha256:a")
MOST_REQUESTS = 60


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured afterwards is none of these tests' matter, and takes most of a run."""
    monkeypatch.setattr(engine_and_disk, "settle", lambda *_: "")


def at_request(fake: FakeEngine, number: int, act: Callable[[], None]) -> None:
    """Do it just before this request is carried out."""

    def fault(request: Request) -> None:
        if len(fake.seen) == number:
            act()

    fake.fault = fault


def names(fake: FakeEngine, image_id: str = "sha256:a") -> set[str]:
    """Of an image that is there; none of ours may be left."""
    tags = set(fake.images[image_id]["RepoTags"])
    assert not any(map(is_own, tags))
    return tags


@pytest.mark.parametrize("tags", [("app:1", "app:2"), ("app:1",), ()])
def test_a_name_that_comes_at_any_request_keeps_the_image_with_all_its_names(
    tags: tuple[str, ...], tmp_path: Path
) -> None:
    kept = 0
    for number in range(1, MOST_REQUESTS):
        fake = FakeEngine(images={"sha256:a": image("a", *tags, tagged=OLD_ENOUGH)})
        came: list[bool] = []

        def name(fake: FakeEngine = fake, came: list[bool] = came) -> None:
            if "sha256:a" in fake.images:
                fake.gives("sha256:a", "mine:1")
                came.append(True)

        at_request(fake, number, name)
        outcome = run(fake, tmp_path, STEP if tags else UNTAGGED)
        if len(fake.seen) < number:
            break
        if came:
            kept += 1
            assert names(fake) == {*tags, "mine:1"}, fake.seen
            assert "mine:1" in reasons(outcome)["image:sha256:a"]
        else:
            assert not fake.images
    else:
        pytest.fail("the run never ended")
    assert kept > 5


def test_an_image_that_got_a_second_name_after_the_plan_stays(tmp_path: Path) -> None:
    fake = FakeEngine(images={"sha256:a": image("a", "app:1", "mine:1", tagged=OLD_ENOUGH)})
    outcome = run(fake, tmp_path, STEP, image_names={"sha256:a": ("app:1",)})
    assert names(fake) == {"app:1", "mine:1"}
    assert reasons(outcome) == {"image:sha256:a": "it was named mine:1 since the plan"}
    assert not fake.asked("DELETE")


def test_an_image_whose_names_the_plan_did_not_know_stays(tmp_path: Path) -> None:
    fake = FakeEngine(images={"sha256:a": image("a", "app:1", tagged=OLD_ENOUGH)})
    outcome = run(fake, tmp_path, STEP, image_names={})
    assert names(fake) == {"app:1"}
    assert reasons(outcome) == {"image:sha256:a": "the plan did not know its names"}


@pytest.mark.parametrize("moved", ["app:1", "app:2", "app:3"])
def test_a_name_that_moves_at_any_request_stays_where_it_is(moved: str, tmp_path: Path) -> None:
    for number in range(1, MOST_REQUESTS):
        fake = FakeEngine(
            images={
                "sha256:a": image("a", "app:1", "app:2", "app:3", tagged=OLD_ENOUGH),
                "sha256:b": image("b", "newer:1", tagged=OLD_ENOUGH),
            }
        )
        at_request(fake, number, lambda fake=fake: fake.gives("sha256:b", moved))  # type: ignore[misc]
        run(fake, tmp_path, STEP)
        if len(fake.seen) < number:
            break
        assert names(fake, "sha256:b") == {"newer:1", moved}, (number, fake.seen)
        if "sha256:a" in fake.images:
            assert names(fake) == {"app:1", "app:2", "app:3"} - {moved}
    else:
        pytest.fail("the run never ended")


@pytest.mark.parametrize("late", [False, True])
def test_a_name_that_moved_while_it_was_put_back_is_left_and_said(late: bool, tmp_path: Path) -> None:
    fake = FakeEngine(
        images={
            "sha256:a": image("a", "app:1", "app:2", tagged=OLD_ENOUGH),
            "sha256:b": image("b", "newer:1", tagged=OLD_ENOUGH),
        }
    )

    def fault(request: Request) -> None:
        if request.method == "DELETE" and unquote(request.path).endswith("/images/sha256:a"):
            fake.containers["c"] = container("c", "sha256:a")  # so that the removal is refused
            if not late:
                fake.gives("sha256:b", "app:1")
        put_back = ("repo", "app") in request.query and "/images/sha256:a/tag" in unquote(request.path)
        if late and put_back:
            fake.gives("sha256:b", "app:1")

    fake.fault = fault
    outcome = run(fake, tmp_path, STEP)
    assert names(fake, "sha256:b") == {"newer:1", "app:1"}
    assert names(fake) == {"app:2"}
    assert reasons(outcome)["image:sha256:a"].endswith("left at the image that has it by now: app:1")


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_an_image_whose_only_tag_moved_to_it_just_now_stays_with_it(method: str, tmp_path: Path) -> None:
    fake = FakeEngine(
        images={"sha256:a": image("a", "app:1", "app:2", tagged=OLD_ENOUGH), "sha256:b": image("b", tagged=OLD_ENOUGH)}
    )

    def fault(request: Request) -> None:
        path = unquote(request.path)
        # As the tag is moved to the stand-in, or as that is removed.
        if request.method == method and not {"sha256:a", "app:1", "load"} & set(re.split("[/@]", path)):
            fake.gives("sha256:b", "app:1")

    fake.fault = fault
    outcome = run(fake, tmp_path, STEP)
    assert names(fake, "sha256:b") == {"app:1"}
    if method == "POST":
        assert names(fake) == {"app:2"}
        assert reasons(outcome)["image:sha256:a"] == "app:1 names another image now"
    assert fake.images.keys() <= {"sha256:a", "sha256:b"}


def test_what_the_engine_did_not_give_back_is_said_and_put_back_by_the_next_run(tmp_path: Path) -> None:
    fake = FakeEngine(images={"sha256:a": image("a", "app:1", "app:2", tagged=OLD_ENOUGH)})
    denied: list[bool] = []

    def fault(request: Request) -> Reply | None:
        if request.method == "DELETE" and unquote(request.path).endswith("/images/sha256:a"):
            denied.append(True)
        return refusal(403, "denied by plugin") if denied else None

    fake.fault = fault
    outcome = run(fake, tmp_path, STEP)
    (left,) = fake.images["sha256:a"]["RepoTags"]
    assert is_own(left)
    assert "not put back yet: app:1, app:2" in reasons(outcome)["image:sha256:a"]
    fake.fault = lambda request: None
    run(fake, tmp_path)
    assert names(fake) == {"app:1", "app:2"}
    fake.images["sha256:a"]["RepoTags"] = ["app:2"]  # it was put right once: what is done after that is meant
    run(fake, tmp_path)
    assert names(fake) == {"app:2"}


def test_an_untagged_image_that_is_used_at_the_last_moment_stays_untagged(tmp_path: Path) -> None:
    fake = FakeEngine(
        images={"sha256:a": image("a", tagged=OLD_ENOUGH), "sha256:b": image("b", "newer:1", tagged=OLD_ENOUGH)}
    )

    def fault(request: Request) -> None:
        if request.method == "DELETE":
            fake.containers["c"] = container("c", "sha256:a")

    fake.fault = fault
    outcome = run(fake, tmp_path, UNTAGGED)
    assert names(fake) == set()
    assert names(fake, "sha256:b") == {"newer:1"}
    assert "is being used" in reasons(outcome)["image:sha256:a"]


def test_names_of_ours_are_taken_off_after_a_lost_answer_and_after_a_crash(tmp_path: Path) -> None:
    fake = FakeEngine(
        images={"sha256:a": image("a", tagged=OLD_ENOUGH), "sha256:b": image("b", "newer:1", tagged=OLD_ENOUGH)}
    )
    fake.fault = lambda request: Reset() if request.method == "DELETE" and len(fake.asked("DELETE")) == 1 else None
    outcome = run(fake, tmp_path, UNTAGGED)
    assert "it is still there" in reasons(outcome)["image:sha256:a"]
    assert names(fake) == set()

    fake.fault = lambda request: None
    log = RunLog(tmp_path / "state")
    log.begin([("s", "Remove it")], None)
    log.means("s", owner("image:sha256:a"))
    fake.gives("sha256:a", "ullage-removing/a:0123456789abcdef")
    run(fake, tmp_path, a_step("s", "image.remove", "image:sha256:elsewhere"))
    assert names(fake) == set()
    assert names(fake, "sha256:b") == {"newer:1"}


def test_a_digest_goes_by_its_own_name_and_a_tag_that_came_with_it_stays(tmp_path: Path) -> None:
    held = image("a", tagged=OLD_ENOUGH)
    held["RepoDigests"] = ["app@sha256:d"]
    fake = FakeEngine(images={"sha256:a": held})

    def fault(request: Request) -> None:
        if request.method == "DELETE" and "mine:1" not in held["RepoTags"]:
            fake.gives("sha256:a", "mine:1")

    known = {"sha256:a": ("app@sha256:d",)}
    fake.fault = fault
    assert reasons(run(fake, tmp_path, STEP, image_names=known))["image:sha256:a"].startswith("it was named mine:1")
    assert names(fake) == {"mine:1"}
    fake.fault = lambda request: None
    fake.images = {"sha256:a": image("a", tagged=OLD_ENOUGH)}
    fake.images["sha256:a"]["RepoDigests"] = ["app@sha256:d"]
    run(fake, tmp_path, STEP, image_names=known)
    assert not fake.images


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("ullage-removing/a:1", True),
        ("docker.io/ullage-removing/a:1", True),
        ("ullage-removing/a@sha256:d", True),
        ("ullage-removing:1", False),
        ("my/ullage-removing:1", False),
        ("not-ullage-removing/a:1", False),
    ],
)
def test_a_name_of_ours_is_told_from_others(name: str, ours: bool) -> None:
    assert is_own(name) is ours
