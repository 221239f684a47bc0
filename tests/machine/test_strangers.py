"""What lies on the disk and the engine does not know is named with its bytes, and left to a person."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from collectors.causes import other_stores
from collectors.ledger.unlisted import NOT_KNOWN
from collectors.model.filesystem import OpenFiles
from collectors.model.reading import Exact, charged
from collectors.model.report import Report
from collectors.system.deadline import this_host
from collectors.system.mount_table import filesystem_of
from collectors.system.mountinfo import mounts, with_loop_devices
from tests.bench.explain import preflight
from tests.lab import Lab, disk, messes
from tests.lab.commands import run
from tests.lab.messes._write import MIB, age, random_file
from tests.lab.require import require_machine
from tests.ledger.coverage import of_engine
from tests.machine.btrfs_matrix import look

pytestmark = pytest.mark.machine

UNUSED = {
    "buildx_buildkit_gone0_state": (),
    "ab" * 32: ("overlay2", "image", "containers", "volumes", "buildkit"),
    "storage-of-podman": ("overlay", "overlay-layers", "overlay-images", "overlay-containers"),
}
LOST = {"lost-host": 12, "lost-folder": 14}  # MiB in the layer of containers without this part of theirs


@pytest.fixture(scope="module")
def told() -> Iterator[tuple[Lab, dict[str, Any]]]:
    require_machine()
    with Lab.up(driver="overlay2", mess="empty", size_mib=1024) as lab:
        lab.client.base_image()
        more_of_the_kind(lab)
        lab._planted += messes.module("strangers").make(
            lab
        )  # after it: an engine that starts takes a volume for its own
        export = random_file(lab.docker_root / "tmp/docker-export-123456/layer", 3 * MIB)
        age(export.parent)  # likewise: it empties tmp
        unused_volumes(lab)
        lab.measure()
        with (
            deleted_below_a_loop_device(lab.mount / "image.raw"),
            deleted_below_a_mount(lab.mount / "mounted.raw", lab.base / "inside"),
        ):
            yield lab, preflight(lab)


def more_of_the_kind(lab: Lab) -> None:
    """What else a full disk, a hand or a half done move leaves: each is one more way to be unknown to the engine."""
    root, made = lab.docker_root, {name: a_container(lab, name, mib) for name, mib in LOST.items()}
    torn = lab.import_image("torn:1", {"data": 16 * MIB})
    lab.stop_engine()
    (root / "containers" / made["lost-host"] / "hostconfig.json").write_bytes(b"")
    run("rm", "-r", root / "containers" / made["lost-folder"])
    (root / "image/overlay2/imagedb/content" / torn.replace(":", "/")).write_bytes(b"")
    random_file(root / "overlay2/backup.tar", 8 * MIB)
    random_file(root / "overlay2/mine/dump", 6 * MIB)
    random_file(root / "containers/notes.tar", 4 * MIB)
    for part in ("image/overlay2/layerdb/sha256", "containers", "overlay2"):
        (root / "before" / part).mkdir(parents=True)
    random_file(root / "before/volumes/old-db/_data/db", 10 * MIB)
    lab.start_engine()


def unused_volumes(lab: Lab) -> None:
    """Each could be told as something else besides: a builder's cache, and roots of engines that are gone."""
    for name, folders in UNUSED.items():
        lab.docker("volume", "create", name)
        data = lab.docker_root / "volumes" / name / "_data"
        for folder in folders:
            (data / folder).mkdir(parents=True)
        random_file(data / "file", 7 * MIB)


def a_container(lab: Lab, name: str, mib: int) -> str:
    lab.docker("run", "--name", name, "base:1", "sh", "-c", f"dd if=/dev/urandom of=/big bs=1M count={mib} 2>/dev/null")
    return lab.docker("inspect", "-f", "{{.Id}}", name).strip()


@contextmanager
def deleted_below_a_loop_device(image: Path) -> Iterator[str]:
    random_file(image, 24 * MIB)
    device = run("losetup", "--find", "--show", image).strip()
    image.unlink()
    try:
        yield device
    finally:
        run("losetup", "--detach", device)


@contextmanager
def deleted_below_a_mount(image: Path, at: Path) -> Iterator[None]:
    """As `mount -o loop` leaves it."""
    random_file(image, 20 * MIB)
    run("mkfs.ext4", "-q", "-F", "-E", "nodiscard", image)
    at.mkdir()
    run("mount", "-o", "loop,noinit_itable", image, at)
    image.unlink()
    try:
        yield
    finally:
        run("umount", at)


def item(document: dict[str, Any], category: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in document["items"][category] if name in (one["id"], one["name"])]
    return dict(found)


def test_a_container_that_the_engine_did_not_load_is_an_item_with_its_layer(told: tuple[Lab, dict[str, Any]]) -> None:
    lab, document = told
    (lost,) = lab.truth.of("containers", "container without a configuration")
    assert lost.id not in lab.docker("ps", "-aq", "--no-trunc")
    found = item(document, "containers", lost.id)
    assert found["state"] == NOT_KNOWN
    assert 57 * MIB <= found["bytes"] <= 58 * MIB
    assert found["reclaimable_bytes"] is None


@pytest.mark.parametrize(
    ("category", "name", "state", "mib"),
    [
        ("volumes", "handmade", NOT_KNOWN, 21),
        ("docker_other", "volumes.bak", "not the engine's", 13),
        ("docker_other", "oops.tar", "not the engine's", 9),
        ("docker_other", "volumes/loose.tar", "not the engine's", 5),
        ("docker_other", "overlay2/backup.tar", "not the engine's", 8),
        ("docker_other", "mine", "not the engine's", 6),
        ("docker_other", "containers/notes.tar", "not the engine's", 4),
        ("docker_other", "docker-export-123456", "temporary", 3),
        ("docker_other", "volume old-db", "a former Docker root", 10),
    ],
)
def test_what_was_made_by_hand_is_named_with_its_bytes(
    told: tuple[Lab, dict[str, Any]], category: str, name: str, state: str, mib: int
) -> None:
    found = item(told[1], category, name)
    assert found["state"] == state
    assert mib * MIB <= found["bytes"] <= (mib + 1) * MIB


@pytest.mark.parametrize("mib", LOST.values(), ids=LOST)
def test_a_container_that_lost_another_part_is_one_too(told: tuple[Lab, dict[str, Any]], mib: int) -> None:
    """Without its host's part, or without its folder: the layer and its row are there, and the engine has none."""
    found = [one for one in told[1]["items"]["containers"] if mib * MIB <= one["bytes"] <= (mib + 1) * MIB]
    assert [one["state"] for one in found] == [NOT_KNOWN]


def test_the_layer_of_an_image_whose_configuration_is_torn_is_named(told: tuple[Lab, dict[str, Any]]) -> None:
    _, document = told
    (layer,) = [one for one in document["items"]["docker_other"] if one["state"] == "image layer"]
    assert 16 * MIB <= layer["bytes"] <= 17 * MIB
    (found,) = [one for one in document["findings"] if one["rule"] == other_stores.UNKNOWN_ID]
    assert f"image layer {layer['name']}" in str(found["evidence"])


def test_what_a_hand_put_among_the_layers_is_no_candidate_that_waits(told: tuple[Lab, dict[str, Any]]) -> None:
    rules = {one["rule"] for one in told[1]["findings"]}
    assert rules.isdisjoint({"orphans", "orphan-candidates"})


@pytest.mark.parametrize("name", UNUSED)
def test_a_volume_that_nothing_uses_has_one_remedy_whatever_is_in_it(
    told: tuple[Lab, dict[str, Any]], name: str
) -> None:
    lab, document = told
    rules = {one["rule"] for one in document["findings"]}
    assert rules.isdisjoint({"nested-root", "builder-volumes"})
    steps = [*document["plan"], *document["plan_for_person"]]
    assert [step["command"] for step in steps if name in step["command"]] == [
        f"docker --host {lab.host} volume rm {name}"
    ]


def test_one_finding_names_the_largest_and_no_step_touches_any_of_it(told: tuple[Lab, dict[str, Any]]) -> None:
    lab, document = told
    (found,) = [one for one in document["findings"] if one["rule"] == other_stores.UNKNOWN_ID]
    (lost,) = lab.truth.of("containers", "container without a configuration")
    assert lost.id[:12] in found["title"]
    assert found["bytes"] >= (57 + 21 + 13 + 9 + 5) * MIB
    assert "for a person" in found["remedy"]
    commands = " ".join(step["command"] for step in document["plan"])
    assert not any(name in commands for name in ("handmade", "volumes.bak", "oops.tar", lost.id))
    assert any("engine does not know" in why for why in document["plan_left_out"])


def test_the_loop_device_above_a_deleted_file_is_named_with_what_it_takes(told: tuple[Lab, dict[str, Any]]) -> None:
    lab, document = told
    (held,) = [one for one in document["items"]["deleted_open"] if one["name"] == str(lab.mount / "image.raw")]
    assert held["owner"].startswith("the loop device /dev/loop")
    assert 24 * MIB <= held["bytes"] <= 25 * MIB
    device = held["owner"].rpartition(" ")[2]
    steps = [*document["plan"], *document.get("plan_for_person", [])]
    assert f"losetup -d {device}" in {step["command"] for step in steps}
    unattributed = next(row["bytes"] for row in document["ledger"] if row["category"] == "unattributed")
    assert abs(unattributed) < MIB


def test_so_is_the_one_below_which_something_is_mounted(told: tuple[Lab, dict[str, Any]]) -> None:
    lab, document = told
    (held,) = [one for one in document["items"]["deleted_open"] if one["name"] == str(lab.mount / "mounted.raw")]
    assert held["owner"].startswith("the loop device /dev/loop")
    assert 10 * MIB <= held["bytes"] <= 21 * MIB, "mkfs leaves holes where it wrote zeros"
    device = held["owner"].rpartition(" ")[2]
    steps = [*document["plan"], *document.get("plan_for_person", [])]
    (step,) = [one for one in steps if one["command"] == f"losetup -d {device}"]
    assert f"findmnt {device}" in step["needs"]


def test_on_btrfs_the_trees_tell_what_a_loop_device_or_a_message_keeps(tmp_path: Path) -> None:
    require_machine()
    made = disk.create(tmp_path, "btrfs", size_mib=320)
    try:
        (made.mount / "docker").mkdir()
        with deleted_below_a_loop_device(made.mount / "image.raw"), deleted_in_a_message(made.mount / "sent"):
            rows = rows_of(look(made.mount))
        assert 54 * MIB <= rows["deleted_open"] <= 55 * MIB
        assert rows["unattributed"] == 0
    finally:
        assert disk.destroy(tmp_path) == []


def test_a_deleted_file_that_only_a_message_holds_is_unattributed_and_given_to_nobody(tmp_path: Path) -> None:
    """Its descriptor is on the way through a socket: no process has it, and the kernel names nobody."""
    require_machine()
    made = disk.create(tmp_path, "ext4", size_mib=128)
    try:
        (made.mount / "docker").mkdir()
        with deleted_in_a_message(made.mount / "sent"):
            rows = rows_of(look(made.mount))
        assert 30 * MIB <= rows["unattributed"] <= 31 * MIB
        assert rows["deleted_open"] == 0
    finally:
        assert disk.destroy(tmp_path) == []


@contextmanager
def deleted_in_a_message(path: Path) -> Iterator[None]:
    random_file(path, 30 * MIB)
    run("sync", "--file-system", path)
    here, there = socket.socketpair()
    with here, there:
        fd = os.open(path, os.O_RDONLY)
        socket.send_fds(here, [b"x"], [fd])
        os.close(fd)
        path.unlink()
        yield


def rows_of(report: Report) -> dict[str, int]:
    assert report.ledger is not None
    return {row.category.value: charged(row.charged) for row in report.ledger.rows}


def test_where_the_filesystem_is_not_asked_the_device_is_named_with_what_it_may_take(tmp_path: Path) -> None:
    require_machine()
    made = disk.create(tmp_path, "xfs", size_mib=320)
    try:
        with deleted_below_a_loop_device(made.mount / "image.raw") as device:
            table = mounts(this_host(), timeout_s=5)
            assert isinstance(table, Exact)
            on = filesystem_of(made.mount, table.value)
            assert on is not None
            found = with_loop_devices(OpenFiles((), ()), on, this_host(), table.value)
        assert found.files == ()
        (unread,) = found.unread
        assert f"{device} holds the deleted file {made.mount}/image.raw" in unread.detail
        assert f"at most {24 * MIB:,} bytes" in unread.detail
    finally:
        assert disk.destroy(tmp_path) == []


def test_the_items_hold_every_byte_of_each_row(told: tuple[Lab, dict[str, Any]]) -> None:
    assert of_engine(told[0].host) == {}
