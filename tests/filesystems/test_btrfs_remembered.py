"""What is remembered of leaves between looks: kept whole or not at all, used while true, told where it is lost."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.filesystems.btrfs.trees import known_leaves, measure, memory, sets
from collectors.filesystems.btrfs.trees.memory import LEAF, Contents, KeptExtents, LeafMemory, Ragged
from collectors.filesystems.btrfs.trees.sets import RootSets
from collectors.filesystems.btrfs.trees.table import Measured
from collectors.model.btrfs import SplitRule
from collectors.system import folders
from tests.filesystems import btrfs_replay as replay

U64, I64 = np.uint64, np.int64


def look(folder: Path, kept_in: Path, rules: Sequence[SplitRule] = (), shape: str = "layers") -> Measured:
    """One look, and what it keeps is there."""
    with replay.devices(folder, replay.blocks(shape)) as devices:
        found = measure.remembered(devices, devices.superblock(), rules, time.monotonic() + 60, 0, kept_in)
    folders.settle(kept_in)
    return found


def figures(found: Measured) -> Measured:
    """Without what says how they were come by."""
    return dataclasses.replace(found, blocks_read=0, blocks_remembered=0, memory_lost="")


@pytest.mark.parametrize("shape", replay.SHAPES)
@pytest.mark.parametrize("rules", [(), replay.RULES])
def test_a_second_look_reads_no_leaf_and_tells_the_same(shape: str, rules: Sequence[SplitRule], tmp_path: Path) -> None:
    first, second = (look(tmp_path, tmp_path / "leaves", rules, shape) for _ in range(2))
    assert figures(first) == figures(second) == figures(replay.walk(tmp_path, replay.blocks(shape), rules))
    assert first.blocks_remembered == 0
    assert second.blocks_remembered > 0
    assert second.blocks_read + second.blocks_remembered <= first.blocks_read
    assert second.memory_lost == ""


def test_the_answer_waits_for_nothing_that_is_kept_but_the_next_look_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, kept_in, store = threading.Event(), tmp_path / "leaves", memory.store

    def slowly(path: Path, found: LeafMemory) -> None:
        goes_on.wait(10)
        store(path, found)

    monkeypatch.setattr(memory, "store", slowly)
    with replay.devices(tmp_path, replay.blocks("layers")) as devices:
        ends = time.monotonic() + 60
        measure.remembered(devices, devices.superblock(), (), ends, 0, kept_in)
        assert not kept_in.exists()
        threading.Timer(0.2, goes_on.set).start()
        again = measure.remembered(devices, devices.superblock(), (), ends, 0, kept_in)
    assert again.blocks_remembered > 0
    folders.settle(kept_in)


ENDS = """
import sys, time
from pathlib import Path
from collectors.cli import signals
from collectors.filesystems.btrfs.trees import measure, memory
from tests.filesystems import btrfs_replay as replay
folder, store = Path(sys.argv[1]), memory.store
memory.store = lambda *what: (time.sleep(0.3), store(*what))
with replay.devices(folder, replay.blocks("layers")) as devices:
    measure.remembered(devices, devices.superblock(), (), time.monotonic() + 60, 0, folder / "leaves")
    assert not (folder / "leaves").exists()
signals.end(0)
"""


def test_a_run_that_ends_at_once_keeps_what_it_found(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", ENDS, str(tmp_path)], check=True, timeout=60)
    assert memory.load(tmp_path / "leaves") is not None
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_rules_that_ask_for_more_have_leaves_read_that_were_remembered(tmp_path: Path) -> None:
    kept_in = tmp_path / "leaves"
    whole = look(tmp_path, kept_in)
    split = look(tmp_path, kept_in, replay.RULES)
    assert figures(split) == figures(replay.walk(tmp_path, replay.blocks("layers"), replay.RULES))
    assert split.blocks_read > look(tmp_path, kept_in, replay.RULES).blocks_read
    assert figures(look(tmp_path, kept_in)) == figures(whole)


def kept(tmp_path: Path) -> LeafMemory:
    look(tmp_path, tmp_path / "leaves", replay.RULES)
    found = memory.load(tmp_path / "leaves")
    assert found is not None
    return found


def arrays(of: LeafMemory) -> list[bytes]:
    return [array.tobytes() for array in memory._arrays(of)]


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    one = kept(tmp_path)
    memory.store(tmp_path / "again", one)
    other = memory.load(tmp_path / "again")
    assert other is not None
    assert (one.generation, one.sector, one.bits) == (other.generation, other.sector, other.bits)
    assert arrays(one) == arrays(other)
    assert (tmp_path / "again").stat().st_mode & 0o777 == 0o600


def test_what_says_the_wrong_thing_is_told_and_all_is_read(tmp_path: Path) -> None:
    """Whole, and not true: as after a filesystem went back to an older state, and another way from there."""
    right = look(tmp_path, tmp_path / "leaves", replay.RULES)
    one = kept(tmp_path)
    lies = dataclasses.replace(one, extents=one.extents._replace(disk=one.extents.disk - np.uint8(1)))
    memory.store(tmp_path / "leaves", lies)
    found = look(tmp_path, tmp_path / "leaves", ())
    assert "books" in found.memory_lost
    assert (found.blocks_remembered, found.blocks_read) == (0, right.blocks_read)
    assert figures(found) == figures(replay.walk(tmp_path, replay.blocks("layers"), ()))
    assert look(tmp_path, tmp_path / "leaves", ()).memory_lost == "", "what was read is remembered instead"


def test_what_is_newer_than_the_filesystem_is_not_used(tmp_path: Path) -> None:
    memory.store(tmp_path / "leaves", dataclasses.replace(kept(tmp_path), generation=1 << 40))
    assert look(tmp_path, tmp_path / "leaves").blocks_remembered == 0


@settings(max_examples=60, deadline=None)
@given(cut=st.floats(0, 1), flipped=st.integers(1, 255), torn=st.booleans())
def test_a_damaged_file_is_as_if_it_was_not_there(
    tmp_path_factory: pytest.TempPathFactory, cut: float, flipped: int, torn: bool
) -> None:
    folder = tmp_path_factory.mktemp("state")
    memory.store(folder / "leaves", small())
    content = bytearray((folder / "leaves").read_bytes())
    at = int(cut * (len(content) - 1))
    content[at] ^= flipped
    (folder / "leaves").write_bytes(content[:at] if torn else content)
    assert memory.load(folder / "leaves") is None


def small(**changes: object) -> LeafMemory:
    """One leaf, one reference, one extent."""
    leaves = np.zeros(1, LEAF)
    one = Ragged(np.ones(1, np.uint32), [np.ones(1, np.uint8) for _ in range(4)])
    none = Ragged(np.zeros(1, np.uint32), [np.zeros(0, np.uint8) for _ in range(4)])
    parts = {"references": (one, 3), "holders": (none, 1), "large": (one, 4), "inodes": (none, 2), "links": (none, 3)}
    ragged = {name: Ragged(part.counts, part.columns[:width]) for name, (part, width) in parts.items()}
    extents = KeptExtents(*(np.full(1, value, np.uint16) for value in (1, 1, 0, 1, 0)))
    masks = np.ones((1, 1), np.uint8)
    made = LeafMemory(7, 4096, ("tree 256",), masks, Contents(leaves, **ragged), extents)
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]  # of the right kind, each of them


@pytest.mark.parametrize(
    "harm",
    [
        {"masks": np.ones((0, 1), np.uint8)},
        {"extents": KeptExtents(*(np.zeros(n, np.uint16) for n in (1, 2, 1, 1, 1)))},
        {"extents": KeptExtents(*(np.full(1, n, np.uint16) for n in (1, 1, 1, 1, 9)))},
        {"sector": 0},
        {"contents": small().contents._replace(large=Ragged(np.full(1, 2, np.uint32), small().contents.large.columns))},
        {"contents": small().contents._replace(links=Ragged(np.zeros(2, np.uint32), small().contents.links.columns))},
    ],
)
def test_a_file_that_does_not_fit_itself_is_as_if_it_was_not_there(harm: dict[str, object], tmp_path: Path) -> None:
    memory.store(tmp_path / "leaves", small())
    assert memory.load(tmp_path / "leaves") is not None
    memory.store(tmp_path / "leaves", small(**harm))
    assert memory.load(tmp_path / "leaves") is None


@pytest.mark.parametrize(
    ("old", "new"), [(b'"version": 2', b'"version": 3'), (b'"|u1"', b'"|O8"'), (b'"|u1"', b'"<f8"'), (b"{", b"[")]
)
def test_a_file_of_another_kind_is_as_if_it_was_not_there(old: bytes, new: bytes, tmp_path: Path) -> None:
    memory.store(tmp_path / "leaves", small())
    body = (tmp_path / "leaves").read_bytes()[8:].replace(old, new, 1)
    (tmp_path / "leaves").write_bytes(b"%08x" % crc32c(body) + body)
    assert memory.load(tmp_path / "leaves") is None


def test_it_never_takes_much_of_the_room_that_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        f_bavail, f_frsize = 1, 4096

    monkeypatch.setattr(os, "statvfs", lambda path: Full)
    memory.store(tmp_path / "leaves", small())
    assert not (tmp_path / "leaves").exists()
    Full.f_bavail = 15
    memory.store(tmp_path / "leaves", small())
    assert (tmp_path / "leaves").exists()


def test_more_than_the_most_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_leaves, "MOST_BYTES", 1000)
    first, second = (look(tmp_path, tmp_path / "leaves") for _ in range(2))
    assert not (tmp_path / "leaves").exists()
    assert figures(first) == figures(second)
    assert second.blocks_remembered == 0


def test_a_folder_that_cannot_be_written_to_costs_the_next_look_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    first, second = (look(tmp_path, tmp_path / "file" / "leaves") for _ in range(2))
    assert figures(first) == figures(second)


masks = st.integers(1, 2**6 - 1)
references = st.lists(st.tuples(st.integers(1, 5), st.sampled_from([(0, 0), (1, 2), (3, 1)])), max_size=12)
leaf = st.tuples(masks, st.one_of(st.none(), masks), references)


@settings(max_examples=300)
@given(leaves=st.lists(leaf, min_size=1, max_size=12), fresh=st.lists(st.tuples(masks, references), max_size=4))
def test_what_does_not_differ_has_the_holders_that_it_had(
    leaves: list[tuple[int, int | None, list[tuple[int, tuple[int, int]]]]],
    fresh: list[tuple[int, list[tuple[int, tuple[int, int]]]]],
) -> None:
    """(set before, set now or gone, references) of each leaf; and new leaves. Who holds what, said the plainest way."""
    known = RootSets()
    nobody = known.number(0)
    before = {(extent * 100, part): 0 for _, _, held in leaves for extent, part in held}
    now = dict.fromkeys([*before, *((extent * 100, part) for _, held in fresh for extent, part in held)], 0)
    for mask, after, held in leaves:
        for extent, part in held:
            before[extent * 100, part] |= mask
            now[extent * 100, part] |= after or 0
    for mask, held in fresh:
        for extent, part in held:
            now[extent * 100, part] |= mask

    def columns(held: Sequence[tuple[int, tuple[int, int], int]]) -> sets.Pieces:
        rows = (
            np.array([(extent * 100, *part, known.number(mask)) for extent, part, mask in held], I64).reshape(-1, 4).T
        )
        found = sets.pieces(list(rows[:3].astype(U64)), rows[3], nobody)
        assert found is not None
        return found

    old = columns([(extent, part, mask) for mask, _, held in leaves for extent, part in held])
    new = [(extent, part, after or 0) for _, after, held in leaves for extent, part in held]
    new += [(extent, part, mask) for mask, held in fresh for extent, part in held]
    differ = set(sets.differing(old, columns(new), known).tolist())
    assert differ == {key[0] for key in {*before, *now} if before.get(key, 0) != now.get(key, 0)}


def test_a_snapshot_is_said_to_come_from_its_source_and_a_deleted_one_is_nobody() -> None:
    """Three subvolumes with a leaf each and one for all; one is deleted, and one has a snapshot now."""
    packed = np.array([[0b001], [0b010], [0b100], [0b111]], np.uint8)
    old = sets.Earlier(packed, ("a", "b", "c"), np.arange(4, dtype=np.uint32))
    known = RootSets()
    masks = (None, 0b001, 0b110, 0b111)  # of the leaves now: b, c, c's snapshot
    numbers = np.array([sets.GONE if mask is None else known.number(mask) for mask in masks], I64)
    became = sets.became_of(old, known, numbers, ("b", "c", "d"))
    assert [known.masks[number] for number in became.tolist()] == [0, 0b001, 0b110, 0b111]


def test_thousands_of_new_snapshots_find_their_sources_in_no_time() -> None:
    """Of many subvolumes that all hold some leaves: each snapshot has those and its source's own leaf."""
    count, own = 2_000, [1 << bit for bit in range(2_000)]
    known = RootSets()
    packed = np.frombuffer(b"".join(mask.to_bytes(250, "little") for mask in [*own, (1 << count) - 1]), np.uint8)
    of_leaves = np.arange(count + 1, dtype=np.uint32)
    old = sets.Earlier(packed.reshape(-1, 250), [f"s{bit}" for bit in range(count)], of_leaves)
    now = np.array([known.number(mask | mask << count) for mask in [*own, (1 << count) - 1]], I64)
    began = time.process_time()
    became = sets.became_of(old, known, now, [*old.bits, *(f"copy of s{bit}" for bit in range(count))])
    assert time.process_time() - began < 5, "a pair of each old and each new one would be a minute"
    assert became.tolist() == now.tolist()


def test_addresses_say_yes_to_all_references_of_an_extent() -> None:
    some = np.array([5, 1 << 40, 77], U64)
    found = memory.Addresses([some, np.array([9], np.uint8)])
    assert found.has(some).all()
    assert found.has(np.array([9], np.uint16)).all()
    assert not found.has(np.array([6, 10], np.uint8)).any()
