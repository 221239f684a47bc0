"""A mount that never answers: reports within the deadline, and nothing but the one stuck child is left of it."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.model.reading import Exact, Unavailable, Why
from collectors.system.deadline import this_host
from collectors.system.mount_table import space
from collectors.system.unlinked_files import deleted_on
from tests.fakes.mute_mount import mute_mount
from tests.lab import disk
from tests.lab.require import require_machine
from tests.system.walking import a_unit, children, descriptors, du, fill, of, search_open_files, walk, walked

pytestmark = pytest.mark.machine

DEADLINE_S = 0.3


@pytest.fixture
def folder() -> Iterator[Path]:
    require_machine()
    with tempfile.TemporaryDirectory(prefix="ullage-mute-") as name:
        yield Path(name)


def state() -> tuple[set[str], int]:
    return descriptors(), threading.active_count()


def test_room_of_a_mute_mount_costs_its_deadline_and_twenty_runs_leave_nothing(folder: Path) -> None:
    with mute_mount(folder, takes=False) as mount:
        before = state(), children()
        for _ in range(20):
            began = time.monotonic()
            reading = space(mount, timeout_s=DEADLINE_S / 3)
            assert time.monotonic() - began < DEADLINE_S + 1
            assert isinstance(reading, Unavailable)
            assert reading.why is Why.TIMED_OUT
        assert (state(), children()) == before


def test_a_child_that_cannot_be_killed_is_left_behind_once_and_not_asked_again(folder: Path) -> None:
    before, others = state(), children()
    with mute_mount(folder, takes=True) as mount:
        during = state()
        for attempt in range(20):
            began = time.monotonic()
            reading = space(mount, timeout_s=DEADLINE_S)
            took_s = time.monotonic() - began
            assert isinstance(reading, Unavailable)
            assert reading.why is Why.TIMED_OUT
            if attempt:
                assert "not asked again" in reading.detail
                assert took_s < 0.2
        assert state() == during
        (stuck,) = children() - others
        assert Path(f"/proc/{stuck}/stat").read_text().split()[2] == "D"
        assert not [fd for fd in descriptors_of(stuck) if fd.startswith(("pipe:", "/dev/pts"))], "it holds no terminal"
    # It dies when the mount lets it go, which takes the machine a moment.
    until = time.monotonic() + 10
    while not isinstance(space(folder, timeout_s=5), Exact):
        assert time.monotonic() < until, "asked again once the mount has let it go"
        time.sleep(0.01)
    assert (state(), children() - others) == (before, set())


def descriptors_of(pid: int) -> list[str]:
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        found.append(os.readlink(link))
    return [target for target in found if target != os.readlink(f"/proc/{pid}/fd/1")]


@pytest.mark.parametrize("takes", [False, True])
def test_a_walk_goes_past_a_mute_mount_in_its_tree(folder: Path, takes: bool) -> None:
    try:
        root = disk.create(folder, "ext4", size_mib=64).mount
        fill(root / "docker" / "file", 1 << 20)
        (root / "mute").mkdir()
        expected = du(root)
        with mute_mount(root / "mute", takes=takes):
            began = time.monotonic()
            found = walked(root, [a_unit(root / "docker")], deadline_s=5)
            assert time.monotonic() - began < 3
        assert found.unread == ()
        assert sum(share.bytes for share in found.shares) == expected
    finally:
        assert disk.destroy(folder) == []


@pytest.mark.parametrize("takes", [False, True])
def test_a_unit_on_a_mute_mount_does_not_hold_the_walk_up(folder: Path, takes: bool) -> None:
    (folder / "mute").mkdir()
    fill(folder / "file", 1 << 20)
    with mute_mount(folder / "mute", takes=takes):
        found = walked(folder, [a_unit(folder / "mute"), a_unit(folder / "mute" / "below")], deadline_s=5)
    assert of(found)[0] == du(folder)
    assert found.unread == ()


def test_twenty_walks_of_a_mute_mount_end_in_time_and_leave_nothing(folder: Path) -> None:
    with mute_mount(folder, takes=False) as mount:
        before = state(), children()
        for _ in range(20):
            began = time.monotonic()
            reading = walk(mount, (), deadline_s=DEADLINE_S / 3, cache=None)
            assert time.monotonic() - began < DEADLINE_S + 1
            assert isinstance(reading, Unavailable)
            assert reading.why is Why.TIMED_OUT
        assert (state(), children()) == before


@pytest.mark.parametrize("takes", [False, True])
def test_a_search_for_open_files_does_not_ask_a_mute_mount(folder: Path, takes: bool) -> None:
    path = fill(folder / "gone", 1 << 20)
    (folder / "mute").mkdir()
    with mute_mount(folder / "mute", takes=takes) as mount, path.open():
        path.unlink()
        held = os.open(mount, os.O_PATH)
        reading = deleted_on(search_open_files(this_host(), deadline_s=10), None)
        os.close(held)
    assert isinstance(reading, Exact)
    assert str(path) in {file.path for file in reading.value.files}
