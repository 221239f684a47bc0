"""A walk that takes files' figures from the inode tables of a real ext4 says what the kernel would have answered."""

from __future__ import annotations

import os
import socket
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from collectors.model.filesystem import Occupancy
from collectors.system import mountinfo
from collectors.system.child.ext4_tables import InodeFigures, open_figures, open_tables, settled_before
from collectors.system.child.tally import UnitTally
from tests.lab.commands import run
from tests.machine.test_walk_mounts import a_disk
from tests.system.walking import a_unit, du, fill, walked

pytestmark = pytest.mark.machine

QUIET_S = 4.5
LARGE = 2048


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    with a_disk("ext4") as path:
        yield path


@contextmanager
def figures_of(root: Path) -> Iterator[InodeFigures]:
    number = os.stat(root).st_dev
    device = os.major(number), os.minor(number)
    node = mountinfo.node(f"{device[0]}:{device[1]}", Path("/sys"), Path("/dev"))
    tables = open_tables(os.fsencode(node), device)
    assert tables is not None
    found = open_figures(tables, settled_before(device, (0, 0))[0], LARGE)
    assert found is not None
    try:
        yield found
    finally:
        os.close(tables.device)


def a_tree(root: Path) -> Path:
    """Plain files, and one of each kind that is not."""
    for number in range(600):
        fill(root / "plain" / f"{number % 20}" / f"{number}", number * 37)
    odd = root / "odd"
    odd.mkdir()
    fill(odd / "large", LARGE * 512)
    for name, end in (("sparse", 1 << 30), ("more than 4 GiB", 5 << 30)):
        with (odd / name).open("wb") as file:
            file.seek(end)
            file.write(b"x")
    (odd / "second name").hardlink_to(odd / "sparse")
    (odd / "short link").symlink_to("target")
    (odd / "long link").symlink_to("t" * 300)
    os.mkfifo(odd / "pipe")
    os.mknod(odd / "device", 0o020600, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(odd / "socket"))
    fill(odd / "attributes", 10)
    os.setxattr(odd / "attributes", "user.long", b"x" * 3000)
    for number in range(300):
        fill(odd / f"deleted-{number}", 5000)
        (odd / f"deleted-{number}").unlink()
    return root


def asked(root: Path) -> tuple[int, int]:
    """How many entries the tables tell of and how many they do not; fails where what they tell is not true."""
    told = rest = 0
    with figures_of(root) as figures:
        for _ in range(2):  # the second time all pieces that are wanted have been read
            told = rest = 0
            for folder, _, _ in os.walk(root):
                with os.scandir(folder) as entries:
                    found = list(entries)
                tally = UnitTally(0, folds=False)
                tally.inodes_met = array("Q")
                left, blocks, apparent, count = figures.count(found, tally)
                counted = {entry.inode(): os.lstat(entry.path) for entry in found if entry not in left}
                assert blocks == sum(status.st_blocks for status in counted.values()), folder
                assert apparent == sum(status.st_size for status in counted.values()), folder
                assert list(tally.inodes_met) == list(counted)
                told, rest = told + count, rest + len(left)
    return told, rest


def sums(found: Occupancy) -> dict[frozenset[str], int]:
    return {frozenset(map(str, share.holders)): share.bytes for share in found.shares}


def test_the_tables_of_a_quiet_tree_tell_of_all_its_plain_files(root: Path) -> None:
    a_tree(root)
    run("sync", "-f", root)
    time.sleep(QUIET_S)
    told, rest = asked(root)
    assert told == 600 + 7
    assert rest == 2 + 23, "the large, and directories"


def test_the_moment_when_no_data_was_waiting_is_believed_as_long_as_nobody_sets_the_clock(root: Path) -> None:
    number = os.stat(root).st_dev
    device = os.major(number), os.minor(number)
    run("sync", "-f", root)
    moment, kept = settled_before(device, (0, 0))
    assert moment == kept[0]
    assert time.time() - 10 < moment < time.time()
    fill(root / "waiting", 100_000)
    assert settled_before(device, kept) == (moment, kept)
    for earlier in ((0, 0), (moment, kept[1] - 60), (moment, kept[1] + 60)):
        assert settled_before(device, earlier)[0] < time.time() - 3000


def test_what_is_not_yet_on_the_disk_is_counted_all_the_same(root: Path, tmp_path: Path) -> None:
    run("sync", "-f", root)
    time.sleep(QUIET_S)
    for number in range(0, 600, 7):
        with (root / "plain" / f"{number % 20}" / f"{number}").open("ab") as file:
            file.write(b"x" * 50_000)
    asked(root)
    units = [a_unit(root / "plain" / f"{number}") for number in range(10)]
    found = walked(root, units, cache=tmp_path)
    assert sum(share.bytes for share in found.shares) == du(root)
    assert sums(found) == sums(walked(root, units))
