"""btrfs as it is on hosts in trouble: devices missing, stale or failing, forced read-only, conversions half done.

And what is unusual and no trouble: seeds, clones beside their original, a balance that runs or is paused.
"""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from collectors.filesystems.btrfs.document import btrfs_fields
from collectors.model.plan import Finding, Severity
from collectors.model.reading import Exact
from collectors.model.report import Report
from collectors.model.snapshot import reachable_bytes
from collectors.report import formatting
from collectors.report.text import render
from tests.lab import disk
from tests.lab.commands import CommandFailed, run
from tests.lab.require import require_machine
from tests.machine.btrfs_lab import MIB, Lab, assert_agrees_with_qgroups, figures, lab, qgroups, sharing, wait_until
from tests.machine.btrfs_matrix import contents, look, made, unattributed_bytes
from tests.machine.btrfs_shapes import Shape

pytestmark = pytest.mark.machine


@pytest.fixture(autouse=True)
def _machine() -> None:
    require_machine()


def found(report: Report, rule: str) -> Finding:
    """The one finding of this rule."""
    (one,) = [finding for finding in report.findings if finding.rule == rule]
    return one


def books_close(report: Report) -> None:
    ledger = report.ledger
    assert ledger is not None
    space = ledger.filesystem.space
    assert isinstance(space, Exact)
    rows = {row.category.value: row.charged for row in ledger.rows}
    assert isinstance(rows["unattributed"], Exact), rows["unattributed"]
    assert rows["unattributed"].value == 0


@contextmanager
def devices(base: Path, *sizes_mib: int) -> Iterator[tuple[str, ...]]:
    """Loop devices on sparse files, and whatever is mounted below `base`, gone again afterwards."""
    base.mkdir()
    nodes = []
    try:
        for number, size in enumerate(sizes_mib):
            image = base / f"disk{number}.img"
            image.touch()
            os.truncate(image, size * MIB)
            nodes.append(disk.attach(image))
        (base / "mnt").mkdir()
        yield tuple(nodes)
    finally:
        left = disk.destroy(base)
        assert not left, left


def forgotten(node: str) -> bool:
    """Whether btrfs has let go of a device."""
    with suppress(CommandFailed):
        run("btrfs", "device", "scan", "--forget", node)
        return True
    return False


def without_a_device(base: Path, nodes: tuple[str, ...], *profiles: str, gone: int = 1) -> Lab:
    """A filesystem whose last devices are gone, mounted all the same."""
    at = base / "mnt"
    run("mkfs.btrfs", "-q", "-f", *profiles, *nodes)
    run("btrfs", "device", "scan", *nodes)
    run("mount", nodes[0], at)
    made_lab = Lab(at, nodes, random.Random(5))
    contents(made_lab)
    run("umount", at)
    # Another namespace may hold the mount for a moment longer.
    for node in nodes[-gone:]:
        wait_until(partial(forgotten, node))
        run("losetup", "--detach", node)
    run("mount", "-o", "degraded", nodes[0], at)
    return made_lab


@pytest.mark.parametrize(
    ("sizes", "profiles", "next_profile"),
    [
        ((256, 256), ("-d", "raid1", "-m", "raid1"), "single"),
        ((200, 200, 200), ("-d", "raid1c3", "-m", "raid1c3"), "single"),
        ((200, 200, 200), ("-d", "raid1", "-m", "raid1"), "RAID1"),
        ((160, 160, 160, 160), ("-d", "raid10", "-m", "raid10"), "RAID10"),
        ((160, 160, 160), ("-d", "raid5", "-m", "raid1"), "RAID5"),
        ((160, 160, 160, 160), ("-d", "raid6", "-m", "raid1c3"), "RAID6"),
    ],
)
def test_a_missing_device_is_told_with_what_the_next_mount_needs(
    sizes: tuple[int, ...], profiles: tuple[str, ...], next_profile: str, tmp_path: Path
) -> None:
    with devices(tmp_path / "lab", *sizes) as nodes:
        made_lab = without_a_device(tmp_path / "lab", nodes, *profiles)
        report = look(made_lab.at)
        told = found(report, "btrfs-device-missing")
        assert told.severity >= Severity.P2
        assert ("the next mount needs", "-o degraded") in told.evidence
        assert f"btrfs replace start {len(nodes)}" in told.remedy
        assert "do not balance" in told.remedy
        assert not any(step.id == "btrfs.balance" for step in report.plan.steps)
        assert f"Device {len(nodes)}: missing; the next mount needs -o degraded" in render(report)
        books_close(report)
        room = figures(made_lab.at).room("data")
        assert room is not None
        assert room.profile == next_profile


def test_each_of_two_missing_devices_is_told(tmp_path: Path) -> None:
    """The most that three copies survive."""
    with devices(tmp_path / "lab", 160, 160, 160, 160) as nodes:
        made_lab = without_a_device(tmp_path / "lab", nodes, "-d", "raid1c3", "-m", "raid1c3", gone=2)
        report = look(made_lab.at)
        told = [one for one in report.findings if one.rule == "btrfs-device-missing"]
        assert {one.subject for one in told} == {"3", "4"}
        assert not any(step.id == "btrfs.balance" for step in report.plan.steps)
        books_close(report)


def test_room_without_a_device_is_what_the_kernel_then_allocates(tmp_path: Path) -> None:
    with devices(tmp_path / "lab", 256, 256) as nodes:
        made_lab = without_a_device(tmp_path / "lab", nodes, "-d", "raid1", "-m", "raid1")
        room, before = figures(made_lab.at).room("data"), data_chunks(made_lab.at)
        assert room is not None
        assert isinstance(room.allocatable, Exact)
        with (made_lab.at / "fill").open("wb") as file, suppress(OSError):
            for number in range(1000):
                os.posix_fallocate(file.fileno(), number * MIB, MIB)
        made_lab.commit()
        assert abs(data_chunks(made_lab.at) - before - room.allocatable.value) <= room.chunk_bytes
        assert found(look(made_lab.at), "btrfs-profiles").severity is Severity.P3, "written without a second copy"


def test_the_total_beside_used_is_what_can_be_reached(tmp_path: Path) -> None:
    with made(Shape((160, 480), ("-d", "raid1", "-m", "raid1")), tmp_path / "lab") as made_lab:
        reachable = reachable_bytes(figures(made_lab.at))
        assert reachable is not None
        assert 150 * MIB < reachable < 160 * MIB < 320 * MIB == total_of_statfs(made_lab.at)
        (line,) = [line for line in render(look(made_lab.at)).splitlines() if line.startswith("Disk: ")]
        assert f"/{formatting.tight(reachable, si=False)} on" in line


def total_of_statfs(at: Path) -> int:
    room = os.statvfs(at)
    return room.f_blocks * room.f_frsize


def data_chunks(at: Path) -> int:
    spaces = figures(at).spaces
    assert isinstance(spaces, Exact)
    return sum(space.logical_total_bytes for space in spaces.value if space.kind == "data")


def test_a_device_that_came_back_is_stale_until_it_is_scrubbed(tmp_path: Path) -> None:
    with devices(tmp_path / "lab", 256, 256) as nodes:
        made_lab = without_a_device(tmp_path / "lab", nodes, "-d", "raid1", "-m", "raid1")
        for number in range(60):
            made_lab.write(made_lab.at / f"docker/one/file-{number}", 5000)
        made_lab.commit()
        run("umount", made_lab.at)
        again = disk.attach(tmp_path / "lab" / "disk1.img")
        run("btrfs", "device", "scan", nodes[0], again)
        run("mount", nodes[0], made_lab.at)
        run("btrfs", "scrub", "start", "-B", "-r", made_lab.at)
        told = found(look(made_lab.at), "btrfs-device-errors")
        assert told.severity >= Severity.P2
        assert "scrub" in told.remedy
        assert any(name == "generation_errs" for name, _ in told.evidence), told.evidence
        assert "stale" in told.claim


@contextmanager
def on_a_failing_disk(base: Path, *profiles: str) -> Iterator[Lab]:
    """A filesystem whose last device has lost all but its beginning: every write behind that fails."""
    with devices(base, *([256] * (2 if "raid1" in profiles else 1))) as nodes:
        run("mkfs.btrfs", "-q", "-f", *profiles, *nodes)
        run("btrfs", "device", "scan", *nodes)
        run("mount", nodes[0], base / "mnt")
        made_lab = Lab(base / "mnt", nodes, random.Random(5))
        contents(made_lab)
        os.truncate(base / f"disk{len(nodes) - 1}.img", 16 * MIB)
        run("losetup", "--set-capacity", nodes[-1])
        for number in range(4):
            with suppress(OSError, CommandFailed):
                made_lab.write(made_lab.at / f"docker/one/bulk-{number}", 4 * MIB)
                made_lab.commit()
        yield made_lab


def test_a_device_that_fails_to_write_is_replaced_before_anything_is_balanced(tmp_path: Path) -> None:
    with on_a_failing_disk(tmp_path / "lab", "-d", "raid1", "-m", "raid1") as made_lab:
        report = look(made_lab.at)
        told = found(report, "btrfs-device-errors")
        assert told.severity is Severity.P1
        assert told.claim.endswith("fails to write")
        assert "btrfs replace start 2" in told.remedy
        assert not any(step.id == "btrfs.balance" for step in report.plan.steps)


def test_a_filesystem_that_is_forced_read_only_has_no_step_that_writes(tmp_path: Path) -> None:
    with on_a_failing_disk(tmp_path / "lab", "-d", "single", "-m", "dup") as made_lab:
        report = look(made_lab.at)
        told = found(report, "forced-read-only")
        assert (report.severity, told.severity) == (Severity.P0, Severity.P0)
        assert "stop the engine" in told.remedy
        assert report.plan.steps == ()
        assert any("read-only: nothing can be removed" in said for said in report.plan.left_out)


def test_ext4_that_is_forced_read_only_has_no_step_that_writes_either(tmp_path: Path) -> None:
    with devices(tmp_path / "lab", 64) as (node,):
        at = tmp_path / "lab" / "mnt"
        run("mkfs.ext4", "-q", node)
        run("mount", "-o", "errors=remount-ro", node, at)
        (at / "docker").mkdir()
        Path(f"/sys/fs/ext4/{Path(node).name}/trigger_fs_error").write_text("made for a test")
        report = look(at)
        assert found(report, "forced-read-only").severity is Severity.P0
        assert report.plan.steps == ()


@pytest.mark.parametrize(("fs", "rule"), [("xfs", "disk-unknown"), ("ext4", "forced-read-only")])
def test_a_filesystem_that_was_shut_down_is_critical_and_has_no_step_either(fs: str, rule: str, tmp_path: Path) -> None:
    """What XFS does instead of turning read-only, and ext4 when it is told to. XFS answers nothing then."""
    with devices(tmp_path / "lab", 320) as (node,):
        at = tmp_path / "lab" / "mnt"
        run(f"mkfs.{fs}", "-q", node)
        run("mount", node, at)
        (at / "docker").mkdir()
        run("xfs_io", "-x", "-c", "shutdown", at)
        report = look(at)
        assert (found(report, rule).severity, report.exit_status) == (Severity.P0, 2)
        assert "dmesg" in found(report, rule).remedy
        assert report.plan.steps == ()


@pytest.mark.parametrize(
    ("sizes", "mkfs", "filters", "kind"),
    [
        ((320, 320), ("-d", "raid0", "-m", "raid1"), ("-dconvert=raid1,limit=1,soft",), "data"),
        ((320, 320), ("-d", "raid1", "-m", "raid1"), ("-dconvert=single,limit=1,soft",), "data"),
        ((512,), ("-d", "single", "-m", "dup"), ("-dconvert=dup,limit=1,soft",), "data"),
        ((400, 400, 400), ("-d", "raid1", "-m", "raid1"), ("-dconvert=raid5,limit=1,soft",), "data"),
    ],
)
def test_a_conversion_half_done_is_told_and_the_books_close(
    sizes: tuple[int, ...], mkfs: tuple[str, ...], filters: tuple[str, ...], kind: str, tmp_path: Path
) -> None:
    def half(made_lab: Lab) -> None:
        for number in range(6):
            made_lab.write(made_lab.at / f"docker/bulk-{number}", 20 * MIB)
            made_lab.snapshot("docker/one", f"docker/then-{number}")
        made_lab.commit()
        run("btrfs", "balance", "start", *filters, made_lab.at)

    with made(Shape(sizes, mkfs, (), half), tmp_path / "lab") as made_lab:
        report = look(made_lab.at)
        books_close(report)
        told = next(one for one in report.findings if one.rule == "btrfs-profiles" and one.claim.startswith(kind))
        assert "finish or undo" in told.remedy
        assert len(told.evidence) == 2
        facts = figures(made_lab.at)
        document = btrfs_fields(Exact(facts, facts.generation.origin))
        assert document is not None
        spaces = document["spaces"]
        assert isinstance(spaces, list)
        counted = {(space["kind"], space["profile"]): space for space in spaces}
        disk_used = run("cat", f"/sys/fs/btrfs/{facts.uuid}/allocation/{kind}/disk_used")
        assert sum(s["disk_used_bytes"] for (of, _), s in counted.items() if of == kind) == int(disk_used)
        assert assert_agrees_with_qgroups(made_lab.at, sharing(made_lab.at)) >= 9


def test_a_seed_and_what_sprouts_from_it_are_walked_raw(tmp_path: Path) -> None:
    with devices(tmp_path / "lab", 256, 256) as (seed, sprout):
        at = tmp_path / "lab" / "mnt"
        run("mkfs.btrfs", "-q", "-f", seed)
        run("mount", seed, at)
        made_lab = Lab(at, (seed, sprout), random.Random(5))
        contents(made_lab)
        run("umount", at)
        run("btrfstune", "-S", "1", seed)
        run("mount", seed, at)
        assert unattributed_bytes(at) == 0, "the seed alone"
        run("btrfs", "device", "add", "-f", sprout, at)
        run("mount", "-o", "remount,rw", at)
        made_lab.write(at / "docker/one/new", 3 * MIB)
        made_lab.snapshot("docker/one", "docker/sprouted")
        made_lab.commit()
        assert unattributed_bytes(at) == 0
        report = look(at)
        books_close(report)
        assert render(report).count("takes no new chunks") == 1
        room = figures(at).room("data")
        assert room is not None
        assert isinstance(room.allocatable, Exact)
        assert 0 < room.allocatable.value < 256 * MIB, "a seed takes no chunk"
        assert assert_agrees_with_qgroups(at, sharing(at)) >= 5


def test_a_seed_of_two_devices_is_walked_raw_beside_what_sprouts_on_two(tmp_path: Path) -> None:
    with devices(tmp_path / "lab", 200, 200, 256, 256) as nodes:
        at = tmp_path / "lab" / "mnt"
        run("mkfs.btrfs", "-q", "-f", "-d", "raid1", "-m", "raid1", *nodes[:2])
        run("btrfs", "device", "scan", *nodes[:2])
        run("mount", nodes[0], at)
        made_lab = Lab(at, nodes, random.Random(5))
        contents(made_lab)
        run("umount", at)
        wait_until(lambda: forgotten(nodes[0]))  # or the kernel would take what it still knows of the two
        run("btrfstune", "-f", "-S", "1", nodes[0])
        run("btrfs", "device", "scan", *nodes[:2])
        run("mount", nodes[0], at)
        run("btrfs", "device", "add", "-f", nodes[2], at)
        run("mount", "-o", "remount,rw", at)
        run("btrfs", "device", "add", "-f", nodes[3], at)
        made_lab.write(at / "docker/one/new", 3 * MIB)
        made_lab.commit()
        assert unattributed_bytes(at) == 0
        books_close(look(at))
        said = [line for line in render(look(at)).splitlines() if line.startswith("- Device")]
        assert ["takes no new chunks" in line for line in said] == [True, True, False, False], said
        assert assert_agrees_with_qgroups(at, sharing(at)) >= 4


def test_a_clone_mounted_beside_its_original_is_walked_raw(tmp_path: Path) -> None:
    base = tmp_path / "lab"
    with devices(base, 256) as (node,):
        run("mkfs.btrfs", "-q", "-f", node)
        run("mount", node, base / "mnt")
        made_lab = Lab(base / "mnt", (node,), random.Random(5))
        contents(made_lab)
        run("umount", base / "mnt")
        run("cp", "--sparse=always", base / "disk0.img", base / "disk1.img")
        (base / "beside").mkdir()
        run("mount", node, base / "mnt")
        beside_node = disk.attach(base / "disk1.img")
        run("mount", beside_node, base / "beside")
        beside = Lab(base / "beside", (), random.Random(6))
        beside.write(beside.at / "docker/one/own", 2 * MIB)
        beside.commit()
        assert figures(beside.at).uuid != figures(base / "mnt").uuid
        for at, said in ((base / "mnt", False), (beside.at, True)):
            assert unattributed_bytes(at) == 0
            report = look(at)
            books_close(report)
            assert ("a clone of what is mounted already" in render(report)) is said
        run("btrfs", "balance", "start", "--full-balance", beside.at)
        assert unattributed_bytes(beside.at) == 0, "after everything in the clone was moved"
        for mounted in (base / "mnt", beside.at):
            run("umount", mounted)
        run("mount", beside_node, base / "mnt")
        assert unattributed_bytes(base / "mnt") == 0, "the clone alone"
        assert "a clone of what is mounted already" not in render(look(base / "mnt"))


def test_a_balance_that_runs_or_is_paused_is_said_and_walked_around(tmp_path: Path) -> None:
    with lab(tmp_path / "lab", size_mib=600) as made_lab:
        contents(made_lab)
        for number in range(3):
            made_lab.write(made_lab.at / f"docker/bulk-{number}", 80 * MIB)
        made_lab.commit()
        running = subprocess.Popen(["btrfs", "balance", "start", "--full-balance", str(made_lab.at)], stderr=-3)
        try:
            while figures(made_lab.at).operation.value != "balance":  # type: ignore[union-attr]
                assert running.poll() is None, "it was over before it could be seen"
            run("btrfs", "balance", "pause", made_lab.at)
        finally:
            running.wait(30)
        report = look(made_lab.at)
        assert "Operation: balance paused" in render(report).splitlines()
        assert "btrfs.balance" not in {step.id for step in report.plan.steps}
        assert unattributed_bytes(made_lab.at) == 0
        books_close(report)
        run("btrfs", "balance", "cancel", made_lab.at)


@pytest.mark.parametrize(("profile", "count", "gone"), [("raid5", 3, 1), ("raid6", 4, 1), ("raid6", 5, 2)])
def test_what_a_tree_search_cannot_see_is_null_with_its_reason(
    profile: str, count: int, gone: int, tmp_path: Path
) -> None:
    """Tree blocks beside parity, of which a device is gone: the data is told all the same, to the byte."""
    with devices(tmp_path / "lab", *[160] * count) as nodes:
        made_lab = without_a_device(tmp_path / "lab", nodes, "-d", profile, "-m", profile, gone=gone)
        found_by_search, quotas = sharing(made_lab.at), qgroups(made_lab.at)
        assert found_by_search.residual_data_bytes == 0
        subvolumes = figures(made_lab.at).subvolumes
        assert isinstance(subvolumes, Exact)
        held = {one.unit: one.referenced_data_bytes for one in found_by_search.holdings}
        for one in subvolumes.value:
            # The kernel counts its tree blocks besides, of 16 KiB each.
            assert 0 < quotas[one.id][0] - held[one.unit] <= 20 << 14
            assert (quotas[one.id][0] - held[one.unit]) % (1 << 14) == 0
        report = look(made_lab.at)
        books_close(report)
        document = btrfs_fields(report.filesystem_facts)
        assert document is not None
        told = document["sharing"]
        assert isinstance(told, dict)
        assert told["method"] == "tree search"
        assert (told["exact"], told["tree_metadata_bytes"]) == (False, None)
        assert "missing" in told["reason"]
        assert all(holding["referenced_bytes"] is None for holding in told["holdings"])
        (said,) = [row.reason for row in report.coverage if "tree search" in row.reason]
        assert "not seen: tree blocks (they are in metadata), and what only subvolumes that wait" in said
        assert "is missing" in said
        assert "metadata not checked" in render(report)
