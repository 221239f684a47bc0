"""Walks while the filesystem changes under them: right, or begun anew; never silently wrong."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from collectors.filesystems import btrfs
from collectors.filesystems.btrfs import decode, ioctl, search
from collectors.filesystems.btrfs.trees import measure
from collectors.filesystems.btrfs.trees.device import Devices
from collectors.model.reading import Exact
from collectors.system.deadline import this_host
from tests.lab.commands import run
from tests.lab.require import require_machine
from tests.machine.btrfs_lab import Lab, assert_books_close, figures, freed_by, lab, sharing, wait_until

NODE = 4096
pytestmark = pytest.mark.machine


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Lab]:
    require_machine()
    with lab(tmp_path / "lab", size_mib=2048, mkfs=("-n", f"{NODE}")) as one:
        yield one


@contextmanager
def churn(at: Path) -> Iterator[None]:
    words = (sys.executable, "-m", "tests.machine.btrfs_churn", str(at))
    busy = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert busy.stdout is not None
    assert busy.stdin is not None
    try:
        assert busy.stdout.readline() == b"busy\n"
        yield
    finally:
        busy.stdin.close()
        busy.wait(60)
        busy.stdout.close()


def many_files(made: Lab, name: str, count: int) -> None:
    base = made.subvolume(name)
    for number in range(count):
        path = base / f"dir-{number % 100}"
        if number < 100:
            path.mkdir()
        (path / f"file-{number}").write_bytes(b"x" * (1500 if number % 10 else 6000))
    made.commit()


def test_thirty_walks_in_a_row_under_load_are_right(made: Lab) -> None:
    many_files(made, "base", 20_000)
    generations, restarts = set(), 0
    with churn(made.at):
        time.sleep(1)
        for _ in range(30):
            found = btrfs.sharing(made.at, this_host(), figures(made.at), (), deadline_s=60, cache=None)
            assert isinstance(found, Exact), found
            walked = found.value
            assert walked.method == "device trees", walked.fallback
            # The block groups of the same commit count every extent and block that the trees of this commit hold.
            assert (walked.residual_data_bytes, walked.residual_metadata_bytes) == (0, 0)
            generations.add(walked.generation)
            restarts += walked.restarts
    assert len(generations) > 10, "there was no load"
    print(f"{len(generations)} generations, {restarts} restarts")
    made.cleaned()
    assert_books_close(sharing(made.at))


def test_walks_during_a_balance_are_right(made: Lab) -> None:
    """Relocation has trees of its own, which share blocks with the subvolumes and are merged into them."""
    many_files(made, "base", 30_000)
    for number in range(6):
        made.snapshot("base", f"copy-{number}")
        made.write(made.at / f"copy-{number}/dir-{number}/file-{number}", 50_000)
    made.commit()
    relocating = walks = 0
    busy = subprocess.Popen(("btrfs", "balance", "start", "--full-balance", str(made.at)), stdout=subprocess.DEVNULL)
    try:
        while busy.poll() is None:
            found = btrfs.sharing(made.at, this_host(), figures(made.at), (), deadline_s=60, cache=None)
            assert isinstance(found, Exact), found
            walked = found.value
            assert walked.method == "device trees", walked.fallback
            assert (walked.residual_data_bytes, walked.residual_metadata_bytes) == (0, 0)
            walks += 1
            relocating += any("<relocation>" in row.holders for row in walked.rows)
    finally:
        assert busy.wait(60) == 0
    assert walks >= 3
    print(f"{walks} walks, {relocating} of them met trees of the relocation")
    assert_books_close(sharing(made.at))


@pytest.fixture
def tight(tmp_path: Path) -> Iterator[Lab]:
    """So small that freed blocks are soon used again."""
    require_machine()
    with lab(tmp_path / "lab", size_mib=160, mkfs=("-n", f"{NODE}", "-m", "single")) as one:
        yield one


def test_a_block_that_is_overwritten_during_the_walk_makes_it_start_again(
    tight: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commits come between two reads of one walk, and reuse what they freed: what a slow walk would meet."""
    made = tight
    many_files(made, "base", 3000)

    def rewrite() -> None:
        for turn in range(14):
            for number in range(0, 3000, 2):
                (made.at / f"base/dir-{number % 100}/file-{number}").write_bytes(b"y" * (1000 + turn))
            made.commit()

    rewrite()  # into the chunk that the kernel goes round in
    read = Devices.read
    interruptions = 0
    lock = threading.Lock()  # the other readers wait too

    def interrupted(self: Devices, devid: int, offset: int, into: Sequence[memoryview]) -> None:
        nonlocal interruptions
        with lock:
            if sum(map(len, into)) > NODE and not interruptions:  # many blocks at a time: the walk is on its way
                interruptions += 1
                rewrite()
            read(self, devid, offset, into)

    monkeypatch.setattr(Devices, "read", interrupted)
    found = sharing(made.at)
    assert interruptions == 1
    assert found.restarts >= 1
    assert found.method == "device trees"
    assert_books_close(found)


def garbling(monkeypatch: pytest.MonkeyPatch, also: Callable[[], None]) -> None:
    """Both copies of each leaf of a subvolume come with a generation that no pointer promised."""
    read = Devices.read
    lock = threading.Lock()

    def garbled(self: Devices, devid: int, offset: int, into: Sequence[memoryview]) -> None:
        read(self, devid, offset, into)
        owner, level = int.from_bytes(into[0][88:96], "little"), into[0][100]
        if owner == 256 and level == 0:
            into[0][80:88] = bytes(8)
            with lock:
                also()

    monkeypatch.setattr(Devices, "read", garbled)


def test_a_filesystem_that_never_stands_still_is_left_to_the_tree_search(
    made: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_files(made, "base", 2000)

    def commit() -> None:
        made.write(made.at / "file", 1000)
        made.commit()

    garbling(monkeypatch, commit)
    found = sharing(made.at)
    assert found.method == "tree search"
    assert found.restarts == measure.RESTARTS
    assert "no longer" in found.fallback
    assert found.residual_data_bytes == 0


def test_damage_in_every_copy_is_not_walked_into_again_and_again(made: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    many_files(made, "base", 2000)
    garbling(monkeypatch, lambda: None)
    found = sharing(made.at)
    assert found.method == "tree search"
    assert found.restarts == 0
    assert "damaged" in found.fallback


def test_a_block_that_is_damaged_in_one_copy_is_taken_from_the_other(
    made: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_files(made, "base", 2000)
    read = Devices.read
    damaged = 0

    def damaging(self: Devices, devid: int, offset: int, into: Sequence[memoryview]) -> None:
        nonlocal damaged
        read(self, devid, offset, into)
        if sum(map(len, into)) > NODE:  # single blocks are second copies
            for part in into:
                for at in range(3000, len(part), NODE):
                    part[at] ^= 1
                    damaged += 1

    monkeypatch.setattr(Devices, "read", damaging)
    found = sharing(made.at)
    assert damaged > 50
    assert (found.method, found.restarts) == ("device trees", 0)
    assert_books_close(found)


def test_a_subvolume_that_is_half_dropped_counts_for_what_is_left_of_it(made: Lab) -> None:
    def progress() -> list[decode.Root]:
        with ioctl.opened(made.at) as fd:
            found = [decode.root(data) for key, data in search.found(fd, ioctl.ROOT_TREE) if key[1] == ioctl.ROOT_ITEM]
        return [root for root in found if root.drop_key is not None]

    for number in range(3):  # on a busy machine it may be dropped whole before it can be stopped
        many_files(made, f"doomed-{number}", 60_000)
        made.snapshot(f"doomed-{number}", f"kept-{number}")
        made.write(made.at / f"kept-{number}/dir-7/file-7", 9000)
        made.commit()
        made.delete(f"doomed-{number}")
        made.commit()
        wait_until(progress)
        run("mount", "-o", "remount,ro", made.at)  # the cleaner stops where it stands
        if progress():
            break
        run("mount", "-o", "remount,rw,commit=1", made.at)  # the cleaner wakes with the commits
    assert progress(), "it was dropped whole, three times"
    found = sharing(made.at)
    assert_books_close(found)
    (deleted,) = (held for held in found.holdings if held.unit.startswith("<deleted>/"))
    assert 0 < deleted.inodes < 60_000
    assert freed_by(found, frozenset({deleted.unit})) == deleted.exclusive_data_bytes
