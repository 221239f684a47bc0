"""The lab itself: its truth agrees with the disk, it leaves nothing behind, and it clears up after a crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.lab import Lab, Truth, disk, layout, measure, processes, shared, state, teardown
from tests.lab.commands import CommandFailed
from tests.lab.require import require_machine

pytestmark = pytest.mark.machine

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of its own, so that nothing done here reaches a lab that somebody else has up."""
    require_machine()
    monkeypatch.setenv("ULLAGE_LAB_STATE", str(tmp_path / "state"))


@pytest.fixture(scope="module", params=["overlay2", "btrfs", "vfs"])
def everyday(request: pytest.FixtureRequest) -> Lab:
    """A lab with the everyday mess, on each driver's own filesystem; the tests only look at it."""
    require_machine()
    return shared.everyday(request.param)


def traces(lab: Lab) -> list[str]:
    """Whatever of a lab is still on this machine."""
    left = disk.mounts_below(lab.base) + disk.loop_devices_below(lab.base)
    left += [f"pid {process.pid}" for process in processes.of_lab(lab.base, teardown.cgroup_name(lab.id))]
    left += [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{teardown.cgroup_name(lab.id)}")]
    left += [str(path) for path in (lab.base, disk.in_memory_of(lab.base)) if path.exists()]
    return left + [record.id for record in state.records() if record.id == lab.id]


def test_the_truth_holds_the_bytes_that_were_planted(everyday: Lab) -> None:
    truth = everyday.truth
    layers = truth.of("images", "layer")
    writable = {p.name: p for p in truth.of("containers", "writable layer")}
    named = truth.of("volumes", "named")[0]
    # vfs copies whole layers; the others hold what was written and at most their own few blocks.
    copies = everyday.driver == "vfs"
    distinct = sum(p.allocated_bytes or 0 for p in layers) if copies else (8 + 4 + 6 + 3 + 2) * MIB
    assert truth.sums["images"].allocated_bytes == pytest.approx(distinct, abs=3 * MIB)
    assert named.name == "shop-data"
    assert named.allocated_bytes == pytest.approx(9 * MIB, abs=16384)
    assert truth.of("volumes", "anonymous")[0].allocated_bytes == pytest.approx(2.5 * MIB, abs=16384)
    assert set(writable) == {"api-1", "web-1", "quiet-1", "job-1", "filler-2"}
    if not copies:
        written = (5 + 7 + 1.5) * MIB
        assert truth.sums["containers"].allocated_bytes == pytest.approx(written, abs=MIB // 2)
    assert truth.sums["build_cache"].allocated_bytes >= (3 + 3 + 5) * MIB


def test_the_sums_of_the_truth_are_the_bytes_on_the_disk(everyday: Lab) -> None:
    truth = everyday.truth
    charged = sum(figures.allocated_bytes for figures in truth.sums.values())
    assert truth.used_bytes == pytest.approx(measure.used_bytes(everyday.mount), abs=MIB)
    if everyday.fs == "btrfs":
        text = subprocess.run(
            ["btrfs", "filesystem", "df", "--raw", everyday.mount], capture_output=True, text=True, check=True
        ).stdout
        data = int(next(line for line in text.splitlines() if line.startswith("Data")).rsplit("used=", 1)[1])
        # compsize also counts what is small enough to lie in the metadata.
        assert charged == pytest.approx(data, abs=MIB // 2)
    else:
        whole = measure.du_bytes([everyday.mount])
        assert charged == pytest.approx(truth.used_bytes, abs=65536)
        assert charged == pytest.approx(whole, abs=65536)


def test_logs_are_counted_with_their_rotated_siblings_and_the_local_driver(everyday: Lab) -> None:
    logs = everyday.truth.of("logs")
    files = layout.log_files(everyday.docker_root)
    assert sum(p.apparent_bytes for p in logs) == sum(path.stat().st_size for path in files)
    assert [p.kind for p in logs].count("local log") == 1
    assert {p.note.rpartition(".")[2] for p in logs if p.name == "api-1"} == {"log", "1", "2"}


def test_a_written_truth_reads_back_as_it_was(everyday: Lab) -> None:
    assert Truth.load(everyday.truth_file) == everyday.truth


def test_the_engine_survives_stop_kill_and_freeze() -> None:
    with Lab.up(mess="empty", size_mib=512) as lab:
        lab.import_image("base:1", {"a": MIB})
        first = lab.pid
        lab.stop_engine()
        with pytest.raises(CommandFailed, match="Cannot connect"):
            lab.docker("ps")
        lab.start_engine()
        second = lab.pid
        lab.kill_engine()
        lab.start_engine()
        assert len({first, second, lab.pid}) == 3
        assert "base" in lab.docker("images")
        lab.freeze_engine()
        with pytest.raises(subprocess.TimeoutExpired):
            lab.docker("ps", timeout_s=1)
        lab.thaw_engine()
        assert "base" in lab.docker("images")


def test_a_lab_taken_down_leaves_no_trace() -> None:
    lab = Lab.up(mess="empty", size_mib=512)
    lab.client.base_image()
    lab.client.run("base:1", "runs-on", "sleep 100000")
    assert traces(lab)
    lab.down()
    assert traces(lab) == []
    lab.down()


def test_a_lab_whose_engine_is_frozen_goes_down_all_the_same() -> None:
    lab = Lab.up(mess="empty", size_mib=512)
    lab.freeze_engine()
    lab.down()
    assert traces(lab) == []


def test_a_mess_that_fails_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    # Not in pytest's own folder: the path of a socket has room for 107 bytes.
    with tempfile.TemporaryDirectory() as room:
        monkeypatch.setattr(tempfile, "tempdir", room)
        with pytest.raises(CommandFailed, match="no space left"):
            Lab.up(mess="everyday", size_mib=40)
        assert disk.mounts_below(Path(room)) + disk.loop_devices_below(Path(room)) == []
        assert list(Path(room).iterdir()) == []
    assert state.records() == []


_MAKE_AND_WAIT = """
import sys, time
from tests.lab import Lab
lab = Lab.up(driver="overlay2", mess="empty", size_mib=512)
lab.client.base_image()
lab.client.run("base:1", "runs-on", "sleep 100000")
print(lab.id, lab.base, flush=True)
time.sleep(1000)
"""


def killed_in_the_middle() -> tuple[str, Path]:
    """A lab whose maker was killed outright while a container ran in it: its id and folder."""
    with subprocess.Popen([sys.executable, "-c", _MAKE_AND_WAIT], stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout is not None
        lab_id, base = maker.stdout.readline().split()
        maker.send_signal(signal.SIGKILL)
    return lab_id, Path(base)


@pytest.mark.parametrize("how", ["down --all", "the next up"])
def test_a_lab_whose_maker_was_killed_is_cleared_up(how: str) -> None:
    lab_id, base = killed_in_the_middle()
    group = teardown.cgroup_name(lab_id)
    assert len(processes.of_lab(base, group)) >= 3  # engine, containerd, shim, sleep
    if how == "down --all":
        done = subprocess.run([sys.executable, "-m", "tests.lab", "down", "--all"], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, f"{lab_id} is down\n")
    else:
        Lab.up(mess="empty", size_mib=512).down()
    assert processes.of_lab(base, group) == set()
    assert disk.mounts_below(base) + disk.loop_devices_below(base) == []
    assert not base.exists()
    assert state.records() == []


def test_a_lab_put_up_by_hand_stays_until_told_to_go() -> None:
    words = [sys.executable, "-m", "tests.lab", "up", "overlay2", "--mess", "empty", "--size-mib", "512"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    (record,) = state.records()
    assert f"Down:        python -m tests.lab down {record.id}" in said
    assert teardown.sweep() == []
    assert processes.of_lab(Path(record.base), teardown.cgroup_name(record.id))
    teardown.take_down(record)
    assert not Path(record.base).exists()


def test_a_recorded_pid_that_is_somebody_elses_by_now_is_left_alone() -> None:
    with subprocess.Popen(["sleep", "100"]) as other:
        time.sleep(0.05)
        now = processes.Process.of(other.pid)
        assert now is not None
        earlier = processes.Process(now.pid, now.started_ticks - 1, now.boot)
        assert not earlier.send(signal.SIGKILL)
        teardown.take_down(_recorded(earlier))
        assert other.poll() is None
        other.kill()


def _recorded(started: processes.Process) -> state.Record:
    base = f"/tmp/ullage-lab-{os.getpid()}-none"
    record = state.Record(str(state.folder()), "0badf00d", base, None, (started,), "never made")
    record.save()
    return record
