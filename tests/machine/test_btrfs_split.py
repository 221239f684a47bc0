"""Directories split off a subvolume: every byte goes to the deepest rule above its inode."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.model import UnitId
from collectors.model.btrfs import Holding, Sharing, SplitRule
from tests.lab.require import require_machine
from tests.machine.btrfs_lab import MIB, Lab, assert_books_close, lab, sharing

pytestmark = pytest.mark.machine


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Lab]:
    require_machine()
    with lab(tmp_path / "lab") as one:
        yield one


def rule(path: str, unit: str = "") -> SplitRule:
    return SplitRule(path, UnitId(unit or path))


def holding(found: Sharing, unit: str) -> Holding:
    (one,) = (held for held in found.holdings if held.unit == unit)
    return one


def test_the_deepest_rule_wins_and_the_rest_stays_with_the_subvolume(made: Lab) -> None:
    made.write(made.at / "docker/volumes/db/_data/file", MIB)
    made.write(made.at / "docker/other", 2 * MIB)
    made.write(made.at / "home/file", 3 * MIB)
    made.commit()
    found = sharing(made.at, rule("docker"), rule("docker/volumes/db"))
    assert_books_close(found)
    assert holding(found, "docker/volumes/db").referenced_data_bytes == MIB
    assert holding(found, "docker").referenced_data_bytes == 2 * MIB
    assert holding(found, "").referenced_data_bytes == 3 * MIB
    assert holding(found, "docker/volumes/db").apparent_bytes == MIB
    assert holding(found, "docker/volumes/db").inodes == 3  # db, _data, file


def test_a_rule_may_name_a_single_file_and_several_rules_one_unit(made: Lab) -> None:
    for name in ("a-json.log", "a-json.log.1", "config"):
        made.write(made.at / "containers/a" / name, MIB)
    made.commit()
    logs = [rule(f"containers/a/{name}", "logs of a") for name in ("a-json.log", "a-json.log.1")]
    found = sharing(made.at, *logs, rule("containers/a"))
    assert holding(found, "logs of a").referenced_data_bytes == 2 * MIB
    assert holding(found, "logs of a").inodes == 2
    assert holding(found, "containers/a").referenced_data_bytes == MIB


def test_a_hard_link_belongs_to_one_directory_only(made: Lab) -> None:
    made.write(made.at / "first/file", MIB)
    (made.at / "second").mkdir()
    os.link(made.at / "first/file", made.at / "second/file")
    made.commit()
    found = sharing(made.at, rule("first"), rule("second"))
    held = [holding(found, name).referenced_data_bytes for name in ("first", "second")]
    assert sorted(held) == [0, MIB]
    assert_books_close(found)


def test_a_clone_is_shared_between_the_directories_that_hold_it(made: Lab) -> None:
    source = made.write(made.at / "one/file", 4 * MIB)
    made.commit()
    (made.at / "two").mkdir()
    made.clone(source, made.at / "two/file", MIB, MIB)
    made.commit()
    found = sharing(made.at, rule("one"), rule("two"))
    (row,) = (row for row in found.rows if row.holders == {"one", "two"})
    assert row.data_bytes == 4 * MIB  # the clone of a part pins the whole extent
    assert holding(found, "two").exclusive_data_bytes == 0


def test_a_snapshot_of_the_split_subvolume_is_a_holder_of_its_own(made: Lab) -> None:
    made.write(made.at / "volumes/a/file", MIB)
    made.commit()
    made.snapshot("", "backup", "-r")
    made.commit()
    found = sharing(made.at, rule("volumes/a"))
    (row,) = (row for row in found.rows if row.data_bytes)
    assert row.holders == {"volumes/a", "backup"}


def test_a_directory_that_moved_takes_its_files_along(made: Lab) -> None:
    """Its inode is older than its new parent's, and so comes first in the tree."""
    made.write(made.at / "loose/deep/er/file", MIB)
    made.commit()
    (made.at / "volumes/a").mkdir(parents=True)
    (made.at / "loose").rename(made.at / "volumes/a/loose")
    made.commit()
    found = sharing(made.at, rule("volumes/a"))
    assert holding(found, "volumes/a").referenced_data_bytes == MIB


def test_a_rule_for_a_subvolume_renames_it_and_a_nested_one_keeps_its_name(made: Lab) -> None:
    made.subvolume("layers/a")
    made.subvolume("layers/a/nested")
    made.write(made.at / "layers/a/file", MIB)
    made.write(made.at / "layers/a/nested/file", 2 * MIB)
    made.commit()
    found = sharing(made.at, rule("layers/a", "the layer"), rule("layers"))
    assert holding(found, "the layer").referenced_data_bytes == MIB
    assert holding(found, "layers/a/nested").referenced_data_bytes == 2 * MIB
    assert "layers/a" not in {held.unit for held in found.holdings}


def test_rules_within_two_subvolumes_that_share_blocks(made: Lab) -> None:
    made.subvolume("one")
    for number in range(50):
        made.write(made.at / f"one/left/file-{number}", 20_000)
        made.write(made.at / f"one/right/file-{number}", 20_000)
    made.commit()
    made.snapshot("one", "two")
    for number in range(10):
        made.write(made.at / f"two/left/file-{number}", 30_000)
    made.commit()
    found = sharing(made.at, rule("one/left"), rule("two/left"), rule("two/right"))
    assert_books_close(found)
    shared = {row.holders: row.data_bytes for row in found.rows if row.data_bytes}
    assert shared == {
        frozenset({"one/left"}): 10 * 20_480,
        frozenset({"two/left"}): 10 * 32_768,
        frozenset({"one/left", "two/left"}): 40 * 20_480,
        frozenset({"one", "two/right"}): 50 * 20_480,
    }


@pytest.mark.parametrize("rules", [(), (SplitRule("volumes/a", UnitId("volumes/a")),)])
def test_a_deleted_file_that_is_still_open_has_a_holder_of_its_own(made: Lab, rules: tuple[SplitRule, ...]) -> None:
    layer = made.subvolume("layer")
    paths = [made.write(made.at / "volumes/a/file", MIB), made.write(layer / "file", 2 * MIB)]
    made.write(made.at / "volumes/a/other", 4 * MIB)
    made.write(layer / "other", 8 * MIB)
    with paths[0].open("rb"), paths[1].open("rb"):
        for path in paths:
            path.unlink()
        made.commit()
        found = sharing(made.at, *rules)
        assert_books_close(found)
        assert holding(found, "<unlinked>").referenced_data_bytes == 3 * MIB
        assert holding(found, "<unlinked>").inodes == 2
        assert holding(found, "layer").referenced_data_bytes == 8 * MIB
        assert holding(found, "volumes/a" if rules else "").referenced_data_bytes == 4 * MIB
    made.commit()
    assert "<unlinked>" not in {held.unit for held in sharing(made.at, *rules).holdings}


def test_a_path_that_leads_nowhere_is_named_and_changes_nothing(made: Lab) -> None:
    made.write(made.at / "file", MIB)
    made.commit()
    found = sharing(made.at, rule("gone/away"), rule("file/below"))
    assert set(found.unresolved) == {"gone/away", "file/below"}
    assert holding(found, "").referenced_data_bytes == MIB
