"""Filesystems that take nothing more: what a run has to say is kept elsewhere, and its status stays what it was."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.conftest import Told
from tests.faults.room import Room
from tests.faults.running import Ended, preflight
from tests.lab import disk
from tests.lab.commands import run
from tests.lab.require import require_machine

pytestmark = pytest.mark.machine


@pytest.fixture
def folder() -> Iterator[Path]:
    require_machine()
    with tempfile.TemporaryDirectory(prefix="ullage-full-") as name:
        try:
            yield Path(name)
        finally:
            assert disk.destroy(Path(name)) == []


def fill(path: Path) -> None:
    """To the last byte, whoever may still write."""
    for size in (1 << 20, 1 << 16, 4096, 512, 1):
        with suppress(OSError), path.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(size))


def entries(folder: Path) -> int:
    return sum(path.read_bytes().count(b"\n<!-- ullage {") for path in folder.rglob("*.md"))


def healthy(room: Room, journal: Path, runtime: Path) -> Ended:
    """A run that would end with 0."""
    with room.engine() as server:
        return preflight("--host", server.url, "--journal", journal, environ={"XDG_RUNTIME_DIR": str(runtime)})


@pytest.mark.fault(11)
@pytest.mark.parametrize("made", [False, True], ids=["nothing there yet", "a day begun"])
def test_a_full_journal_falls_back_and_the_status_is_kept(
    made: bool, room: Room, folder: Path, tmp_path: Path, told: Told
) -> None:
    mount = disk.create(folder, "ext4", size_mib=16).mount
    journal = mount / "journal"
    journal.mkdir()
    if made:
        assert healthy(room, journal, tmp_path).status == 0
        (day,) = journal.iterdir()
        with day.open("ab") as file:  # or the entry would fit into what its last block has left
            file.write(b"\n" * (-day.stat().st_size % 4096))
    fill(mount / "ballast")
    ended = healthy(room, journal, tmp_path)
    told("the entry is in the fallback folder", ended)
    assert ended.status == 0
    assert "No space left on device" in ended.stderr
    assert entries(tmp_path / "ullage" / "journal") == 1
    assert healthy(room, journal, tmp_path).document["trend"]["runs"] == 1 + made


@pytest.mark.fault(11)
def test_with_the_fallback_full_too_the_entry_is_printed(room: Room, folder: Path, told: Told) -> None:
    mount = disk.create(folder, "ext4", size_mib=16).mount
    fill(mount / "ballast")
    ended = healthy(room, mount / "journal", mount / "run")
    first = ended.stderr.splitlines()[0]
    told("the report is on stdout, the entry on stderr", Ended(ended.status, "", first, 0, 0))
    assert ended.status == 0
    assert "could not be written anywhere; it follows" in ended.stderr
    assert "<!-- ullage {" in ended.stderr
    assert ended.document["severity"]


@pytest.mark.fault(13)
def test_a_read_only_filesystem_is_reported_and_written_to_by_nobody(
    room: Room, folder: Path, tmp_path: Path, told: Told
) -> None:
    made = disk.create(folder, "ext4", size_mib=64)
    (made.mount / "room").mkdir()
    Room.at(made.mount / "room")
    run("mount", "-o", "remount,ro", made.mount)
    there = made.mount / "room" / "docker"
    words = ("--host", room.absent, "--docker-root", there, "--journal", made.mount / "journal")
    ended = preflight(*words, environ={"XDG_RUNTIME_DIR": str(tmp_path)})
    titles = [finding["title"] for finding in ended.document["findings"] if "read-only" in finding["title"]]
    told("the entry is in the fallback folder; no alarm, for it was asked for", ended)
    assert "Read-only file system" in ended.stderr
    assert entries(tmp_path) == 1
    assert titles == []  # mounted so by somebody: only what the kernel turned read-only is P0
    assert ended.status == 3


@pytest.mark.fault(13)
def test_a_quota_that_is_used_up_falls_back_too(room: Room, folder: Path, tmp_path: Path, told: Told) -> None:
    mount = disk.create(folder, "btrfs", size_mib=256).mount
    journal = mount / "journal"
    run("btrfs", "quota", "enable", mount)
    run("btrfs", "subvolume", "create", journal)
    run("btrfs", "qgroup", "limit", "1M", journal)
    with suppress(OSError), (journal / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(os.urandom(1 << 16))
            os.fsync(file.fileno())
    ended = healthy(room, journal, tmp_path)
    told("the entry is in the fallback folder", ended)
    assert ended.status == 0
    assert "quota" in ended.stderr
    assert entries(tmp_path) == 1
