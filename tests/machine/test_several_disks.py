"""A Docker root whose parts lie on several disks: each disk is judged, whatever way leads to it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from collectors.causes import disk_full, host_files
from tests.bench.explain import preflight
from tests.lab import Lab, disk
from tests.lab.commands import CommandFailed, run
from tests.lab.messes._write import MIB, random_file
from tests.lab.require import require_machine
from tests.machine.journaling import Supervisor

pytestmark = pytest.mark.machine

VOLUME = "shop-data"


@pytest.fixture(scope="module")
def lab() -> Iterator[tuple[Lab, disk.Disk]]:
    require_machine()
    with Lab.up(driver="overlay2", mess="empty", size_mib=512) as made:
        second = made.base / "second"
        second.mkdir()
        other = disk.create(second, "ext4", size_mib=64)
        made.docker("volume", "create", VOLUME)
        made.stop_engine()
        run("cp", "-a", f"{made.docker_root}/volumes/.", other.mount)
        random_file(other.mount / VOLUME / "_data/dump", 50 * MIB)
        run("rm", "-r", made.docker_root / "volumes")
        yield made, other


def told(lab: Lab) -> dict[str, Any]:
    lab.start_engine()
    try:
        assert VOLUME in lab.docker("volume", "ls", "-q")
        return preflight(lab)
    finally:
        lab.stop_engine()


def the_full_one(document: dict[str, Any]) -> dict[str, Any]:
    assert (document["severity"], document["exit_status"]) == ("P0", 2)
    (full,) = [one for one in document["findings"] if one["rule"] == disk_full.ID]
    return dict(full)


def volume_on(document: dict[str, Any], mount: Path) -> dict[str, Any]:
    (other,) = [o for o in document["other_filesystems"] if o["filesystem"]["mount"] == str(mount)]
    (volume,) = other["items"]["volumes"]
    return dict(volume)


def test_the_full_disk_that_is_mounted_at_the_volumes_is_critical(lab: tuple[Lab, disk.Disk]) -> None:
    made, other = lab
    volumes = made.docker_root / "volumes"
    volumes.mkdir(exist_ok=True)
    run("mount", other.devices[0], volumes)
    try:
        document = told(made)
    finally:
        run("umount", volumes)
    assert the_full_one(document)["mount"] == document["plan_mount"]
    assert document["plan_mount"] in (str(volumes), str(other.mount))
    assert "volumes 100% used " in document["verdict"]  # its path is cut where there is little room
    assert f"volume {VOLUME}" in document["verdict"]
    found = volume_on(document, Path(document["plan_mount"]))
    assert (found["name"], found["bytes"] >= 50 * MIB) == (VOLUME, True)
    assert VOLUME in " ".join(step["command"] for step in document.get("plan_for_person", document["plan"]))
    volumes.rmdir()


def test_each_disk_has_a_plan_of_its_own_and_a_reclaim_can_be_aimed_at_one(
    lab: tuple[Lab, disk.Disk], tmp_path: Path
) -> None:
    """Images lie on the first disk, the volume on the second, which is full: each is remembered, planned, reclaimed."""
    made, other = lab
    (made.docker_root / "volumes").symlink_to(other.mount)
    made.start_engine()
    try:
        image_file(made, tmp_path)
        seen = Supervisor(made, tmp_path)
        assert seen.document()["severity"] == seen.document()["severity"] == "P0"
        document = seen.document()
        assert document["plan_mount"] == str(other.mount)
        assert [step["command"].split()[-1] for step in document["plan_for_person"]] == [VOLUME]
        assert "image.remove" not in {step["action"] for step in document["plan"]}
        assert "image.remove" in {step["action"] for step in document["filesystem_plan"]["steps"]}
        assert VOLUME not in str(document["filesystem_plan"])
        (elsewhere,) = document["other_filesystems"]
        assert elsewhere["trend"]["runs"] == 2
        page = seen.page()
        assert f"\nOther plan: {made.mount}, " in page
        assert ullage(made, "--plan", "--mount", "/nowhere").returncode == 3

        aimed = ("--reclaim", "--apply", "--tier", "careful", "--min-age", "0", "--state", str(tmp_path / "state"))
        untouched = os.statvfs(other.mount).f_bfree
        nothing = ullage(made, *aimed, "--mount", str(other.mount))
        assert "Steps" not in nothing.stdout
        assert "unused:1" in made.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
        before = os.statvfs(made.mount).f_bfree
        done = ullage(made, *aimed, "--mount", str(made.mount))
        assert done.returncode == 0, done.stdout + done.stderr
        freed = (os.statvfs(made.mount).f_bfree - before) * os.statvfs(made.mount).f_frsize
        assert abs(freed - UNUSED) < MIB, done.stdout
        assert os.statvfs(other.mount).f_bfree == untouched
        assert VOLUME in made.docker("volume", "ls", "-q")
    finally:
        made.stop_engine()
        (made.docker_root / "volumes").unlink()


UNUSED = 20 * MIB


def image_file(lab: Lab, folder: Path) -> None:
    """An image that nothing uses, of one file."""
    content = folder / "content"
    content.mkdir()
    random_file(content / "file", UNUSED)
    run("tar", "-C", content, "-cf", folder / "image.tar", "file")
    lab.docker("import", str(folder / "image.tar"), "unused:1")


def ullage(lab: Lab, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "collectors", "--host", lab.host, "--no-journal", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


def test_so_is_one_that_only_a_symbolic_link_leads_to(lab: tuple[Lab, disk.Disk]) -> None:
    made, other = lab
    (made.docker_root / "volumes").symlink_to(other.mount)
    try:
        document = told(made)
    finally:
        (made.docker_root / "volumes").unlink()
    assert the_full_one(document)["mount"] == str(other.mount)
    assert volume_on(document, other.mount)["bytes"] >= 50 * MIB
    (elsewhere,) = document["other_filesystems"]
    assert any("volumes (a link to " in item["name"] for item in elsewhere["items"]["docker_other"])


def test_so_is_one_that_only_the_data_of_a_volume_lies_on(lab: tuple[Lab, disk.Disk]) -> None:
    made, other = lab
    volume = made.docker_root / "volumes" / VOLUME
    volume.mkdir(parents=True)
    (volume / "_data").symlink_to(other.mount / VOLUME / "_data")
    try:
        document = told(made)
    finally:
        run("rm", "-r", made.docker_root / "volumes")
    assert the_full_one(document)["mount"] == str(other.mount)
    assert volume_on(document, other.mount)["bytes"] >= 50 * MIB


def test_so_is_one_that_the_containers_logs_lie_on(lab: tuple[Lab, disk.Disk]) -> None:
    """Images stay on the first disk; a log fills the second, which holds the containers behind a link."""
    made, _ = lab
    third = made.base / "third"
    third.mkdir()
    other = disk.create(third, "ext4", size_mib=64)
    made.start_engine()
    made.client.base_image()
    made.docker("create", "--name", "web-1", "base:1", "sh")
    container = made.docker("inspect", "-f", "{{.Id}}", "web-1").strip()
    made.stop_engine()
    containers = made.docker_root / "containers"
    run("cp", "-a", f"{containers}/.", other.mount)
    containers.rename(made.docker_root.with_name("aside"))
    containers.symlink_to(other.mount)
    random_file(other.mount / container / f"{container}-json.log", 50 * MIB)
    made.start_engine()
    try:
        document = preflight(made)
    finally:
        made.stop_engine()
        containers.unlink()
        made.docker_root.with_name("aside").rename(containers)
    assert the_full_one(document)["mount"] == document["plan_mount"] == str(other.mount)
    (elsewhere,) = [o for o in document["other_filesystems"] if o["filesystem"]["mount"] == str(other.mount)]
    assert elsewhere["items"]["logs"][0]["bytes"] >= 50 * MIB
    assert "web-1" in document["verdict"]


def test_a_disk_that_the_engine_itself_covered_holds_nothing_of_it(lab: tuple[Lab, disk.Disk]) -> None:
    """Below a private mount the engine binds its root over itself, without what was mounted in there."""
    made, other = lab
    volumes = made.docker_root / "volumes"
    volumes.mkdir(exist_ok=True)
    random_file(volumes / VOLUME / "_data/below", 30 * MIB)
    run("mount", other.devices[0], volumes)
    run("mount", "--make-private", made.mount)
    try:
        document = told(made)
    finally:
        with suppress(CommandFailed):  # the engine takes its bind away when it ends in order
            run("umount", "--lazy", made.docker_root)
        run("umount", volumes)
        run("mount", "--make-shared", made.mount)
    assert document["other_filesystems"] == []
    (found,) = [item for item in document["items"]["volumes"] if item["name"] == VOLUME]
    assert 30 * MIB <= found["bytes"] <= 31 * MIB
    assert document["severity"] != "P0"


def test_what_a_disk_covers_that_was_mounted_over_the_volumes_later_is_told(lab: tuple[Lab, disk.Disk]) -> None:
    """The other way round: what the engine wrote before lies below, on the first disk, where no path leads any more."""
    made, other = lab
    volumes = made.docker_root / "volumes"
    random_file(volumes / VOLUME / "_data/below", 30 * MIB)
    run("mount", other.devices[0], volumes)
    try:
        document = told(made)
    finally:
        run("umount", volumes)
    assert volume_on(document, Path(document["plan_mount"]))["bytes"] >= 50 * MIB
    covered = [one for items in document["items"].values() for one in items if (one["bytes"] or 0) >= 30 * MIB]
    (below,) = [one["name"] for one in covered]
    assert below.startswith(str(volumes))
    assert any(one["rule"] == host_files.HIDDEN_ID for one in document["findings"])
    unattributed = next(row["bytes"] for row in document["ledger"] if row["category"] == "unattributed")
    assert abs(unattributed) < MIB


def test_the_full_disk_that_only_the_layers_lie_on_is_critical(lab: tuple[Lab, disk.Disk], tmp_path: Path) -> None:
    made, _ = lab
    fourth = made.base / "fourth"
    fourth.mkdir()
    other = disk.create(fourth, "ext4", size_mib=64)
    layers = made.docker_root / "overlay2"
    run("mv", layers, made.docker_root.with_name("layers-before"))
    layers.mkdir()
    run("mount", other.devices[0], layers)
    try:
        made.start_engine()
        made.import_image("heavy:1", {"file": 50 * MIB})
        document = told(made)
    finally:
        made.stop_engine()
        with suppress(CommandFailed):  # the engine takes away what is mounted on its driver's folder
            run("umount", layers)
        layers.rmdir()
        made.docker_root.with_name("layers-before").rename(layers)
    assert the_full_one(document)["mount"] == document["plan_mount"]
    (elsewhere,) = [o for o in document["other_filesystems"] if o["filesystem"]["mount"] == document["plan_mount"]]
    assert {one["name"]: one["bytes"] >= 50 * MIB for one in elsewhere["items"]["images"]}["heavy:1"]
    assert "heavy:1" in document["verdict"]
    assert any(step["action"] == "image.remove" for step in document["plan"])


def test_a_volume_that_is_a_disk_of_its_own_is_told_and_removing_it_frees_nothing(lab: tuple[Lab, disk.Disk]) -> None:
    """`docker volume create -o type=ext4 -o device=…`: the engine mounts it while a container uses it."""
    made, _ = lab
    fifth = made.base / "fifth"
    fifth.mkdir()
    other = disk.create(fifth, "ext4", size_mib=64)
    random_file(other.mount / "dump", 50 * MIB)
    run("umount", other.mount)
    made.start_engine()
    try:
        made.client.base_image()
        made.docker("volume", "create", "-o", "type=ext4", "-o", f"device={other.devices[0]}", "disk")
        made.docker("create", "-v", "disk:/data", "--name", "keeper", "base:1", "sleep", "100000")
        made.docker("start", "keeper")
        document = preflight(made)
        made.docker("rm", "-f", "keeper")
        unused = preflight(made)
        made.docker("volume", "rm", "disk")
    finally:
        made.stop_engine()
    run("mount", other.devices[0], other.mount)
    assert (other.mount / "dump").stat().st_size == 50 * MIB, "the engine left it alone"
    assert the_full_one(document)["mount"] == document["plan_mount"] == str(made.docker_root / "volumes/disk/_data")
    (elsewhere,) = [o for o in document["other_filesystems"] if o["filesystem"]["mount"] == document["plan_mount"]]
    assert elsewhere["items"]["other_files"][0]["bytes"] >= 50 * MIB
    for one in (document, unused):
        steps = [*one["plan"], *one.get("plan_for_person", [])]
        promised = [step["frees_bytes"] for step in steps if step["command"].split()[-1] == "disk"]
        assert sum(promised) < 64 << 10, "its empty directory on the first disk"


def test_so_is_one_that_a_volume_is_a_directory_of(lab: tuple[Lab, disk.Disk]) -> None:
    """`docker volume create -o type=none -o o=bind -o device=…`: judged whether or not a container uses it."""
    made, other = lab
    folder = other.mount / VOLUME / "_data"
    made.start_engine()
    try:
        made.client.base_image()
        made.docker("volume", "create", "-o", "type=none", "-o", "o=bind", "-o", f"device={folder}", "bound")
        unused = preflight(made)
        made.docker("run", "-d", "-v", "bound:/data", "--name", "keeper", "base:1", "sleep", "100000")
        document = preflight(made)
        made.docker("rm", "-f", "keeper")
        before = [os.statvfs(one).f_bfree for one in (made.mount, other.mount)]
        made.docker("volume", "rm", "bound")
        freed = [os.statvfs(one).f_bfree - was for one, was in zip((made.mount, other.mount), before, strict=True)]
    finally:
        made.stop_engine()
    for one in (unused, document):
        assert the_full_one(one)["mount"] == one["plan_mount"] == str(other.mount)
        (elsewhere,) = one["other_filesystems"]
        (found,) = [item for item in elsewhere["items"]["other_files"] if item["name"] == str(folder)]
        assert (found["owner"].endswith("volume bound"), found["bytes"] >= 50 * MIB) == (True, True)
        assert {row["category"]: row["bytes"] for row in elsewhere["ledger"]}["unattributed"] == 0
        assert "/dump" in one["verdict"]
    (step,) = [one for one in removals(unused) if one["command"].split()[-1] == "bound"]
    assert step["frees_bytes"] == freed[0] * os.statvfs(made.mount).f_frsize, "its empty directory below the root"
    assert freed[1] == 0, "what is in the directory stays"


def test_so_is_one_whose_volume_nobody_uses_where_it_is_mounted_elsewhere(lab: tuple[Lab, disk.Disk]) -> None:
    """`docker volume create -o type=ext4 -o device=/dev/…`: the engine mounts it only while a container uses it."""
    made, other = lab
    made.start_engine()
    try:
        made.docker("volume", "create", "-o", "type=ext4", "-o", f"device={other.devices[0]}", "disk")
        document = preflight(made)
        made.docker("volume", "rm", "disk")
    finally:
        made.stop_engine()
    assert the_full_one(document)["mount"] == document["plan_mount"] == str(other.mount)


def removals(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps of the plan of the root's filesystem that remove a volume."""
    plan = document.get("filesystem_plan") or {}
    steps = [
        *document["plan"],
        *document.get("plan_for_person", []),
        *plan.get("steps", []),
        *plan.get("for_person", []),
    ]
    return [step for step in steps if step["action"] == "volume.remove"]
