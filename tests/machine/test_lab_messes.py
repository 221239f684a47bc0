"""Every mess of the lab is what it says: the planted bytes are there, and where it says they are."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from tests.lab import Lab, Planted, fetch, graph_layout, layout, measure
from tests.lab.commands import run
from tests.lab.engines import NoSuchEngine
from tests.lab.messes import churn, known, metadata_full, named
from tests.lab.require import require_machine

pytestmark = pytest.mark.machine

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of its own, so that nothing done here reaches a lab that somebody else has up."""
    require_machine()
    monkeypatch.setenv("ULLAGE_LAB_STATE", str(tmp_path / "state"))


def df_percent(lab: Lab) -> float:
    """Used share as df prints it: what is reserved for root is not there."""
    figures = os.statvfs(lab.mount)
    used = figures.f_blocks - figures.f_bfree
    return 100 * used / (used + figures.f_bavail)


def unlinked_files(lab: Lab, pid: int) -> list[os.stat_result]:
    """Files without a name on the lab's filesystem that a process holds open."""
    found = [path.stat() for path in Path(f"/proc/{pid}/fd").iterdir()]
    return [f for f in found if stat.S_ISREG(f.st_mode) and f.st_nlink == 0 and f.st_size > 0]


def test_every_mess_has_a_line_about_itself() -> None:
    assert set(known()) >= {
        "empty",
        "everyday",
        "leak",
        "culprits",
        "snapshots",
        "chain",
        "churn",
        "incident",
        "keepers",
    }
    assert all(line.endswith(".") or len(line) > 20 for line in known().values())
    with pytest.raises(ValueError, match="no such mess: none"):
        named("everyday+none")


@pytest.mark.parametrize("driver", ["overlay2", "btrfs", "vfs"])
def test_a_leaked_layer_is_on_the_disk_and_unknown_to_the_engine(driver: str) -> None:
    with Lab.up(driver=driver, mess="leak", size_mib=1024) as lab:
        (leaked,) = lab.truth.of("orphans", "leaked layer")
        assert (leaked.allocated_bytes or 0) > 32 * MIB
        unknown = graph_layout.everything(lab.docker_root, driver) - graph_layout.known(lab.docker_root, driver)
        assert unknown == {Path(p.path or "") for p in lab.truth.of("orphans")}
        assert lab.truth.of("docker_other", "interrupted write")
        assert lab.docker("ps", "-aq", "--filter", "name=leaker")  # the engine itself is whole


@pytest.mark.parametrize("driver", ["overlay2", "btrfs"])
def test_culprits_are_where_the_truth_says(driver: str) -> None:
    with Lab.up(driver=driver, mess="culprits", size_mib=1024) as lab:
        truth = lab.truth
        for planted in truth.of("docker_other") + truth.of("other_files"):
            assert planted.path is not None
            assert Path(planted.path).exists()
        for held in truth.of("deleted_open"):
            assert held.held_by_pid is not None
            (file,) = unlinked_files(lab, held.held_by_pid)
            assert file.st_blocks * 512 == pytest.approx(held.allocated_bytes, abs=8192)
        (hidden,) = truth.of("other_files", "hidden under a mount")
        assert list(Path(hidden.path or "").iterdir()) == []
        run("umount", hidden.path or "")
        assert (Path(hidden.path or "") / "written-before").stat().st_size == hidden.apparent_bytes
        noisy = max(truth.of("logs"), key=lambda p: p.apparent_bytes)
        assert (noisy.name, noisy.apparent_bytes > 20 * MIB) == ("noisy-1", True)
        # Everything together is what statfs says; btrfs's metadata and global reserve aside.
        charged = sum(figures.allocated_bytes for figures in truth.sums.values())
        assert charged == pytest.approx(truth.used_bytes, abs=65536 if lab.fs == "ext4" else 12 * MIB)
        for held in truth.of("deleted_open"):
            lab.release(held)
        assert lab.measure().of("deleted_open") == ()


def test_snapshots_pin_exactly_what_was_deleted() -> None:
    with Lab.up(driver="btrfs", mess="snapshots", size_mib=1024) as lab:
        pinned = lab.truth.sums["snapshots"].allocated_bytes
        assert pinned == pytest.approx((24 + 40 + 10 + 30 + 16) * MIB, abs=65536)
        for planted in lab.truth.of("snapshots"):
            assert run("btrfs", "property", "get", planted.path or "", "ro").strip() == "ro=true"
            run("btrfs", "subvolume", "delete", planted.path or "")
        measure.cleaned(lab.mount)
        freed = lab.truth.used_bytes - measure.used_bytes(lab.mount)
        assert freed == pytest.approx(pinned, abs=2 * MIB)
        assert lab.measure().sums["snapshots"].allocated_bytes == 0


def test_a_chain_has_reflinks_bookends_and_deleted_subvolumes_that_are_held() -> None:
    with Lab.up(driver="btrfs", mess="chain", size_mib=1024) as lab:
        (deep,) = (p for p in lab.truth.of("images", "image") if p.name == "shop/deep:1")
        assert deep.note.startswith("42 layers")
        (fragmented,) = lab.truth.of("volumes", "fragmented file")
        assert (fragmented.allocated_bytes or 0) - fragmented.apparent_bytes == 500 * 4096
        held = run("btrfs", "subvolume", "list", "-d", lab.mount).splitlines()
        assert {line.split()[1] for line in held} == {p.id for p in lab.truth.of("deleted_pending")}
        measure.flush(lab.mount)
        before = measure.used_bytes(lab.mount)
        for planted in lab.truth.of("deleted_pending"):
            lab.release(planted)
        measure.cleaned(lab.mount)
        assert run("btrfs", "subvolume", "list", "-d", lab.mount) == ""
        expected = lab.truth.sums["deleted_pending"].allocated_bytes
        assert before - measure.used_bytes(lab.mount) == pytest.approx(expected, abs=MIB // 2)


def test_churn_leaves_known_dangling_bytes() -> None:
    with Lab.up(mess="churn", size_mib=1024) as lab:
        dangling = lab.truth.of("images", "dangling image")
        assert len(dangling) == churn.BUILDS_COUNT - 1
        before = measure.used_bytes(lab.mount)
        lab.docker("image", "prune", "-f")
        measure.flush(lab.mount)
        expected = (churn.BUILDS_COUNT - 1) * churn.LAYER_BYTES
        assert before - measure.used_bytes(lab.mount) == pytest.approx(expected, rel=0.02)


def test_keepers_say_what_must_survive() -> None:
    with Lab.up(mess="keepers", size_mib=1024) as lab:
        truth = lab.truth
        by_name = {p.name: p.survives for p in truth.of("images", "image") + truth.of("containers", "writable layer")}
        assert by_name == {
            "base:1": "destructive",
            "shop/api:1 shop/api:stable": "destructive",
            "shop/kept:1": "destructive",
            "shop/job:1": "safe",
            "shop/moved:1": "safe",
            "api-1": "destructive",
            "kept-1": "destructive",
            "job-1": "safe",
            "new-1": "safe",
        }
        assert sorted(p.survives for p in truth.of("images", "dangling image")) == ["", "destructive"]
        assert {p.survives for p in truth.of("volumes")} == {"destructive"}
        assert len(truth.of("volumes")) == 4
        assert [p.kind for p in truth.of("build_cache")].count("regular") >= 2


@pytest.mark.parametrize("driver", ["overlay2", "btrfs"])
def test_an_incident_fills_the_disk_to_the_mark(driver: str) -> None:
    with Lab.up(driver=driver, mess="incident", size_mib=1024) as lab:
        assert 93 <= df_percent(lab) <= 95.5
        taken = {category for category, figures in lab.truth.sums.items() if figures.allocated_bytes > 20 * MIB}
        expected = {"images", "build_cache", "containers", "logs", "volumes", "orphans", "deleted_open", "other_files"}
        assert taken == expected | ({"snapshots"} if driver == "btrfs" else set())
        assert {"api-1", "web-1"} <= set(lab.docker("ps", "--format", "{{.Names}}").split())


def test_a_metadata_full_filesystem_refuses_a_file_though_df_shows_room() -> None:
    with Lab.up(driver="btrfs", mess="metadata_full", size_mib=1024) as lab:
        found = metadata_full.state(lab.mount)
        assert found.metadata_fill > 0.95
        assert found.unallocated_bytes <= 16 * MIB
        assert df_percent(lab) < 85
        with pytest.raises(OSError, match="No space left") as refused:
            (lab.mount / "one-more").touch()
        assert refused.value.errno == errno.ENOSPC
        lab.docker("system", "prune", "-a", "-f")
        with pytest.raises(OSError, match="No space left"):
            _make_files(lab.mount, 1000)


def _make_files(folder: Path, count: int) -> None:
    for number in range(count):
        (folder / f"more-{number}").write_bytes(bytes(1000))


def test_raid1_lies_on_two_devices() -> None:
    with Lab.up(driver="btrfs", mess="empty", size_mib=512, devices=2) as lab:
        lab.import_image("two:1", {"data": 20 * MIB})
        measure.flush(lab.mount)
        assert len(lab.devices) == 2
        assert "Data,RAID1" in run("btrfs", "filesystem", "usage", "--raw", lab.mount)


def test_overlay2_lives_on_btrfs_and_xfs_too() -> None:
    for fs in ("btrfs", "xfs"):
        with Lab.up(driver="overlay2", fs=fs, mess="empty", size_mib=512) as lab:
            lab.import_image("one:1", {"data": 20 * MIB})
            truth = lab.measure()
            assert truth.sums["images"].allocated_bytes == pytest.approx(20 * MIB, abs=MIB // 4)


@pytest.mark.parametrize(("version", "driver"), [("26.1", "overlay2"), ("28.5", "btrfs"), ("28.5", "containerd")])
def test_newer_engines_run_beside_the_hosts_and_survive_a_kill(version: str, driver: str) -> None:
    fetch.fetch(version)
    with Lab.up(driver=driver, engine=version, mess="everyday", size_mib=1024) as lab:
        assert lab.docker("version", "--format", "{{.Server.Version}}").startswith(f"{version}.")
        truth = lab.truth
        assert truth.of("volumes", "named")[0].allocated_bytes == pytest.approx(9 * MIB, abs=16384)
        assert truth.sums["build_cache"].allocated_bytes >= (3 + 3 + 5) * MIB
        merged = [line for line in Path("/proc/self/mounts").read_text().splitlines() if lab.id in line]
        if driver != "btrfs":
            assert sum(" overlay " in line for line in merged) == 2  # the running containers', seen from outside
        lab.kill_engine()
        lab.start_engine()
        assert len(lab.docker("ps", "-aq").split()) == 5
        assert _names(lab.measure().of("images", "image")) == _names(truth.of("images", "image"))


def _names(images: tuple[Planted, ...]) -> set[str]:
    return {image.name for image in images}


def test_the_containerd_store_holds_layers_and_content() -> None:
    fetch.fetch("28.5")
    with Lab.up(driver="containerd", engine="28.5", mess="empty", size_mib=1024) as lab:
        image = lab.import_image("one:1", {"data": 20 * MIB})
        owned = layout.owned(lab.docker_root, lab.driver, lab.socket)
        # Random bytes do not compress: the layer lies there twice.
        assert measure.du_bytes(owned.layers.values()) == pytest.approx(20 * MIB, abs=MIB // 4)
        assert measure.du_bytes(owned.content[image]) == pytest.approx(20 * MIB, abs=MIB // 4)


@pytest.mark.parametrize("driver", ["overlay2", "vfs"])
def test_podman_answers_with_a_mess_of_its_own(driver: str) -> None:
    fetch.fetch("podman")
    with Lab.up(driver=driver, engine="podman", mess="podman", size_mib=1024) as lab:
        truth = lab.truth
        assert "Podman" in lab.docker("version")
        assert len(truth.of("images", "image")) == 3
        assert len(truth.of("images", "dangling image")) == 1
        if driver == "overlay2":
            assert truth.sums["images"].allocated_bytes == pytest.approx((2 + 4 + 6 + 5) * MIB, abs=MIB // 2)
        assert truth.of("volumes", "named")[0].allocated_bytes == pytest.approx(9 * MIB, abs=16384)
        assert truth.sums["build_cache"].allocated_bytes == 0


def test_an_old_engine_has_no_containerd_store() -> None:
    with pytest.raises(NoSuchEngine, match="24 and later"):
        Lab.up(driver="containerd", engine="20.10", mess="empty", size_mib=512)
