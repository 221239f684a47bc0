"""Leftovers on real engines: what goes, what has to stay, and what changes between the plan and the run."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import pytest

from collectors.model.plan import Risk, Step
from collectors.model.reading import Exact
from collectors.pipeline import FinishedRun as Looked
from collectors.reclaim import Ended, EventKind, ReclaimOutcome
from collectors.reclaim.engine_and_disk import freed_data, read_fill, settle
from collectors.reclaim.run import earlier_run
from tests.lab import Lab
from tests.lab.commands import run
from tests.lab.messes._write import KIB, MIB, age, random_file
from tests.lab.require import require_machine
from tests.machine.test_reclaim_crash import at, die, killed
from tests.machine.test_reclaim_disk import result
from tests.owners import owner
from tests.reclaim.reclaiming import Reclaiming, holds, promised

pytestmark = pytest.mark.machine

TMP, WRITES = "engine-tmp", "interrupted-writes"


@pytest.fixture(scope="module", params=["overlay2", "btrfs", "vfs"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    require_machine()
    with Lab.up(driver=request.param, mess="empty", size_mib=512) as up:
        up.client.base_image()
        up.client.run("base:1", "living", "exec sleep 100000", "-v", "named:/data")
        yield up


@pytest.fixture
def leftovers(lab: Lab) -> tuple[Path, ...]:
    """Two temporary files and a context, an interrupted write and a removal, a former driver; all of them old."""
    lab.start_engine()
    temporary, database = lab.docker_root / "tmp", lab.docker_root / "image" / lab.driver / "layerdb"
    # Who has what open is asked by name, of every process there is: another lab's must have another.
    first, second, third = (crc32(f"{number} {lab.base}".encode()) for number in range(3))
    context = temporary / f"docker-builder{first}"
    random_file(context / "context/file", 3 * MIB)
    random_file(database / "tmp/write-set-1234/tar-split.json.gz", 300 * KIB)
    removing = database / "sha256" / f"{'ab' * 32}-1234-removing"
    random_file(removing / "tar-split.json.gz", 200 * KIB)
    paths = (
        random_file(temporary / f"GetImageBlob{second}", 4 * MIB),
        random_file(temporary / f"GetImageBlob{third}", 2 * MIB),
        context,
        database / "tmp/write-set-1234",
        removing,
    )
    os.sync()
    for path in paths:
        age(path)
    time.sleep(0.1)  # what changes in the very moment of the plan is left alone
    return paths


@pytest.fixture
def reclaiming(lab: Lab, tmp_path: Path) -> Reclaiming:
    # Nothing of the engine's own is to go: with the usual rules what a lab made just now is too young.
    return Reclaiming(lab, tmp_path, grace_s=3600.0)


def step(looked: Looked, step_id: str) -> Step:
    return next(one for one in looked.report.plan.every_step if one.id == step_id)


def by_name(outcome: ReclaimOutcome, action: str) -> dict[str, tuple[bool, str]]:
    return {Path(target).name: said for target, said in result(outcome, action).items()}


def exactly_freed(outcome: ReclaimOutcome, action: str) -> bool:
    done = next(r for r in outcome.steps if r.action == action)
    measured = done.measured_data if isinstance(done.measured_data, Exact) else done.measured
    assert isinstance(measured, Exact)
    assert isinstance(done.predicted, Exact)
    return measured.value == done.predicted.value > 0


def everything_but(lab: Lab, gone: tuple[Path, ...]) -> set[str]:
    """Every path under the Docker root that has to be there still."""
    root = str(lab.docker_root)
    found = {path for folder, names, files in os.walk(root) for path in (f"{folder}/{n}" for n in (*names, *files))}
    return {path for path in found if not any(f"{path}/".startswith(f"{one}/") for one in gone)}


def test_temporary_files_go_at_the_careful_tier_and_interrupted_writes_once_the_engine_is_stopped(
    reclaiming: Reclaiming, leftovers: tuple[Path, ...]
) -> None:
    lab = reclaiming.lab
    before, stay = holds(lab), everything_but(lab, leftovers)
    looked = reclaiming.look()
    assert reclaiming.apply(looked, Risk.SAFE).ended is Ended.ALL_DONE
    assert all(path.exists() for path in leftovers)
    careful = reclaiming.apply(looked, Risk.CAREFUL, steps=frozenset({TMP}))
    assert set(by_name(careful, "temporary.remove")) == {path.name for path in leftovers[:3]}
    assert not any(path.exists() for path in leftovers[:3])
    assert all(path.exists() for path in leftovers[3:])
    assert exactly_freed(careful, "temporary.remove")
    unasked = reclaiming.apply(looked, Risk.DESTRUCTIVE, steps=frozenset({WRITES}))
    assert not unasked.steps, "what the engine's life forbids is not promised either"
    running = reclaiming.apply(looked, Risk.DESTRUCTIVE, steps=frozenset({WRITES}), named=frozenset({WRITES}))
    assert {"stop it" in reason for _, reason in result(running, "interrupted.remove").values()} == {True}
    assert all(path.exists() for path in leftovers[3:])
    assert holds(lab) == before
    assert stay <= everything_but(lab, leftovers)
    lab.stop_engine()
    stopped = reclaiming.apply(reclaiming.look(), Risk.DESTRUCTIVE, steps=frozenset({WRITES}))
    assert {removed for removed, _ in result(stopped, "interrupted.remove").values()} == {True}
    assert not any(path.exists() for path in leftovers)
    assert exactly_freed(stopped, "interrupted.remove")
    lab.start_engine()
    assert holds(lab) == before
    lab.docker("run", "--rm", "--network", "none", "base:1", "sh", "-c", "true")


def test_what_is_opened_touched_or_made_anew_after_the_plan_stays(
    reclaiming: Reclaiming, leftovers: tuple[Path, ...]
) -> None:
    lab = reclaiming.lab
    opened, anew, context = leftovers[:3]
    looked = reclaiming.look()
    assert len(step(looked, TMP).targets) == 3
    anew.unlink()
    age(random_file(anew, MIB))
    (context / "context/more").write_bytes(b"goes on")
    with opened.open("rb"):
        outcome = reclaiming.apply(looked, Risk.CAREFUL, steps=frozenset({TMP}))
        assert by_name(outcome, "temporary.remove") == {
            opened.name: (False, "a process has it open"),
            anew.name: (False, "it was changed, or made anew, after the plan"),
            context.name: (False, "it was changed, or made anew, after the plan"),
        }
        assert all(path.exists() for path in leftovers)
        # Nor does the next plan want what is open.
        assert owner(f"leftover:{opened}") not in step(reclaiming.look(), TMP).targets
    age(context)
    time.sleep(0.1)
    assert reclaiming.apply(reclaiming.look(), Risk.CAREFUL, steps=frozenset({TMP})).ended is Ended.ALL_DONE
    assert not any(path.exists() for path in leftovers[:3])
    assert lab.docker("ps", "--all", "--quiet", "--filter", "name=living")


def test_a_young_leftover_is_none_yet(reclaiming: Reclaiming, leftovers: tuple[Path, ...]) -> None:
    for path in leftovers:
        age(path, 600.0)
    time.sleep(0.1)
    looked = reclaiming.look()
    assert not {TMP, WRITES} & {one.id for one in looked.report.plan.steps}
    # And a plan made by other rules is not believed.
    eager = replace(reclaiming, grace_s=0.0)
    planned = eager.look()
    outcome = reclaiming.apply(planned, Risk.CAREFUL, steps=frozenset({TMP}))
    assert {reason for _, reason in result(outcome, "temporary.remove").values()} == {"it was written to recently"}
    assert all(path.exists() for path in leftovers)


def test_an_interrupted_write_that_became_a_layer_after_the_plan_stays(
    reclaiming: Reclaiming, leftovers: tuple[Path, ...]
) -> None:
    lab = reclaiming.lab
    looked = reclaiming.look()
    lab.stop_engine()
    write = leftovers[3]
    os.utime(write / "tar-split.json.gz")  # somebody writes it again
    outcome = reclaiming.apply(looked, Risk.DESTRUCTIVE, steps=frozenset({WRITES}), named=frozenset({WRITES}))
    said = by_name(outcome, "interrupted.remove")
    assert said[write.name] == (False, "it is no interrupted write any more")
    assert write.exists()
    assert said[leftovers[4].name][0]


def test_an_engine_that_hangs_is_not_taken_for_a_stopped_one(
    reclaiming: Reclaiming, leftovers: tuple[Path, ...]
) -> None:
    lab = reclaiming.lab
    looked = reclaiming.look()
    lab.freeze_engine()
    try:
        told = replace(
            reclaiming.context(looked, Risk.DESTRUCTIVE, named=frozenset({WRITES})),
            request_timeout_s=1.0,
            engine_return_s=1.0,
        )
        reclaiming.apply(looked, Risk.DESTRUCTIVE, context=told, steps=frozenset({WRITES}))
    finally:
        lab.thaw_engine()
    assert all(path.exists() for path in leftovers)


def test_the_run_after_a_kill_in_the_middle_finishes(reclaiming: Reclaiming, leftovers: tuple[Path, ...]) -> None:
    looked = reclaiming.look()
    deadly = at(EventKind.TARGET_REMOVED, 2, die)
    killed(lambda: reclaiming.apply(looked, Risk.CAREFUL, steps=frozenset({TMP}), on_event=deadly))
    assert sum(path.exists() for path in leftovers[:3]) == 1
    assert "2 things were removed" in earlier_run(reclaiming.state)
    outcome = reclaiming.apply(reclaiming.look(), Risk.CAREFUL, steps=frozenset({TMP}))
    assert outcome.ended is Ended.ALL_DONE
    assert any("did not end" in note for note in outcome.notes)
    assert not any(path.exists() for path in leftovers[:3])


def test_a_former_drivers_directory_goes_by_no_tier_and_no_name(
    reclaiming: Reclaiming, leftovers: tuple[Path, ...]
) -> None:
    lab = reclaiming.lab
    former = lab.docker_root / ("vfs" if lab.driver != "vfs" else "overlay2")
    layer = age(random_file(former / "dir/abc/bin/tool", 2 * MIB))
    os.sync()
    looked = reclaiming.look()
    proposed = step(looked, f"other-driver:{former.name}")
    assert isinstance(proposed.frees, Exact)
    assert proposed.frees.value >= 2 * MIB
    chosen = frozenset({proposed.id})
    for named in (frozenset[str](), chosen):
        outcome = reclaiming.apply(looked, Risk.DESTRUCTIVE, steps=chosen, named=named)
        assert not any(r.removed for r in outcome.steps)
        assert layer.exists()


def test_the_command_for_a_former_btrfs_driver_removes_its_subvolumes_too_and_frees_what_it_says(
    tmp_path: Path,
) -> None:
    require_machine()
    with Lab.up(driver="vfs", fs="btrfs", mess="empty", size_mib=512) as lab:
        lab.client.base_image()
        layers = lab.docker_root / "btrfs" / "subvolumes"
        layers.mkdir(parents=True)
        run("btrfs", "subvolume", "create", layers / "base")
        random_file(layers / "base/bin/tool", 3 * MIB)
        run("btrfs", "subvolume", "snapshot", layers / "base", layers / "next")
        random_file(layers / "next/bin/more", 2 * MIB)
        os.sync()
        looked = Reclaiming(lab, tmp_path).look()
        assert not [one for one in looked.report.plan.every_step if one.action == "snapshot.remove"]
        proposed = step(looked, "other-driver:btrfs")
        lab.stop_engine()
        before = read_fill(str(lab.mount))
        run("/bin/bash", "-c", proposed.command)
        settle(str(lab.mount), 60.0, set(), lambda left, total: True)
        freed = freed_data(before, read_fill(str(lab.mount)))
        assert not layers.parent.exists()
        assert isinstance(proposed.frees, Exact)
        assert isinstance(freed, Exact)
        data, trees = promised(looked, proposed.targets)
        assert freed.value == data == 5 * MIB
        assert proposed.frees.value == data + trees
