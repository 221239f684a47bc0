"""What nobody finished, a driver left behind or a process holds: each has a step, or a sentence that says why not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from collectors.causes import CAUSES, base, disk_full
from collectors.model.plan import Risk
from collectors.model.reading import AtLeast, Between, Exact
from collectors.model.store import UnitKind
from tests.owners import owner
from tests.planning.build import (
    MIB,
    UNREAD,
    Scene,
    ago,
    container,
    finding,
    held_open,
    ids,
    persons,
    release,
    step,
    targets,
    unit,
    volume,
    with_rules,
)

ROW = "/docker/image/overlay2/layerdb/sha256/abc-1-removing"
LAYER = "/docker/overlay2/zzz"
FORGOTTEN = "/docker/tmp/GetImageBlob1"


def test_temporary_files_that_nobody_needs_are_careful_and_go_beside_a_running_engine() -> None:
    scene = Scene(
        units=(
            unit("/docker/tmp", UnitKind.TEMPORARY),
            unit(FORGOTTEN, UnitKind.TEMPORARY, f"leftover:{FORGOTTEN}"),
            unit("/docker/tmp/GetImageBlob2", UnitKind.TEMPORARY),
        ),
        releases=(release(9 * MIB, f"leftover:{FORGOTTEN}"),),
        findings=(finding("engine-tmp", f"leftover:{FORGOTTEN}", count=9 * MIB),),
    )
    only = step(scene.plan(), "engine-tmp")
    assert (only.risk, only.automatic, only.rule) == (Risk.CAREFUL, True, "engine-tmp")
    assert only.targets == (owner(f"leftover:{FORGOTTEN}"),)
    assert only.command == f"rm -rf --one-file-system -- {FORGOTTEN}"
    assert isinstance(only.frees, Exact)
    assert only.frees.value == 9 * MIB
    assert "may run" in only.needs
    assert base.NOTHING_MOUNTED in only.needs
    assert only.undo


def test_interrupted_writes_need_the_engine_stopped_and_layers_go_before_the_rows_that_name_them() -> None:
    scene = Scene(
        units=tuple(unit(path, UnitKind.INTERRUPTED_WRITE, f"leftover:{path}") for path in (ROW, LAYER)),
        releases=(release(300, f"leftover:{ROW}"), release(4000, f"leftover:{LAYER}")),
    )
    only = step(scene.plan(), "interrupted-writes")
    assert only.targets == (owner(f"leftover:{LAYER}"), owner(f"leftover:{ROW}"))
    assert only.needs.startswith("the engine stopped")
    assert base.NOTHING_MOUNTED in only.needs
    assert (only.risk, only.automatic) == (Risk.DESTRUCTIVE, False), "the engine runs: a person stops it first"
    scene.engine_unread = UNREAD
    assert step(scene.plan(), "interrupted-writes").automatic
    assert isinstance(only.frees, Exact)
    assert only.frees.value == 4300


def test_what_containerd_did_not_finish_is_left_to_its_collector() -> None:
    scene = Scene(
        driver="overlayfs",
        units=(unit("/docker/containerd/daemon/ingest/1", UnitKind.INTERRUPTED_WRITE),),
        findings=(finding("interrupted-writes", count=5),),
    )
    made = scene.plan()
    assert ids(made) == []
    assert len([said for said in made.left_out if "lease" in said]) == len(made.left_out) == 1


def test_a_former_driver_is_one_proposal_with_its_database_and_its_subvolumes() -> None:
    home, database = "/docker/btrfs", "/docker/image/btrfs"
    units = (
        unit(home, UnitKind.OTHER_DRIVER, f"leftover:{home}", name="btrfs"),
        unit(database, UnitKind.OTHER_DRIVER, f"leftover:{database}", name="image/btrfs"),
        unit("btrfs/subvolumes/a", UnitKind.OTHER_DRIVER, f"leftover:{home}", name="btrfs: a"),
        unit("/docker/vfs", UnitKind.OTHER_DRIVER, "leftover:/docker/vfs", name="vfs"),
    )
    scene = Scene(
        fstype="btrfs",
        units=units,
        releases=(
            release(70, f"leftover:{home}"),
            release(5, f"leftover:{database}"),
            release(9, "leftover:/docker/vfs"),
        ),
        findings=(finding("other-driver", f"leftover:{home}", count=84),),
    )
    made = scene.plan()
    assert ids(made) == ["other-driver:btrfs", "other-driver:vfs"]
    former = step(made, "other-driver:btrfs")
    assert (former.risk, former.automatic, former.rule) == (Risk.DESTRUCTIVE, False, "other-driver")
    assert former.command.split(" && ") == [
        "btrfs subvolume delete /docker/btrfs/subvolumes/*",
        "rm -rf --one-file-system -- /docker/btrfs /docker/image/btrfs",
    ]
    assert "tar --create" in former.needs
    assert base.NOTHING_MOUNTED in former.needs
    assert isinstance(former.frees, Exact)
    assert former.frees.value == 75


def test_each_holder_of_deleted_files_is_a_proposal_with_its_own_bytes() -> None:
    scene = Scene(
        containers=(container("c1", "x"),),
        opened=(
            held_open(7, 30 * MIB, inode=1),
            held_open(7, 10 * MIB, inode=2),
            held_open(8, 20 * MIB, inode=3, container="c1"),
            held_open(9, 2 * MIB, inode=4, command="dockerd"),
            held_open(5, 4096, inode=5),
        ),
        findings=(finding("deleted-open", count=61 * MIB),),
    )
    made = scene.plan()
    assert {one.id: (one.command, one.frees.value) for one in made.for_person if isinstance(one.frees, Exact)} == {
        "holder:7": (base.end_process(7, 4711), 40 * MIB),
        "holder:c1": ("docker restart c1", 20 * MIB),
        "holder:9": ("systemctl restart docker", 2 * MIB),
    }
    assert (ids(made), persons(made)) == ([], ["holder:7", "holder:c1", "holder:9"])
    assert not any(one.automatic for one in made.for_person)
    assert sum("too small to restart" in said for said in made.left_out) == 1


def test_a_process_whose_start_is_not_known_is_not_ended_by_its_number() -> None:
    scene = Scene(opened=(held_open(7, 30 * MIB, inode=1, started=None),), findings=(finding("deleted-open", count=9),))
    assert step(scene.plan(), "holder:7").command == ""


def test_on_btrfs_open_files_count_only_where_the_trees_agree() -> None:
    scene = Scene(
        fstype="btrfs",
        opened=(held_open(7, 30 * MIB, inode=1),),
        releases=(release(30 * MIB, "unlinked:"),),
        findings=(finding("deleted-open", count=30 * MIB),),
    )
    assert isinstance(step(scene.plan(), "holder:7").frees, Exact)
    scene.releases = (release(12 * MIB, "unlinked:"),)
    less = step(scene.plan(), "holder:7").frees
    assert isinstance(less, AtLeast)
    assert less.low == 0


def test_a_builder_goes_with_its_container_and_one_without_is_a_volume_like_any_other() -> None:
    name = "buildx_buildkit_shop0_state"
    scene = Scene(
        containers=(container("buildx_buildkit_shop0", "x", volumes=(name,)),),
        volumes=(volume(name), volume("buildx_buildkit_old0_state")),
        releases=(
            release(50, f"volume:{name}"),
            release(3, "container:buildx_buildkit_shop0"),
            release(7, "volume:buildx_buildkit_old0_state"),
        ),
        findings=(finding("builder-volumes", f"volume:{name}", count=57),),
    )
    made = scene.plan()
    assert (ids(made), persons(made)) == (["builder:shop0"], ["volume:buildx_buildkit_old0_state"])
    builder = step(made, "builder:shop0")
    assert isinstance(builder.frees, Exact)
    assert builder.frees.value == 53
    assert not builder.automatic
    assert builder.command == f"docker container rm --force buildx_buildkit_shop0 && docker volume rm {name}"
    scene.rules = with_rules(containers=("buildx_*",))
    assert "builder:shop0" not in ids(scene.plan())


def test_a_builder_whose_container_another_step_removes_waits_for_that_step() -> None:
    name = "buildx_buildkit_shop0_state"
    ended = container("buildx_buildkit_shop0", "x", volumes=(name,), state="exited", ended=ago(days=9))
    scene = Scene(
        containers=(ended,),
        volumes=(volume(name),),
        releases=(release(50, f"volume:{name}"), release(3, "container:buildx_buildkit_shop0")),
    )
    made = scene.plan()
    assert ids(made) == ["container:buildx_buildkit_shop0", "builder:shop0"]
    assert step(made, "builder:shop0").targets == (owner(f"volume:{name}"),)


def test_a_volume_that_something_else_mounts_too_is_no_builders() -> None:
    name = "buildx_buildkit_shop0_state"
    scene = Scene(
        containers=(container("reader", "x", volumes=(name,)),),
        volumes=(volume(name),),
        releases=(release(50, f"volume:{name}"),),
    )
    assert ids(scene.plan()) == []


@pytest.mark.parametrize(("count", "best"), [(800 * MIB, 300 * MIB), (500 * MIB, None)])
def test_the_journal_is_shortened_by_what_is_above_the_rest_that_stays(count: int, best: int | None) -> None:
    scene = Scene(findings=(finding("journald", count=count, evidence=("/var/log/journal/abc",)),))
    made = scene.plan()
    if best is None:
        assert ids(made) == []
        assert sum("less than the usual limit" in said for said in made.left_out) == 1
        return
    only = step(made, "journald")
    assert only.command == "journalctl --directory=/var/log/journal/abc --vacuum-size=500M"
    assert isinstance(only.frees, Between)
    assert (only.frees.best, only.frees.low, only.frees.high) == (best, 0, count)
    assert not only.automatic


def test_core_dumps_of_the_host_are_a_persons() -> None:
    scene = Scene(findings=(finding("core-dumps", count=MIB, evidence=("/var/lib/systemd/coredump",)),))
    only = step(scene.plan(), "core-dumps")
    assert "-mtime +3 -delete" in only.command
    assert not only.automatic


@pytest.mark.parametrize(
    "rule",
    ["plugin-data", "nested-root", "bind-mounts", "host-files", "hidden-below-mount", "ext-reserve",
     "container-core-dumps", "a-rule-of-tomorrow"],
)  # fmt: skip
def test_a_finding_with_bytes_that_no_step_is_for_is_answered_by_what_a_person_has_to_do(rule: str) -> None:
    made = Scene(findings=(finding(rule, count=MIB),)).plan()
    (said,) = made.left_out
    assert said.startswith(f"{rule}: no step, because ")
    assert said.endswith(f"; {rule}!.")
    assert ("only a person can judge it" in said) == (rule == "a-rule-of-tomorrow"), "a cause says its own reason"
    assert made.answers == {rule: said}


def test_a_finding_of_nothing_needs_no_answer() -> None:
    assert Scene(findings=(finding("interrupted-writes", count=0),)).plan().left_out == ()


def test_a_finding_is_answered_by_the_step_for_its_targets_and_symptoms_need_no_answer() -> None:
    dump = unit("/docker/overlay2/c/diff/core.1", UnitKind.CORE_DUMP, "container:c")
    scene = Scene(
        containers=(container("c", "x", state="exited", ended=ago(days=9)),),
        units=(dump,),
        releases=(release(9, "container:c"),),
        findings=(
            finding("container-core-dumps", count=9),
            finding("stopped-containers", "container:c", count=9),
            *(finding(cause.id, count=9) for cause in CAUSES if cause.symptom and cause.id != disk_full.RESERVE_ID),
            finding("no-log-rotation"),
        ),
    )
    made = scene.plan()
    assert targets(made) == {"container:c", "log:c"}
    assert made.left_out == ()


def test_a_step_tells_by_id_which_findings_it_answers_and_the_largest_of_a_finding_is_answered_for_itself() -> None:
    small = finding("logs-unbounded", "log:running", "log:c", count=9)
    scene = Scene(
        containers=(container("c", "x", state="exited", ended=ago(days=9)), container("running", "x")),
        releases=(release(9, "container:c"), release(2, "log:c"), release(90, "log:running")),
        findings=(finding("stopped-containers", "container:c", count=9), small),
    )
    made = scene.plan()
    assert step(made, "container:c").answers == ("stopped-containers", "logs-unbounded")
    assert set(made.answers) == {"logs-unbounded"}, "its largest log stays, and the reader is told why"
    scene.findings = (scene.findings[0], replace(small, owners=small.owners[::-1], subject="c", mount="/srv"))
    made = scene.plan()
    assert step(made, "container:c").answers == ("stopped-containers", "logs-unbounded:c@/srv")
    assert not made.answers


def test_without_a_list_of_containers_no_builder_is_proposed() -> None:
    name = "buildx_buildkit_shop0_state"
    scene = Scene(volumes=(volume(name),), containers_unread=UNREAD, releases=(release(5, f"volume:{name}"),))
    assert f"volume:{name}" not in targets(scene.plan())
