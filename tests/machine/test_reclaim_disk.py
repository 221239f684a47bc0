"""What is removed past the engine: orphans, logs, snapshots; and the btrfs that is full though df says otherwise."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.filesystems import freeing as btrfs_changes
from collectors.model.plan import Risk
from collectors.model.reading import Exact
from collectors.reclaim import Ended, EventKind, ReclaimOutcome
from tests.lab import Lab
from tests.lab.commands import CommandFailed, run
from tests.lab.messes.metadata_full import state
from tests.lab.require import require_machine
from tests.reclaim.reclaiming import NO_AGES, Reclaiming, as_promised, holds

pytestmark = pytest.mark.machine

MIB = 1 << 20


def orphans(lab: Lab) -> list[Path]:
    return [Path(planted.path) for planted in lab.truth.of("orphans") if planted.path]


def result(outcome: ReclaimOutcome, action: str) -> dict[str, tuple[bool, str]]:
    return {t.target.text(): (t.removed, t.reason) for r in outcome.steps if r.action == action for t in r.targets}


@pytest.mark.parametrize(("driver", "engine"), [("overlay2", "20.10"), ("btrfs", "20.10"), ("overlay2", "28.5")])
def test_orphans_go_only_at_the_destructive_tier_and_exactly_as_predicted(
    driver: str, engine: str, tmp_path: Path
) -> None:
    require_machine()
    with Lab.up(driver=driver, engine=engine, mess="leak+everyday", size_mib=1024) as lab:
        reclaiming = Reclaiming(lab, tmp_path)
        known = [p for p in (lab.docker_root / driver).rglob("*") if p.parent.name in ("overlay2", "subvolumes")]
        living = set(known) - set(orphans(lab)) - {lab.docker_root / "overlay2" / "l"}
        reclaiming.apply(reclaiming.look(), Risk.CAREFUL)
        assert all(path.exists() for path in orphans(lab))
        looked = reclaiming.look()
        before = holds(lab)
        still = {path for path in living if path.exists()}
        outcome = reclaiming.apply(looked, Risk.DESTRUCTIVE)
        gone = result(outcome, "orphan.remove")
        assert set(gone) == {f"orphan:{path}" for path in orphans(lab)}
        assert all(removed for removed, _ in gone.values()), gone
        assert not any(path.exists() for path in orphans(lab))
        assert {path for path in still if not path.exists()} == set(), "something else went along"
        assert holds(lab) == before
        step = next(r for r in outcome.steps if r.action == "orphan.remove")
        if driver == "btrfs":
            assert as_promised(looked, step)
        else:
            assert isinstance(step.predicted, Exact)
            assert isinstance(step.measured, Exact)
            assert abs(step.measured.value - step.predicted.value) <= MIB
        lab.docker("run", "--rm", "--network", "none", "base:1", "sh", "-c", "true")


def test_an_orphan_is_left_alone_while_the_engine_may_be_writing_and_once_it_is_mounted(tmp_path: Path) -> None:
    require_machine()
    with Lab.up(driver="overlay2", mess="leak", size_mib=1024) as lab:
        looked = Reclaiming(lab, tmp_path).look()
        # With the usual grace, the write that the crash interrupted just now is still taken for a live one.
        careful = Reclaiming(lab, tmp_path, grace_s=3600.0)
        outcome = careful.apply(looked, Risk.DESTRUCTIVE)
        assert {reason for _, reason in result(outcome, "orphan.remove").values()} == {
            "the engine is not idle: a layer is being written"
        }
        mounted = orphans(lab)[0]
        run("mount", "--bind", mounted, mounted)
        try:
            outcome = Reclaiming(lab, tmp_path).apply(looked, Risk.DESTRUCTIVE)
        finally:
            run("umount", mounted)
        removed, reason = result(outcome, "orphan.remove")[f"orphan:{mounted}"]
        assert not removed
        assert "mounted" in reason
        assert mounted.exists()
        assert not any(path.exists() for path in orphans(lab)[1:])


def test_orphans_go_while_the_engine_is_stopped_and_not_while_it_hangs(tmp_path: Path) -> None:
    require_machine()
    with Lab.up(driver="overlay2", mess="leak", size_mib=1024) as lab:
        reclaiming = Reclaiming(lab, tmp_path)
        looked = reclaiming.look()
        lab.freeze_engine()
        context = replace(reclaiming.context(looked, Risk.DESTRUCTIVE), request_timeout_s=2.0, engine_return_s=1.0)
        outcome = reclaiming.apply(looked, Risk.DESTRUCTIVE, context=context)
        assert all(path.exists() for path in orphans(lab)), outcome
        lab.thaw_engine()
        lab.stop_engine()
        stopped = reclaiming.apply(reclaiming.look(), Risk.DESTRUCTIVE)
        assert not any(path.exists() for path in orphans(lab)), stopped
        lab.start_engine()
        lab.docker("run", "--rm", "--network", "none", "base:1", "sh", "-c", "true")


@pytest.mark.parametrize("log_driver", ["json-file", "local"])
def test_a_truncated_log_keeps_its_end_aside_and_its_writer_goes_on(log_driver: str, tmp_path: Path) -> None:
    require_machine()
    with Lab.up(driver="overlay2", mess="empty", size_mib=512) as lab:
        lab.client.base_image()
        chatter = (
            "yes 'some line of a log, long enough to count' | head -n 60000; while :; do echo tick; sleep 0.2; done"
        )
        container = lab.client.run(
            "base:1",
            "chatty",
            chatter,
            "--log-driver",
            log_driver,
            "--log-opt",
            "max-size=2m",
            "--log-opt",
            "max-file=3",
        )
        folder = lab.docker_root / "containers" / container
        live = folder / (f"{container}-json.log" if log_driver == "json-file" else "local-logs/container.log")
        wait_for(lambda: len(list(live.parent.glob(f"{live.name}*"))) >= 2 and live.stat().st_size > 4096)
        time.sleep(1.0)
        reclaiming = Reclaiming(lab, tmp_path, rules=replace(NO_AGES, log_bytes=1))
        looked = reclaiming.look()
        outcome = reclaiming.apply(looked, Risk.DESTRUCTIVE)
        removed, reason = result(outcome, "log.truncate")[f"log:{container}"]
        assert removed, reason
        assert not list(live.parent.glob(f"{live.name}.*"))
        kept = list((tmp_path / "kept-logs").iterdir())
        assert len(kept) == 1
        assert kept[0].stat().st_size == NO_AGES.log_tail_bytes
        assert b"tick" in kept[0].read_bytes()
        step = next(r for r in outcome.steps if r.action == "log.truncate")
        assert isinstance(step.measured, Exact)
        assert isinstance(step.predicted, Exact)
        assert abs(step.measured.value - step.predicted.value) < MIB
        size = live.stat().st_size
        wait_for(lambda: live.stat().st_size > size)
        assert live.stat().st_blocks * 512 < MIB, "the log must not have become sparse at its old length"


def wait_for(holds_now: object, timeout_s: float = 30.0) -> None:
    ends = time.monotonic() + timeout_s
    while not holds_now():  # type: ignore[operator]
        assert time.monotonic() < ends
        time.sleep(0.1)


def test_a_snapshot_goes_only_when_a_person_names_it(tmp_path: Path) -> None:
    require_machine()
    with Lab.up(driver="btrfs", mess="snapshots", size_mib=1024) as lab:
        reclaiming = Reclaiming(lab, tmp_path)
        looked = reclaiming.look()
        proposed = [step for step in looked.report.plan.for_person if step.action == "snapshot.remove"]
        assert proposed
        reclaiming.apply(looked, Risk.DESTRUCTIVE)
        paths = [Path(p.path) for p in lab.truth.of("snapshots") if p.path]
        assert all(path.exists() for path in paths)
        chosen = proposed[0]
        looked = reclaiming.look()
        outcome = reclaiming.apply(looked, Risk.DESTRUCTIVE, named=frozenset({chosen.id}))
        gone = [path for path in paths if not path.exists()]
        assert len(gone) == 1, outcome
        step = next(r for r in outcome.steps if r.action == "snapshot.remove")
        assert as_promised(looked, step)


def test_a_mess_that_the_cleaner_is_at_already_only_gets_waited_for(tmp_path: Path) -> None:
    require_machine()
    with Lab.up(driver="btrfs", mess="empty", size_mib=1024) as lab:
        held = lab.mount / "dropped"
        run("btrfs", "subvolume", "create", held)
        for number in range(200):
            (held / str(number)).write_bytes(os.urandom(200_000))
        btrfs_changes.commit(lab.mount)
        with (held / "0").open("rb"):  # an open file keeps the cleaner away
            btrfs_changes.destroy(held)
            reclaiming = Reclaiming(lab, tmp_path)
            looked = reclaiming.look()
            steps = [step for step in looked.report.plan.steps if step.automatic]
            assert [step.id for step in steps] == ["btrfs.wait"]
            assert isinstance(steps[0].frees, Exact)
        outcome = reclaiming.apply(looked, Risk.SAFE)
        assert outcome.ended is Ended.ALL_DONE
        assert steps[0].frees.value > 38 * MIB
        assert as_promised(looked, outcome.steps[0])
        assert not btrfs_changes.pending(lab.mount)


def test_a_metadata_full_filesystem_is_brought_back_by_its_plan_and_not_by_a_prune(tmp_path: Path) -> None:
    require_machine()
    with Lab.up(driver="btrfs", mess="metadata_full", size_mib=2048) as lab:
        writable = lab.mount / "probe"
        with pytest.raises(OSError, match="No space left"):
            write(writable)
        prune(lab)
        with pytest.raises(OSError, match="No space left"):
            write(writable)
        reclaiming = Reclaiming(lab, tmp_path)
        looked = reclaiming.look()
        ids = [step.id for step in looked.report.plan.steps]
        assert ids.index("orphans") < ids.index("btrfs.balance")
        free_before = unallocated(lab)
        with pytest.raises(CommandFailed, match="No space left"):
            run("btrfs", "balance", "start", "-dusage=60,limit=2", lab.mount)
        outcome = reclaiming.apply(looked, Risk.DESTRUCTIVE)
        assert outcome.ended is Ended.ALL_DONE, outcome
        assert result(outcome, "orphan.remove")
        assert all(removed for removed, _ in result(outcome, "orphan.remove").values()), outcome
        balanced = next(r for r in outcome.steps if r.action == "btrfs.balance")
        assert "compacted" in balanced.note, balanced
        assert unallocated(lab) > free_before + 64 * MIB
        write(writable)
        assert any(event.kind is EventKind.STEP_FINISHED for event in reclaiming.heard)
        assert "btrfs.balance" not in [step.id for step in reclaiming.look().report.plan.steps]


def write(path: Path) -> None:
    """Forty small files and a large one, committed: a single file may still fit where nothing else does."""
    for number in range(400):
        (path.parent / f"{path.name}-{number}").write_bytes(os.urandom(1900))
    with path.open("wb") as file:
        file.write(os.urandom(4 * MIB))
        os.fsync(file.fileno())


def prune(lab: Lab) -> None:
    try:
        lab.docker("system", "prune", "-af")
    except (CommandFailed, subprocess.TimeoutExpired):
        return  # that it cannot even begin is one way not to manage


def unallocated(lab: Lab) -> int:
    return state(lab.mount).unallocated_bytes
