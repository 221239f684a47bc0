"""A run against an engine that refuses, forgets to answer, or has changed its mind: without root, without Docker."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote

import pytest

from collectors.causes import build_cache, containers_and_volumes, deleted_open, engine_leftovers, unused_images
from collectors.causes.unneeded import OLD, SHARED
from collectors.causes.unused_images import DANGLING_STEP as DANGLING
from collectors.causes.unused_images import YOUNG_STEP
from collectors.engine import endpoint
from collectors.model.plan import Harm, Plan, Risk, Step, Unlock
from collectors.model.reading import AtLeast, Exact, Unavailable
from collectors.model.settings import Rules
from collectors.reclaim import Ended, Event, EventKind, ReclaimOutcome
from collectors.reclaim.run import apply
from collectors.reclaim.tools import RunContext
from collectors.system.deadline import this_host
from tests.fakes.server import Mute, Reply, Request, Reset
from tests.owners import owner
from tests.planning.build import NOW, exact, release
from tests.reclaim.fake_engine import FakeEngine, container, image

OLD_ENOUGH = "2020-01-01T00:00:00Z"


CAUSE_OF = {
    "image.remove": unused_images.ID,
    "container.remove": containers_and_volumes.ID,
    "volume.remove": containers_and_volumes.VOLUMES_ID,
    "build-cache.prune": build_cache.ID,
    "temporary.remove": engine_leftovers.TEMPORARY_ID,
    "interrupted.remove": engine_leftovers.INTERRUPTED_ID,
    "holder.restart": deleted_open.ID,
}


def a_step(step_id: str, action: str, *targets: str, risk: Risk = Risk.CAREFUL, automatic: bool = True) -> Step:
    owners = tuple(map(owner, targets))
    cause = unused_images.DANGLING_ID if step_id == DANGLING else CAUSE_OF.get(action, "")
    return Step(step_id, action, step_id, "", owners, exact(100), risk, Harm.TIME, "", "", "", "", automatic, cause)


@contextmanager
def _quick() -> Iterator[Path]:
    """A folder on a filesystem that is flushed at once, however busy the disk is."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(prefix="ullage-test-", dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def run(
    fake: FakeEngine,
    tmp_path: Path,
    *steps: Step,
    cancelled: bool = False,
    heard: list[Event] | None = None,
    **changes: object,
) -> ReclaimOutcome:
    with fake.server() as server, _quick() as mountpoint:
        context = RunContext(
            endpoint=endpoint(server.url, {}, tmp_path),
            host=this_host(),
            mountpoint=str(mountpoint),
            docker_root=str(tmp_path / "docker"),
            state=tmp_path / "state",
            rules=Rules(),
            image_names={name: tuple(one["RepoTags"]) for name, one in fake.images.items()},
            planned_at=NOW,
            tier=Risk.DESTRUCTIVE,
            target_percent=None,
            grace_s=3600.0,
            request_timeout_s=1.0,
            engine_return_s=1.0,
        )
        plan = Plan(steps, tuple(Unlock(frozenset({step.id}), 100) for step in steps), ())
        return apply(
            plan,
            frozenset(step.id for step in steps),
            replace(context, **changes),  # type: ignore[arg-type]
            on_event=(heard if heard is not None else []).append,
            cancelled=lambda: cancelled,
        )


def test_a_young_step_runs_only_where_a_person_named_it_and_only_what_rested_since_the_plan(tmp_path: Path) -> None:
    since, planned = datetime.now(UTC), datetime.now(UTC) - timedelta(seconds=30)
    made = (since - timedelta(minutes=5)).isoformat().replace("+00:00", "Z")
    again = since.isoformat().replace("+00:00", "Z")
    fake = FakeEngine(images={"sha256:a": image("a", tagged=made), "sha256:b": image("b", tagged=again)})
    young = replace(a_step(YOUNG_STEP, "image.remove", "image:sha256:a", "image:sha256:b"), young_s=3600.0)
    young = replace(young, cause=unused_images.DANGLING_ID)
    unasked = run(fake, tmp_path, young, planned_at=planned)
    assert len(fake.images) == 2
    assert any("--min-age 0" in note for note in unasked.notes)
    named = run(fake, tmp_path, young, planned_at=planned, named=frozenset({YOUNG_STEP}))
    assert list(fake.images) == ["sha256:b"]
    assert reasons(named) == {"image:sha256:b": "it was tagged, pulled or loaded recently"}


def reasons(outcome: ReclaimOutcome) -> dict[str, str]:
    return {t.target.text(): t.reason for result in outcome.steps for t in result.targets if not t.removed}


def test_an_image_with_one_tag_goes_by_its_id_and_is_not_forced(tmp_path: Path) -> None:
    fake = FakeEngine(images={"sha256:a": image("a", "app:1", tagged=OLD_ENOUGH)})
    outcome = run(fake, tmp_path, a_step("s", "image.remove", "image:sha256:a"))
    assert not fake.images
    assert fake.asked("DELETE")[-1] == "/images/sha256:a {'force': '0', 'noprune': '0'}"
    assert not any("'force': '1'" in line for line in fake.seen)
    assert (outcome.ended, outcome.steps[0].removed) == (Ended.ALL_DONE, (owner("image:sha256:a"),))
    assert outcome.predicted == Exact(100, outcome.predicted.origin)


def test_several_tags_go_one_by_one_and_a_moved_one_stops_it_and_all_are_back(tmp_path: Path) -> None:
    fake = FakeEngine(
        images={
            "sha256:a": image("a", "app:1", "app:2", "app:3", tagged=OLD_ENOUGH),
            "sha256:b": image("b", tagged=OLD_ENOUGH),
        }
    )
    looks: list[str] = []

    def moving(request: Request) -> None:
        # The tag moves between the first look and the second removal.
        if request.method == "DELETE" and not looks:
            looks.append("moved")
            fake.images["sha256:a"]["RepoTags"].remove("app:2")
            fake.images["sha256:b"]["RepoTags"].append("app:2")

    fake.fault = moving
    outcome = run(fake, tmp_path, a_step("s", "image.remove", "image:sha256:a"))
    assert fake.images["sha256:b"]["RepoTags"] == ["app:2"]
    # The first answer was a refusal by id or a removal by tag; whatever was taken is back.
    assert set(fake.images["sha256:a"]["RepoTags"]) == {"app:1", "app:3"}
    assert reasons(outcome) == {"image:sha256:a": "app:2 names another image now"}


def test_a_refused_last_tag_puts_the_first_ones_back(tmp_path: Path) -> None:
    fake = FakeEngine(images={"sha256:a": image("a", "app:1", "other:1", tagged=OLD_ENOUGH)})

    def late(request: Request) -> None:
        if request.method == "DELETE":
            fake.containers["c"] = container("c", "sha256:a")

    fake.fault = late
    outcome = run(fake, tmp_path, a_step("s", "image.remove", "image:sha256:a"))
    assert set(fake.images["sha256:a"]["RepoTags"]) == {"app:1", "other:1"}
    assert "is being used" in reasons(outcome)["image:sha256:a"]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (image("a", "rescued:1"), "it is not dangling any more: it is tagged rescued:1"),
        (image("a", labels={"ullage.keep": "true"}), "the rule ullage.keep=true keeps it"),
        (image("a", tagged="2999-01-01T00:00:00Z"), "it was tagged, pulled or loaded recently"),
    ],
)
def test_a_dangling_image_is_left_alone_for_what_it_has_become(
    changed: dict[str, object], reason: str, tmp_path: Path
) -> None:
    fake = FakeEngine(images={"sha256:a": changed})
    outcome = run(fake, tmp_path, a_step(DANGLING, "image.remove", "image:sha256:a"))
    assert reasons(outcome) == {"image:sha256:a": reason}
    assert not fake.asked("DELETE")


def test_an_image_whose_tag_a_container_was_made_from_stays(tmp_path: Path) -> None:
    fake = FakeEngine(
        images={"sha256:a": image("a", "app:latest", tagged=OLD_ENOUGH)},
        containers={"c": container("c", "sha256:old", made_from="app", status="running")},
    )
    outcome = run(fake, tmp_path, a_step("s", "image.remove", "image:sha256:a"))
    assert reasons(outcome) == {"image:sha256:a": "the container c uses it"}


def test_parents_of_an_image_are_kept_when_a_label_keeps_one(tmp_path: Path) -> None:
    fake = FakeEngine(
        images={
            "sha256:top": image("top", "app:1", tagged=OLD_ENOUGH, parent="sha256:mid"),
            "sha256:mid": image("mid", parent="sha256:low"),
            "sha256:low": image("low", labels={"ullage.keep": "true"}),
        }
    )
    run(fake, tmp_path, a_step("s", "image.remove", "image:sha256:top"))
    assert fake.asked("DELETE")[-1] == "/images/sha256:top {'force': '0', 'noprune': '1'}"


CONTAINERD = {"Driver": "overlayfs", "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}


def test_on_the_containerd_store_no_image_goes_while_a_pull_is_in_flight_or_cannot_be_excluded(tmp_path: Path) -> None:
    fake = FakeEngine(images={"sha256:a": image("a", "app:1", tagged=OLD_ENOUGH)}, info=CONTAINERD)
    host = replace(this_host(), root=tmp_path / "host")
    step = a_step("s", "image.remove", "image:sha256:a")
    unseen = run(fake, tmp_path, step, host=host)
    assert reasons(unseen) == {"image:sha256:a": "whether a pull is in flight cannot be told from here"}
    ingest = tmp_path / "docker/containerd/daemon/io.containerd.content.v1.content/ingest"
    (ingest / "abc").mkdir(parents=True)
    pulling = run(fake, tmp_path, step, host=host)
    assert reasons(pulling) == {"image:sha256:a": "an image is being pulled or loaded"}
    assert not fake.asked("DELETE")
    (ingest / "abc").rmdir()
    assert run(fake, tmp_path, step, host=host).steps[0].removed


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (container("c", "i", status="running"), "it is running now"),
        (container("c", "i", status="created"), "it is created now"),
        (container("c", "i", ended="2999-01-01T00:00:00Z"), "it ran again recently"),
        (container("c", "i", ended="0001-01-01T00:00:00Z"), "when it ended is not known"),
        (container("c", "i", labels={"ullage.keep": "true"}), "the rule ullage.keep=true keeps it"),
        (container("c", "i", written=1 << 40), "its writable layer may hold somebody's data"),
    ],
)
def test_a_container_is_left_alone_for_what_it_has_become(
    found: dict[str, object], reason: str, tmp_path: Path
) -> None:
    fake = FakeEngine(containers={"c": found})
    outcome = run(fake, tmp_path, a_step("container:c", "container.remove", "container:c", "log:c"))
    assert reasons(outcome) == {"container:c": reason, "log:c": reason}
    assert not fake.asked("DELETE")


def test_a_container_takes_its_log_and_leaves_its_volumes(tmp_path: Path) -> None:
    fake = FakeEngine(containers={"c": container("c", "i", mounts=("data",))}, volumes={"data": {"Name": "data"}})
    outcome = run(fake, tmp_path, a_step("container:c", "container.remove", "container:c", "log:c"))
    assert fake.asked("DELETE") == ["/containers/c {'force': '0', 'v': '0'}"]
    assert outcome.steps[0].removed == (owner("container:c"), owner("log:c"))
    assert "data" in fake.volumes


RECORD = "a" * 25


def test_a_record_is_pruned_by_its_id_with_its_age_as_the_builder_s_own_condition(tmp_path: Path) -> None:
    fake = FakeEngine(records={RECORD: 4096, "b" * 25: 7})
    step = a_step(OLD, "build-cache.prune", f"build:{RECORD}", risk=Risk.SAFE)
    outcome = run(fake, tmp_path, step, planned_at=datetime.now(UTC))
    (asked,) = fake.asked("POST")
    assert f'"id": {{"{RECORD}": true}}' in asked
    assert '"until": {"86400s": true}' in asked
    assert "'all': '0'" in asked
    assert list(fake.records) == ["b" * 25]
    assert outcome.engine_reported == Exact(4096, outcome.engine_reported.origin)


def test_shared_records_need_all_and_a_record_that_the_builder_keeps_is_no_failure(tmp_path: Path) -> None:
    fake = FakeEngine()
    heard: list[Event] = []
    outcome = run(fake, tmp_path, a_step(SHARED, "build-cache.prune", f"build:{RECORD}"), heard=heard)
    assert "'all': '1'" in fake.asked("POST")[0]
    assert "the builder kept it" in reasons(outcome)[f"build:{RECORD}"]
    assert EventKind.TARGET_SKIPPED in [event.kind for event in heard]
    assert isinstance(outcome.engine_reported, Unavailable)


def test_an_id_that_the_engine_might_read_as_a_pattern_is_not_sent(tmp_path: Path) -> None:
    fake = FakeEngine(records={".*": 1})
    run(fake, tmp_path, a_step(OLD, "build-cache.prune", "build:.*", risk=Risk.SAFE))
    assert not fake.asked("POST")


def test_nothing_ever_prunes_images_volumes_or_containers_wholesale(tmp_path: Path) -> None:
    fake = FakeEngine(
        images={"sha256:a": image("a", "app:1", "app:2", tagged=OLD_ENOUGH)},
        containers={"c": container("c", "i")},
        volumes={"v": {"Name": "v", "CreatedAt": OLD_ENOUGH, "Labels": None}},
        records={RECORD: 1},
    )
    outcome = run(
        fake,
        tmp_path,
        a_step(OLD, "build-cache.prune", f"build:{RECORD}", risk=Risk.SAFE),
        a_step("container:c", "container.remove", "container:c", "log:c"),
        a_step("image:sha256:a", "image.remove", "image:sha256:a"),
        a_step("volume:v", "volume.remove", "volume:v", risk=Risk.DESTRUCTIVE, automatic=False),
        named=frozenset({"volume:v"}),
    )
    assert all(result.removed for result in outcome.steps)
    prunes = [line for line in fake.seen if "prune" in line and "noprune" not in line]
    assert all(line.startswith("POST /build/prune ") for line in prunes)
    assert not any("'force': '1'" in line for line in fake.seen)


def test_a_tier_and_a_name_are_needed_whatever_is_chosen(tmp_path: Path) -> None:
    fake = FakeEngine(volumes={"v": {"Name": "v"}}, images={"sha256:a": image("a", tagged=OLD_ENOUGH)})
    volume = a_step("volume:v", "volume.remove", "volume:v", risk=Risk.DESTRUCTIVE, automatic=False)
    careful = a_step(DANGLING, "image.remove", "image:sha256:a")
    for outcome in (
        run(fake, tmp_path, volume),
        run(fake, tmp_path, volume, careful, tier=Risk.SAFE, named=frozenset({"volume:v"})),
    ):
        assert outcome.steps == ()
        assert outcome.notes
    assert not fake.asked("DELETE")


def test_a_volume_made_after_the_plan_is_another_volume(tmp_path: Path) -> None:
    fake = FakeEngine(volumes={"v": {"Name": "v", "CreatedAt": "2999-01-01T00:00:00+02:00"}})
    step = a_step("volume:v", "volume.remove", "volume:v", risk=Risk.DESTRUCTIVE, automatic=False)
    outcome = run(fake, tmp_path, step, named=frozenset({"volume:v"}))
    assert reasons(outcome) == {"volume:v": "it was made after the plan"}


@pytest.mark.parametrize("silence", [Mute(), Reset()])
def test_an_answer_that_never_comes_is_not_asked_for_again(silence: Mute | Reset, tmp_path: Path) -> None:
    fake = FakeEngine(images={name: image(name[7:], tagged=OLD_ENOUGH) for name in ("sha256:a", "sha256:b")})

    def once(request: Request) -> Mute | Reset | None:
        if request.method == "DELETE" and len(fake.asked("DELETE")) == 1:
            fake.images.pop("sha256:a")  # it did what it was told, and never said so
            return silence
        return None

    fake.fault = once
    outcome = run(fake, tmp_path, a_step(DANGLING, "image.remove", "image:sha256:a", "image:sha256:b"))
    assert [line.partition(" ")[0] for line in fake.asked("DELETE")] == ["/images/sha256:a", "/images/sha256:b"]
    assert outcome.steps[0].removed == (owner("image:sha256:a"), owner("image:sha256:b"))
    assert outcome.steps[0].targets[0].reason == "the engine gave no answer; it is gone"


def test_an_engine_that_stays_away_ends_the_run(tmp_path: Path) -> None:
    fake = FakeEngine(images={"sha256:a": image("a", tagged=OLD_ENOUGH)})
    fake.fault = lambda request: Reset() if request.path.endswith("/info") or "_ping" in request.path else None
    outcome = run(fake, tmp_path, a_step(DANGLING, "image.remove", "image:sha256:a"))
    assert outcome.ended is Ended.ENGINE_LOST
    assert reasons(outcome) == {"image:sha256:a": "not reached"}


def test_a_step_done_in_part_makes_the_prediction_a_lower_bound(tmp_path: Path) -> None:
    fake = FakeEngine(images={"sha256:a": image("a", tagged=OLD_ENOUGH), "sha256:b": image("b", "named:1")})
    outcome = run(fake, tmp_path, a_step(DANGLING, "image.remove", "image:sha256:a", "image:sha256:b"))
    assert isinstance(outcome.predicted, AtLeast)
    assert outcome.predicted.low == 0


def test_with_the_books_at_hand_a_step_done_in_part_counts_to_the_byte(tmp_path: Path) -> None:
    a, b = owner("image:sha256:a"), owner("image:sha256:b")
    books = (release(40, a.text()), release(25, b.text()), release(35, a.text(), b.text()))
    fake = FakeEngine(images={"sha256:a": image("a", tagged=OLD_ENOUGH), "sha256:b": image("b", "named:1")})
    step = a_step(DANGLING, "image.remove", "image:sha256:a", "image:sha256:b")
    outcome = run(fake, tmp_path, step, releases=books)
    assert outcome.steps[0].removed == (a,)
    assert outcome.predicted == Exact(40, outcome.predicted.origin)


def test_what_failed_on_a_full_disk_is_tried_once_more_when_something_came_free(tmp_path: Path) -> None:
    fake = FakeEngine(images={name: image(name[7:], tagged=OLD_ENOUGH) for name in ("sha256:a", "sha256:b")})
    full = {"sha256:a"}

    def refusing(request: Request) -> Reply | None:
        if request.method == "DELETE" and any(name in unquote(request.path) for name in full):
            full.clear()
            return Reply(b'{"message": "write /x: no space left on device"}', status=500)
        return None

    fake.fault = refusing
    outcome = run(fake, tmp_path, a_step(DANGLING, "image.remove", "image:sha256:a", "image:sha256:b"))
    assert not fake.images
    assert len(outcome.steps) == 2
    assert outcome.predicted == Exact(100, outcome.predicted.origin)


def test_a_cancelled_run_removes_nothing_more(tmp_path: Path) -> None:
    fake = FakeEngine(images={"sha256:a": image("a", tagged=OLD_ENOUGH)})
    outcome = run(fake, tmp_path, a_step(DANGLING, "image.remove", "image:sha256:a"), cancelled=True)
    assert outcome.ended is Ended.CANCELLED
    assert fake.images


def test_a_second_run_on_the_same_filesystem_is_refused_at_once(tmp_path: Path) -> None:
    fake = FakeEngine(images={"sha256:a": image("a", tagged=OLD_ENOUGH)})
    step = a_step(DANGLING, "image.remove", "image:sha256:a")
    inner: list[Ended] = []

    class Nested(list[Event]):
        def append(self, event: Event) -> None:
            if event.kind is EventKind.STEP_STARTED:
                other = threading.Thread(target=lambda: inner.append(run(FakeEngine(), tmp_path, step).ended))
                other.start()
                other.join()

    assert run(fake, tmp_path, step, heard=Nested()).ended is Ended.ALL_DONE
    assert inner == [Ended.BUSY]
