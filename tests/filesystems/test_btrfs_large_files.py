"""The largest files of a btrfs: each where it was made, however many snapshots have copies of its leaf."""

from __future__ import annotations

import numpy as np

from collectors.filesystems.btrfs import holders
from collectors.filesystems.btrfs.trees.leaves import InodeRecords
from collectors.filesystems.btrfs.trees.names import LargeInodes, named
from collectors.filesystems.btrfs.trees.sets import RootSets
from collectors.model import UnitId
from collectors.model.btrfs import Holding, LargeFile, Sharing, SplitRule
from collectors.model.filesystem import PathUsage
from collectors.system.deadline import Malformed

MIB = 1 << 20
SNAPSHOT, BASE, OTHER = 0, 1, 2
MADE_AFTER = {SNAPSHOT: 50, BASE: 0, OTHER: 60}


def records(*inodes: tuple[int, int, int]) -> InodeRecords:
    """(inode, bytes, generation), all in one block."""
    columns = np.array(inodes, np.uint64).reshape(-1, 3)
    return InodeRecords(np.zeros(len(inodes), np.int64), columns[:, 0], columns[:, 1], columns[:, 1], columns[:, 2])


def taken(*blocks: tuple[int, InodeRecords]) -> list[tuple[int, int, int, int]]:
    """`blocks`: mask of the trees that have it, and what is in it."""
    sets = RootSets()
    large = LargeInodes(sets)
    for mask, inodes in blocks:
        large.add(np.array([sets.number(mask)], np.int64), inodes)
    return list(large.of_trees(MADE_AFTER))


def test_a_file_is_that_of_the_subvolume_in_which_it_was_made() -> None:
    shared = 1 << BASE | 1 << SNAPSHOT
    found = taken((shared, records((300, 9 * MIB, 40))), (1 << SNAPSHOT, records((300, 9 * MIB, 40), (301, MIB, 55))))
    assert found == [(BASE, 300, 9 * MIB, 9 * MIB), (SNAPSHOT, 301, MIB, MIB)]


def test_where_the_source_of_snapshots_is_gone_the_oldest_of_them_has_its_files() -> None:
    assert taken((1 << OTHER | 1 << SNAPSHOT, records((300, MIB, 40)))) == [(SNAPSHOT, 300, MIB, MIB)]


def test_a_deleted_subvolume_and_small_files_are_not_named() -> None:
    assert taken((1 << 7, records((300, MIB, 40))), (1 << BASE, records((301, 4096, 40)))) == []


def test_of_very_many_the_largest_are_kept() -> None:
    blocks = [(1 << BASE, records(*((n * 1000 + i, MIB + n * 1000 + i, 9) for i in range(1000)))) for n in range(1, 13)]
    found = taken(*blocks)
    assert len(found) == 1024
    assert [inode for _, inode, _, _ in found[:3]] == [12_999, 12_998, 12_997]


def test_a_path_that_cannot_be_read_is_passed_over() -> None:
    def path(subvolume: int, inode: int) -> str | None:
        if inode == 2:
            raise Malformed("a loop")
        return None if inode == 3 else f"d/{inode}"

    found = iter([(BASE, 1, 30, 31), (BASE, 2, 20, 20), (BASE, 3, 15, 15), (SNAPSHOT, 4, 10, 10)])
    files = named(found, {BASE: (256, "@"), SNAPSHOT: (257, "")}, path)
    assert files == (LargeFile("@/d/1", 30, 31), LargeFile("d/4", 10, 10))


def test_each_file_is_told_in_the_deepest_unit_around_it_from_the_root_of_that() -> None:
    held = [Holding(UnitId(name), 0, 0, None, None, 0, 0) for name in ("@", "subvolumes/abc", "<chunk tree>")]
    files = (
        LargeFile("subvolumes/abc/var/log/access.log", 9, 10),
        LargeFile("@/docker/volumes/data/_data/dump", 8, 8),
        LargeFile("@/docker/containers/c/c-json.log", 7, 7),
        LargeFile("swap", 6, 6),
    )
    rules = [
        SplitRule("@/docker/volumes/data", UnitId("/docker/volumes/data")),
        SplitRule("@/docker/containers/c/c-json.log", UnitId("log")),
    ]
    sharing = Sharing(1, "device trees", "", (), tuple(held), 0, 0, 0, 0, 0, 0, 0, 0, (), 0, 0, 0.0, files)
    assert holders.inside_units(sharing, rules) == {
        UnitId("subvolumes/abc"): (PathUsage("/var/log/access.log", False, 9, 10, 1, ""),),
        UnitId("/docker/volumes/data"): (PathUsage("/_data/dump", False, 8, 8, 1, ""),),
        UnitId(""): (PathUsage("/swap", False, 6, 6, 1, ""),),
    }
