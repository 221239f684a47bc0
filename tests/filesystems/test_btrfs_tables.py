"""The tables of the walk against the plainest way to work them out: Python's sets and integers."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.filesystems.btrfs import trees
from collectors.filesystems.btrfs.trees import extents, table
from collectors.filesystems.btrfs.trees import sets as sets_module
from collectors.filesystems.btrfs.trees.extents import Copies, ExtentTable, Intervals, SetCounts
from collectors.filesystems.btrfs.trees.sets import RootSets, narrow
from collectors.filesystems.btrfs.trees.splitting import PathSplit, Splitter
from collectors.filesystems.btrfs.trees.table import ChunkFill, Measured, Table, remainder
from collectors.model import UnitId
from collectors.model.btrfs import LargeFile, SplitRule
from collectors.system import folders
from collectors.system.deadline import Malformed
from tests.scale.growth import TOO_MUCH, growth

U64, I64 = np.uint64, np.int64
references = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 2**40)), min_size=1, max_size=60)


@given(references, st.sampled_from([4096, 512]), st.sampled_from([1, 3, 1 << 18]))
def test_an_extent_is_held_by_all_who_refer_to_it(pairs: list[tuple[int, int]], sector: int, piece: int) -> None:
    sets = RootSets()
    held: dict[int, int] = {}
    for place, mask in pairs:
        held[place * sector] = held.get(place * sector, 0) | mask
    keys = np.array([place * sector for place, _ in pairs], U64)
    numbers = np.array([sets.number(mask) for _, mask in pairs], I64)
    with patch.object(sets_module, "_PIECE", piece):
        (found, _), unions = sets.united([(keys, keys, numbers)])
    assert {key: sets.masks[number] for key, number in zip(found.tolist(), unions.tolist(), strict=True)} == held
    assert found.tolist() == sorted(held)


@given(st.lists(st.sets(st.integers(0, 6), min_size=1), min_size=1, max_size=20))
def test_sets_that_differ_in_the_highest_bits_of_words_are_told_apart(held: list[set[int]]) -> None:
    """Hundreds of holders: one hash of all words, whatever its factor, once took each of these for the others."""
    sets = RootSets()
    rows = [(place, sets.number(1 << 64 * word + 63)) for place, words in enumerate(held) for word in words]
    places, numbers = np.array(rows, I64).T
    _, unions = sets.united([(places.astype(U64), places.astype(U64), numbers)])
    expected = [sum(1 << 64 * word + 63 for word in words) for words in held]
    assert [sets.masks[number] for number in unions.tolist()] == expected


@given(references, st.lists(st.integers(0, 60), max_size=4))
def test_extents_count_once_however_they_arrive(pairs: list[tuple[int, int]], cuts: list[int]) -> None:
    sets = RootSets()
    found = ExtentTable(sets)
    held: dict[int, int] = {}
    for place, mask in pairs:
        held[place] = held.get(place, 0) | mask
    edges = sorted({0, len(pairs), *(cut for cut in cuts if cut < len(pairs))})
    for begin, end in itertools.pairwise(edges):
        part = pairs[begin:end]
        places = np.array([place for place, _ in part], U64)
        numbers = np.array([sets.number(mask) for _, mask in part], I64)
        found.add(places * U64(4096), (places + U64(1)) * U64(4096), places % U64(3) * U64(9000), numbers)
    # The first eight blocks lie in a chunk with one copy, those behind in one with three.
    by_set, on_disk = found.bytes_by_set(Copies([(0, 1), (8 * 4096, 3)]))
    expected: dict[int, int] = {}
    copied: dict[int, int] = {}
    for place, mask in held.items():
        expected[mask] = expected.get(mask, 0) + (place + 1) * 4096
        copied[mask] = copied.get(mask, 0) + (place + 1) * 4096 * (1 if place < 8 else 3)
    assert {sets.masks[number]: size for number, size in enumerate(by_set) if size} == expected
    assert {sets.masks[number]: size for number, size in enumerate(on_disk) if size} == copied
    assert found.plain_bytes() == sum((place + 1) * 4096 for place in held if place % 3 == 0)
    compressed = [place for place in held if place % 3]
    assert found.compressed_bytes() == (
        sum((place + 1) * 4096 for place in compressed),
        sum(place % 3 * 9000 for place in compressed),
    )


def enter(table: ExtentTable, rows: list[tuple[int, int, int, int]]) -> None:
    """Set, address, size on disk and decompressed of each."""
    sets, addresses, disk, ram = np.array(rows, U64).reshape(-1, 4).T
    table.add(addresses, disk, ram, sets.astype(I64))


@given(references, st.sets(st.integers(0, 12)), st.sampled_from([1, 5, 1 << 17]))
def test_extents_that_are_settled_stand_among_the_others(
    pairs: list[tuple[int, int]], chosen: set[int], piece: int
) -> None:
    sets = RootSets()
    rows = {
        place: (sets.number(mask), place << 40, 4096 + place, place % 2) for place, mask in sorted(dict(pairs).items())
    }
    whole, found = ExtentTable(sets), ExtentTable(sets)
    enter(whole, list(rows.values()))
    enter(found, [row for place, row in rows.items() if place not in chosen])
    numbers, addresses, disk, ram = (
        np.array([row for place, row in rows.items() if place in chosen], U64).reshape(-1, 4).T
    )
    found.settled(narrow(numbers), narrow(addresses), narrow(disk), narrow(ram))
    with patch.object(extents, "_PIECE", piece):
        assert [column.tolist() for column in found.columns()] == [column.tolist() for column in whole.columns()]
        assert found.were_settled().tolist() == [place in chosen for place in rows]
        assert found.bytes_by_set(Copies([])) == whole.bytes_by_set(Copies([]))
        assert found.apart()
        enter(whole, [(0, 1 << 50, 1, 0), (0, (1 << 50) - 1, 2, 0)])
        assert not whole.apart()


def test_references_that_disagree_on_a_size_are_refused() -> None:
    sets = RootSets()
    one = np.array([sets.number(1)] * 2, I64)
    places, sizes = np.array([4096, 4096], U64), np.array([4096, 8192], U64)
    found = ExtentTable(sets)
    found.add(places, sizes, np.zeros(2, U64), one)
    with pytest.raises(Malformed):
        found.bytes_by_set(Copies([]))


@given(st.lists(st.tuples(st.integers(0, 80), st.integers(1, 20)), max_size=40), st.integers(1, 5))
def test_the_union_of_ranges_counts_each_byte_once(ranges: list[tuple[int, int]], parts: int) -> None:
    found = Intervals()
    for part in range(parts):
        mine = ranges[part::parts]
        starts = np.array([start for start, _ in mine], U64)
        found.add(starts, np.array([size for _, size in mine], U64))
    assert found.total() == len({byte for start, size in ranges for byte in range(start, start + size)})


@st.composite
def drawn_trees(draw: st.DrawFn) -> tuple[dict[int, int], dict[int, int]]:
    """(inode → parent, inode → bit of its rule): inodes in any order of age, as moved directories are."""
    inodes = [256, *draw(st.lists(st.integers(257, 400), unique=True, min_size=1, max_size=30))]
    parents = {256: 256}
    for number, inode in enumerate(inodes[1:], 1):
        parents[inode] = draw(st.sampled_from(inodes[:number]))
    rules = draw(st.dictionaries(st.sampled_from(inodes[1:]), st.integers(1, 4), max_size=6))
    return parents, rules


def splitter_of(parents: dict[int, int], rules: dict[int, int], sets: RootSets) -> Splitter:
    """Of one subvolume, that has the bit 0, with all its names entered; the bit 5 is for inode 999, which has none."""
    splitter, links = Splitter((PathSplit(0, rules, {999: 5}),), sets), list(parents.items())
    splitter.add_links(
        np.full(len(links), sets.number(1), I64),
        np.array([inode for inode, _ in links], U64),
        np.array([parent for _, parent in links], U64),
        np.zeros(len(links), np.uint8),
    )
    return splitter


def rule_above(inode: int, parents: dict[int, int], rules: dict[int, int]) -> int:
    """The bit of the deepest rule above an inode; 0 where there is none."""
    while inode not in rules and inode in parents and inode != 256:
        inode = parents[inode]
    return rules.get(inode, 0)


@settings(max_examples=200, deadline=None)
@given(drawn_trees(), st.data())
def test_a_leaf_goes_with_the_rule_that_all_of_its_inodes_lie_below(
    tree: tuple[dict[int, int], dict[int, int]], data: st.DataObject
) -> None:
    parents, rules = tree
    sets = RootSets()
    splitter = splitter_of(parents, rules, sets)
    mine, shared = sets.number(1), sets.number(1 | 1 << 9)
    known = sorted(parents)
    ends = data.draw(st.lists(st.tuples(st.sampled_from(known), st.sampled_from(known), st.booleans()), max_size=20))
    leaves = [(min(a, b), max(a, b), both) for a, b, both in ends]
    counted, found, expected = SetCounts(), ExtentTable(sets), dict[int, int]()
    for first, last, both in leaves:
        holders, copies = np.array([shared if both else mine], I64), np.array([2], U64)
        counted.add_blocks(holders, copies)
        splitter.add_leaves(holders, np.array([first], U64), np.array([last], U64), copies)
        bits = {rule_above(inode, parents, rules) for inode in known if first <= inode <= last}
        mask = 1 << (bits.pop() if len(bits) == 1 else 0) | (1 << 9 if both else 0)
        expected[mask] = expected.get(mask, 0) + 1
    splitter.settle(found, counted)
    assert {sets.masks[number]: count for number, count in counted.blocks.items() if count} == expected
    assert {sets.masks[n]: count for n, count in counted.copies.items() if count} == {
        m: 2 * n for m, n in expected.items()
    }


@settings(max_examples=200, deadline=None)
@given(drawn_trees(), st.data())
def test_the_deepest_rule_above_an_inode_holds_its_extents(
    tree: tuple[dict[int, int], dict[int, int]], data: st.DataObject
) -> None:
    parents, rules = tree
    sets = RootSets()
    splitter = splitter_of(parents, rules, sets)
    mine, shared = sets.number(1), sets.number(1 | 1 << 9)
    extents = data.draw(st.lists(st.tuples(st.sampled_from([*parents, 999]), st.booleans()), max_size=20))
    places = np.arange(1, len(extents) + 1, dtype=U64) * U64(4096)
    splitter.add_extents(
        np.array([shared if both else mine for _, both in extents], I64),
        np.array([inode for inode, _ in extents], U64),
        places,
        np.full(len(extents), 4096, U64),
        np.zeros(len(extents), U64),
    )
    found = ExtentTable(sets)
    splitter.settle(found, SetCounts())
    expected: dict[int, int] = {}
    for inode, both in extents:
        mask = 1 << (5 if inode == 999 else rule_above(inode, parents, rules)) | (1 << 9 if both else 0)
        expected[mask] = expected.get(mask, 0) + 4096
    assert {
        sets.masks[number]: size for number, size in enumerate(found.bytes_by_set(Copies([]))[0]) if size
    } == expected


units = tuple(UnitId(name) for name in ("a", "b", "<chunk tree>"))


def test_sums_stay_exact_beyond_what_a_machine_word_holds() -> None:
    huge = 2**63 - 1
    found = Table(
        units,
        (0b001, 0b011, 0b100),
        (4096, 8192, 0),
        (0, 0, 16384),
        (huge, huge, 0),
        (1, 1, 0),
        (4096, 8192, 0),
        (0, 0, 32768),
    )
    a, b, _ = table.holdings(found)
    assert (a.apparent_bytes, b.apparent_bytes) == (2 * huge, huge)
    assert (a.referenced_data_bytes, a.exclusive_data_bytes, b.exclusive_data_bytes) == (12288, 4096, 0)


def test_a_row_names_its_holders_and_the_largest_comes_first() -> None:
    found = Table(units, (0b001, 0b011, 0b010), (1, 5, 0), (0, 0, 0), (0, 0, 9), (0, 0, 1), (2, 10, 0), (0, 0, 0))
    rows = table.rows(found)
    told = [(sorted(row.holders), row.data_bytes, row.data_disk_bytes) for row in rows]
    assert told == [(["a", "b"], 5, 10), (["a"], 1, 2)]


@pytest.mark.parametrize(
    ("fill", "left"),
    [
        (ChunkFill(100, 50, 8, 0), (0, 0)),
        (ChunkFill(101, 49, 8, 0), (1, -1)),
        (ChunkFill(0, 0, 8, 150), (0, 0)),
        (ChunkFill(0, 0, 9, 149), (-1, 1)),
    ],
)
def test_what_is_used_and_was_not_found_is_left_over(fill: ChunkFill, left: tuple[int, int]) -> None:
    found = Table(
        units, (0b001, 0b010, 0b100), (60, 40, 0), (30, 20, 8), (0, 0, 0), (0, 0, 0), (60, 40, 0), (60, 40, 16)
    )
    assert remainder(fill, found) == left


def test_without_tree_blocks_only_data_is_checked_and_nothing_in_mixed_groups() -> None:
    found = Table(units, (0b001,), (60,), None, (0,), (0,), (60,), None)
    assert remainder(ChunkFill(61, 500, 8, 0), found) == (1, None)
    assert remainder(ChunkFill(0, 0, 8, 400), found) == (None, None)


def measured() -> Measured:
    found = Table(units, (0b001, 0b101), (60, 2**60), (0, 16384), (2**70, 0), (3, 4), (60, 2**61), (0, 32768))
    return Measured(
        17,
        found,
        ChunkFill(1, 2, 3, 4),
        "",
        5,
        6,
        7,
        ("gone/ünd \udcff",),
        8,
        0,
        (LargeFile("a/\udcff", 9, 10),),
        11,
        "why",
    )


def test_a_kept_result_comes_back_as_it_was(tmp_path: Path) -> None:
    rules = (SplitRule("a", UnitId("x")), SplitRule("b", UnitId("y")))
    kept = trees.KeptTable(measured(), trees.digest(rules), 1_700_000_000.5)
    trees.store(tmp_path / "state", "uuid", kept)
    assert trees.load(tmp_path / "state", "uuid") == kept
    assert trees.load(tmp_path / "state", "another") is None
    assert trees.digest(rules) == trees.digest(rules[::-1]) != trees.digest(rules[:1])
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["btrfs-uuid.json"]


@given(cut=st.integers(0, 400), inserted=st.sampled_from(["", "null", '"x"', "{", "[1]", "-1"]))
def test_a_damaged_file_is_no_result(tmp_path_factory: pytest.TempPathFactory, cut: int, inserted: str) -> None:
    folder = tmp_path_factory.mktemp("state")
    kept = trees.KeptTable(measured(), "digest", 1.0)
    trees.store(folder, "uuid", kept)
    (file,) = folder.iterdir()
    text = file.read_text()
    file.write_text(text[:cut] + inserted + text[cut + 3 :])
    found = trees.load(folder, "uuid")
    assert found in (None, kept)


def test_a_digit_that_was_altered_costs_a_walk_and_no_truth(tmp_path: Path) -> None:
    trees.store(tmp_path, "uuid", trees.KeptTable(measured(), "digest", 1.0))
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    file.write_bytes(content.replace(b'"data":[60', b'"data":[61'))
    assert file.read_bytes() != content
    assert trees.load(tmp_path, "uuid") is None


@pytest.mark.parametrize(
    "harm",
    [
        {"metadata": []},
        {"inodes": [3]},
        {"units": [[], "b", "c"]},
        {"masks": ["-1", "5"]},
        {"masks": ["ff", "5"]},
        {"bookend_bytes": float("inf")},
        {"version": 1},
    ],
)
def test_a_document_that_does_not_fit_itself_is_no_result(tmp_path: Path, harm: dict[str, object]) -> None:
    trees.store(tmp_path, "uuid", trees.KeptTable(measured(), "digest", 1.0))
    (file,) = tmp_path.iterdir()
    document = json.loads(folders.opened(file.read_bytes()))
    file.write_bytes(folders.sealed(json.dumps(document | harm).encode()))
    assert trees.load(tmp_path, "uuid") is None


def test_nesting_without_end_is_no_result(tmp_path: Path) -> None:
    (tmp_path / "btrfs-uuid.json").write_bytes(folders.sealed(b"[" * 100_000))
    assert trees.load(tmp_path, "uuid") is None


def test_a_folder_that_cannot_be_written_to_keeps_nothing_and_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    trees.store(tmp_path / "file" / "below", "uuid", trees.KeptTable(measured(), "digest", 1.0))
    assert trees.load(tmp_path / "file" / "below", "uuid") is None


@given(st.lists(st.integers(0, 2**70), max_size=8), st.lists(st.integers(0, 300), max_size=8))
def test_sets_are_kept_as_they_were_and_their_holders_found(masks: list[int], alone: list[int]) -> None:
    units = range(301)
    for mask in [*masks, *(1 << bit for bit in alone), *(3 << bit for bit in alone if bit < 300)]:
        assert trees._mask(trees._written(mask), len(units)) == mask
        assert list(table._held_by(mask, units)) == [bit for bit in units if mask >> bit & 1]


@pytest.mark.parametrize("written", ["1@9", "-1@0", "1@-1", "400@0", "1@99999999999999", "x@0", "1", "@"])
def test_a_set_of_holders_that_are_not_there_is_refused(written: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of any kind: the file is damaged
        trees._mask(written, 9)


def many_alone(count: int) -> Table:
    """As on a host with so many image layers: each subvolume has something to itself."""
    ones = tuple(range(1, count + 1))
    masks = tuple(1 << bit for bit in range(count))
    return Table(tuple(UnitId(f"{n}") for n in range(count)), masks, ones, ones, ones, ones, ones, ones)


def test_a_table_of_many_subvolumes_grows_as_they_do(tmp_path: Path) -> None:
    def prepared(count: int) -> Callable[[], object]:
        held = many_alone(count)
        return lambda: (table.rows(held), table.holdings(held))

    assert growth(prepared, 1_500) < TOO_MUCH
    sizes = []
    for count in (1_500, 6_000):
        kept = trees.KeptTable(replace(measured(), table=many_alone(count)), "digest", 1.0)
        trees.store(tmp_path, f"{count}", kept)
        assert trees.load(tmp_path, f"{count}") == kept
        sizes.append((tmp_path / f"btrfs-{count}.json").stat().st_size)
    assert sizes[1] / sizes[0] < 5
