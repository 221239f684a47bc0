"""What is read of files in an ext4's inode tables is what the kernel would have answered, or the kernel is asked."""

from __future__ import annotations

import os
import struct
from array import array
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.system.child.ext4_tables import InodeFigures, InodeTableLayout, InodeTables
from collectors.system.child.tally import UnitTally

SIZE, PER_GROUP, TABLES = 256, 768, (4096, 1 << 20)  # a group is a piece and a half
SETTLED, LARGE = 1_700_000_000, 5_000
FILE, FOLDER = 0o100644, 0o040755


@dataclass(frozen=True)
class Inode:
    """As a table has it, and what the kernel would tell of it."""

    mode: int = FILE
    links: int = 1
    blocks: int = 8
    size: int = 4000
    changed: int = SETTLED - 10
    blocks_high: int = 0
    flags: int = 0x80000
    epoch: int = 0

    @property
    def told(self) -> bool:
        """Whether the table says all."""
        plain = self.mode >> 12 in (1, 2, 6, 8, 10, 12) and 0 < self.links < 256 and not self.flags & 0x10240800
        small = self.size < 1 << 32 and self.blocks < LARGE and not self.blocks_high
        return plain and small and 0 <= self.changed < SETTLED and not self.epoch & 3


@cache
def packed(inode: Inode) -> bytes:
    found = bytearray(SIZE)
    struct.pack_into("<HH", found, 0, inode.mode, 1000)
    struct.pack_into("<IIIII", found, 4, inode.size & 0xFFFFFFFF, 1, inode.changed & 0xFFFFFFFF, 1, 0)
    struct.pack_into("<HHII", found, 0x18, 1000, inode.links, inode.blocks, inode.flags)
    struct.pack_into("<I", found, 0x6C, inode.size >> 32)
    struct.pack_into("<H", found, 0x74, inode.blocks_high)
    struct.pack_into("<I", found, 0x84, inode.epoch)
    return bytes(found)


@dataclass
class Entry:
    """A directory's entry; `asked` counts the questions to the kernel."""

    number: int
    found: Inode
    asked: int = 0

    def inode(self) -> int:
        return self.number

    def stat(self, *, follow_symlinks: bool) -> os.stat_result:
        assert not follow_symlinks
        self.asked += 1
        return cast("os.stat_result", Status(self.found.links, self.found.changed * 10**9))


@dataclass
class Status:
    st_nlink: int
    st_ctime_ns: int


class Disk:
    """Two groups of tables in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inodes = {number: Inode() for number in range(1, 2 * PER_GROUP + 1)}

    def figures(self) -> InodeFigures:
        with self.path.open("wb") as file:
            for group, offset in enumerate(TABLES):
                numbers = range(group * PER_GROUP + 1, (group + 1) * PER_GROUP + 1)
                file.seek(offset)
                file.write(b"".join(packed(self.inodes[number]) for number in numbers))
        device = os.open(self.path, os.O_RDONLY)
        return InodeFigures(InodeTables(device, InodeTableLayout(SIZE, PER_GROUP, list(TABLES))), SETTLED, LARGE)

    def entries(self) -> list[Entry]:
        return [Entry(number, inode) for number, inode in self.inodes.items()]


def counted(figures: InodeFigures, entries: list[Entry]) -> tuple[list[Entry], int, int, int, list[int]]:
    tally = UnitTally(0, folds=False)
    tally.inodes_met = array("Q")
    rest, blocks, apparent, count = figures.count(cast("list[os.DirEntry[str]]", entries), tally)
    return cast("list[Entry]", rest), blocks, apparent, count, list(tally.inodes_met)


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "tables")


def test_a_directory_s_files_are_counted_without_being_asked(disk: Disk) -> None:
    figures = disk.figures()
    entries = disk.entries()
    rest, blocks, apparent, count, met = counted(figures, entries)
    assert count + len(rest) == len(entries)
    assert (blocks, apparent) == (8 * count, 4000 * count)
    assert met == [entry.number for entry in entries if entry not in rest]
    assert len(rest) == 4 * 15, "before a piece is read: two in each group"
    assert sum(entry.asked for entry in entries) == 4
    again, *_ = counted(figures, disk.entries())
    assert not again


UNLIKE: dict[str, dict[str, int]] = {
    "directory": {"mode": FOLDER},
    "unused": {"mode": 0},
    "no link": {"links": 0},
    "257 links": {"links": 257},
    "4 GiB": {"size": 1 << 32},
    "large": {"blocks": LARGE},
    "very large": {"blocks": LARGE + 65536},
    "more blocks than fit": {"blocks_high": 256},
    "blocks of the filesystem": {"flags": 0x40000},
    "encrypted": {"flags": 0x800},
    "inline": {"flags": 0x10000000},
    "changed just now": {"changed": SETTLED},
    "changed in the future": {"changed": SETTLED + 70_000},
    "changed before 1970": {"changed": -5},
    "after 2038": {"epoch": 1},
}
LIKE: dict[str, dict[str, int]] = {
    "link": {"mode": 0o120777},
    "device": {"mode": 0o020600},
    "two links": {"links": 2},
    "255 links": {"links": 255},
    "socket": {"mode": 0o140600},
    "pipe": {"mode": 0o010600},
    "just below large": {"blocks": LARGE - 1},
    "largest that fits": {"size": (1 << 32) - 1},
    "a moment before": {"changed": SETTLED - 1},
    "long ago": {"changed": 0},
    "with nanoseconds": {"epoch": 0x1234 << 2},
}


@pytest.mark.parametrize("how", [*UNLIKE, *LIKE])
def test_what_is_not_like_other_files_is_asked(disk: Disk, how: str) -> None:
    odd = replace(Inode(), **cast("dict[str, Any]", {**UNLIKE, **LIKE}[how]))
    disk.inodes[100] = odd
    figures = disk.figures()
    counted(figures, disk.entries())
    rest, blocks, apparent, count, _ = counted(figures, disk.entries())
    assert [entry.number for entry in rest] == ([100] if how in UNLIKE else [])
    like = len(disk.inodes) - 1
    assert (blocks, apparent, count) == (
        (8 * like, 4000 * like, like) if how in UNLIKE else (8 * like + odd.blocks, 4000 * like + odd.size, like + 1)
    )


edges = st.sampled_from([0, 1, 2, 255, 256, LARGE - 1, LARGE, LARGE + 1, 65535])
inodes = st.builds(
    Inode,
    mode=st.sampled_from([FILE, FOLDER, 0o120777, 0, 0o020000]),
    links=edges,
    blocks=edges | st.integers(0, (1 << 32) - 1),
    size=edges | st.integers(0, 1 << 40),
    changed=st.integers(SETTLED - 300, SETTLED + 300) | st.integers(0, (1 << 31) - 1),
    blocks_high=st.sampled_from([0, 1, 256]),
    flags=st.sampled_from([0, 0x80000, 0x40000, 0x10000000, 0x800, 0x200000]),
    epoch=st.sampled_from([0, 4, 1, 2]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(inodes, min_size=1, max_size=20))
def test_exactly_what_the_table_says_all_of_is_counted_from_it(
    tmp_path_factory: pytest.TempPathFactory, odd: list[Inode]
) -> None:
    disk = Disk(tmp_path_factory.mktemp("disk") / "tables")
    disk.inodes |= dict(enumerate(odd, 600))
    figures = disk.figures()
    counted(figures, disk.entries())
    rest, blocks, apparent, _, _ = counted(figures, disk.entries())
    assert [entry.found for entry in rest] == [inode for inode in odd if not inode.told]
    told = [entry.found for entry in disk.entries() if entry.found.told]
    assert (blocks, apparent) == (sum(one.blocks for one in told), sum(one.size for one in told))


def test_links_of_one_inode_are_counted_once_and_forgotten_with_the_last(disk: Disk) -> None:
    disk.inodes[100] = disk.inodes[101] = Inode(links=3)
    figures = disk.figures()
    counted(figures, disk.entries())
    tally = UnitTally(0, folds=False)
    for names, expected in (([100, 100], (8, 1)), ([101, 7], (16, 2)), ([100], (0, 0))):
        entries = [Entry(number, disk.inodes[number]) for number in names]
        _, blocks, _, count = figures.count(cast("list[os.DirEntry[str]]", entries), tally)
        assert (blocks, count) == expected, names
    assert tally.links == {101: [2, 8, 4000, 3]}


def test_a_table_that_is_not_what_the_kernel_tells_is_left_alone(disk: Disk) -> None:
    figures = disk.figures()
    entries = [Entry(number, replace(inode, changed=inode.changed - 1)) for number, inode in disk.inodes.items()]
    rest, *sums = counted(figures, entries)
    assert len(rest) == len(entries)
    assert sums == [0, 0, 0, []]


def test_a_table_that_cannot_be_read_is_left_alone(disk: Disk) -> None:
    figures = disk.figures()
    os.truncate(disk.path, TABLES[1])
    rest, *_ = counted(figures, disk.entries())
    assert {entry.number for entry in rest} >= set(range(PER_GROUP + 1, 2 * PER_GROUP + 1))
