"""Where inside a unit its bytes and inodes are: the directories and files that stand out, few, and adding up."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.model import HOST_UNIT
from collectors.model.filesystem import PathUsage
from collectors.model.reading import Exact
from collectors.model.store import UnitKind
from collectors.system.child.tally import Level, Scale, WalkerTotals
from collectors.system.largest_directories import INSIDE_MOST, inside, largest
from collectors.system.layer_cache import Row
from collectors.system.walk_result import Count
from tests.system.walking import a_unit, fill, walked

MIB = 1 << 20
BLOCKS = 2048  # of 512 bytes in a MiB
ROOM = (1000 * BLOCKS, 10_000)


def row(path: str, mib: int, inodes: int = 1) -> Row:
    return os.fsencode(path), mib * BLOCKS, mib * MIB, inodes


def named(count: Count, root: str = "v", *, complete: bool = True) -> dict[str, tuple[int, int]]:
    """Path → (MiB, inodes), in the order of the list."""
    found = inside(count, os.fsencode(root), complete, ROOM)
    return {one.path: (one.allocated_bytes // MIB, one.inodes) for one in found}


def test_a_file_that_is_most_of_its_directory_is_named_and_not_counted_twice() -> None:
    log = row("v/var/log/app/access.log", 300)
    count = Count(400 * BLOCKS, 400 * MIB, 50, rows=[row("v/var/log/app", 310, 9), row("v/srv", 60, 30)], files=[log])
    assert named(count) == {
        "/var/log/app/access.log": (300, 1),
        "/srv": (60, 30),
        "/": (30, 11),
        "/var/log/app": (10, 8),
    }


def test_many_like_files_are_told_as_their_directory() -> None:
    files = [row(f"v/images/{number}", 5) for number in range(40)]
    count = Count(200 * BLOCKS, 200 * MIB, 42, rows=[row("v/images", 200, 41)], files=files)
    assert named(count) == {"/images": (200, 41), "/": (0, 1)}


def test_what_is_large_in_inodes_comes_before_what_is_small_in_bytes() -> None:
    rows = [row("v/queue", 1, 7000), row("v/data", 20, 3)]
    assert list(named(Count(21 * BLOCKS, 21 * MIB, 7004, rows=rows)))[:2] == ["/queue", "/data"]


def test_where_nothing_is_large_nothing_is_named() -> None:
    assert named(Count(9, 9, 9)) == {}


def test_a_unit_that_a_link_leads_to_is_told_from_its_own_root_once_that_is_known() -> None:
    count = Count(30 * BLOCKS, 30 * MIB, 5, rows=[row("data/v/a", 20), row("data/v", 2)])
    assert named(count, "docker/v") == {"/a": (20, 1), "/": (10, 4)}
    assert named(count, "docker/v", complete=False) == {}


paths = st.lists(st.sampled_from("abc"), max_size=4).map("/".join)
sums = st.tuples(st.integers(0, 300), st.integers(1, 900))


@given(st.dictionaries(paths, sums), st.lists(st.tuples(paths, st.integers(1, 300))), st.integers(0, 50))
def test_what_is_named_is_few_and_adds_up(
    rows: dict[str, tuple[int, int]], files: list[tuple[str, int]], rest: int
) -> None:
    blocks = (sum(mib for mib, _ in rows.values()) + rest) * BLOCKS
    inodes = sum(number for _, number in rows.values()) + rest
    count = Count(blocks, blocks * 512, inodes)
    count.rows = [row(f"v/{path}".rstrip("/"), *held) for path, held in rows.items()]
    count.files = [row(f"v/{path}/f{number}".replace("//", "/"), mib) for number, (path, mib) in enumerate(files)]
    found = inside(count, b"v", True, ROOM)
    assert len(found) <= INSIDE_MOST + 1
    if found:
        assert sum(one.inodes for one in found) == inodes
        assert min(one.allocated_bytes for one in found) >= 0
        if rest or not rows:
            assert sum(one.allocated_bytes for one in found) == blocks * 512


def test_the_walker_keeps_few_of_a_unit_however_many_are_large() -> None:
    """A hundred thousand copies that share their extents are each as large as the disk says."""
    books = WalkerTotals(1, Scale(8, 8), frozenset(), None)
    tally = books.tally(0)
    root = Level(None, "v", tally, True)
    status = os.stat_result((0o100644, 1, 1, 1, 0, 0, 4096, 0, 0, 0, *[0.0] * 6, 4096, 64))
    for number in range(3000):
        books.large_file(root, f"file-{number}", status)
        folder = Level(root, f"folder-{number}", tally, False)
        folder.count(64, 4096, 20)
        books.close(folder)
    assert len(tally.files) <= 3 * 128
    assert len(tally.rows) <= 3 * 128
    assert tally.blocks == 3000 * 64


@pytest.fixture
def memory() -> Iterator[Path]:
    """A filesystem with little on it: what is large goes by how full a filesystem is."""
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no memory filesystem here")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        yield Path(name)


def test_the_second_run_which_walks_no_layer_tells_the_same_as_the_first(memory: Path, tmp_path: Path) -> None:
    layer = memory / "overlay2" / "abc"
    fill(layer / "diff" / "var" / "log" / "access.log", 6 * MIB)
    for number in range(100):
        fill(layer / "diff" / "srv" / f"{number}", 30_000)
    fill(memory / "host" / "dump", 2 * MIB)
    unit = a_unit(layer, immutable=True, kind=UnitKind.IMAGE_LAYER)
    first, second = (walked(memory, [unit], cache=tmp_path).usages for _ in range(2))
    assert [one.path for one in first[unit.id].inside][:2] == ["/diff/var/log/access.log", "/diff/srv"]
    assert first[unit.id].inside[0].allocated_bytes == 6 * MIB
    assert isinstance(second[unit.id].allocated, Exact)
    assert second[unit.id].allocated.origin.call.endswith("kept")
    assert second[unit.id].inside == first[unit.id].inside
    assert [one.path for one in second[HOST_UNIT].inside] == [f"{memory}/host/dump"]


def test_of_the_host_files_are_named_beside_directories() -> None:
    host = Count(files=[row("srv/dump.tar", 700), row("srv/a", 1)])
    found = largest(host, [row("srv", 710, 9), row("", 1, 3)], "/mnt", (), ROOM, top=5)
    assert [one.path for one in found.directories] == ["/mnt/srv", "/mnt"]
    assert found.files[0] == PathUsage("/mnt/srv/dump.tar", False, 700 * MIB, 700 * MIB, 1, "")
