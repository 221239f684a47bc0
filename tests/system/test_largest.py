"""Which host directories are named: where the bytes are, few enough to read, and adding up."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from collectors.model.filesystem import PathUsage
from collectors.system.largest_directories import largest
from collectors.system.walk_result import Count

MIB_BLOCKS = 2048
ROOM = (1000 * MIB_BLOCKS, 100_000)


def named(rows: dict[str, tuple[int, int]], top: int, covered: tuple[str, ...] = ()) -> dict[str, PathUsage]:
    """`rows`: path → (MiB, inodes)."""
    plain = [(os.fsencode(path), mib * MIB_BLOCKS, mib << 20, inodes) for path, (mib, inodes) in rows.items()]
    return {one.path: one for one in largest(Count(), plain, "/mnt", covered, ROOM, top).directories}


def test_a_large_directory_keeps_its_own_name_and_the_way_to_it_is_not_listed() -> None:
    found = named({"": (1, 3), "srv/a/b": (900, 2), "home/u/film": (100, 2), "var/log": (50, 9)}, top=3)
    assert list(found) == ["/mnt/srv/a/b", "/mnt/home/u/film", "/mnt"]
    assert found["/mnt"].inodes == 12


def test_many_small_directories_become_the_one_that_holds_them_all() -> None:
    rows = {f"home/u/cache/{number}": (2, 10) for number in range(100)}
    found = named({"": (1, 1), "srv": (30, 1), **rows}, top=4)
    assert found["/mnt/home/u/cache"].allocated_bytes > 100 << 20


def test_what_a_mount_hides_is_named_with_the_mount_and_not_folded_into_what_is_seen() -> None:
    rows = {"": (1, 1), "data": (5, 2), "data/old": (7, 3), "proc": (0, 1), "srv": (900, 5)}
    found = named(rows, top=1, covered=("data", "proc", "elsewhere"))
    assert found["/mnt/data"].hidden_by == "/mnt/data"
    assert found["/mnt/data"].allocated_bytes == 12 << 20
    assert found["/mnt"].hidden_by == ""
    assert set(found) == {"/mnt", "/mnt/data"}


def test_nothing_outside_units_names_nothing() -> None:
    assert named({}, top=5) == {}


paths = st.lists(st.sampled_from("abc"), max_size=5).map("/".join)


@given(st.dictionaries(paths, st.tuples(st.integers(0, 50), st.integers(0, 9))), st.integers(1, 12), st.sets(paths))
def test_what_is_named_always_adds_up(rows: dict[str, tuple[int, int]], top: int, covered: set[str]) -> None:
    found = named(rows, top, tuple(path for path in covered if path))
    named_rows = [row for row in rows.values()]
    assert sum(directory.inodes for directory in found.values()) == sum(inodes for _, inodes in named_rows)
    if all(inodes for _, inodes in named_rows):
        assert sum(d.allocated_bytes for d in found.values()) == sum(mib for mib, _ in named_rows) << 20
    assert sum(not directory.hidden_by for directory in found.values()) <= max(top, 1)


def test_on_the_root_filesystem_a_path_starts_with_one_slash() -> None:
    rows = [(b"", 8, 4096, 1), (b"data/old", 5 * MIB_BLOCKS, 5 << 20, 1)]
    found = {d.path: d.hidden_by for d in largest(Count(), rows, "/", ("data",), ROOM, top=5).directories}
    assert found == {"/": "", "/data/old": "/data"}
