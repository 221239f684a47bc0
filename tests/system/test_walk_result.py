"""Frames put together: every inode once, whatever the walkers met where, and nothing whole that is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.system.deadline import Malformed
from collectors.system.hard_links import links_of, split
from collectors.system.walk_result import Count, WalkResult

NO_UNITS = 3  # the host's index
FOUND: tuple[object, ...] = ("found", True, 7, (0, 0), (1000, 100), [], [], [], [])


def row(index: int, blocks: int, inodes: int = 1) -> tuple[object, ...]:
    return index, blocks, blocks * 512, inodes, 0.0, [], [], None, [], [], []


def a_harvest(*frames: tuple[str, tuple[object, ...]]) -> WalkResult:
    counted = WalkResult(NO_UNITS, {})
    for lane, frame in frames:
        counted.started(lane)
        counted.take(lane, frame)
    return counted


def blocks(counted: WalkResult) -> dict[int, tuple[int, bool]]:
    return {index: (count.blocks, complete) for index, count, complete in counted.counts()}


def test_a_finished_unit_is_whole_although_the_walk_is_not() -> None:
    counted = a_harvest(
        ("a", FOUND),
        ("a", ("part", [row(0, 10)], [(b"srv", 5, 5, 1)], [(1, 3, 3, 1)], [(b"", 2, 2, 1)])),
    )
    assert blocks(counted) == {0: (10, True), 1: (3, False)}
    assert counted.host_count().blocks == 7
    assert not counted.complete


def test_what_a_walker_had_under_way_is_replaced_by_what_it_says_next() -> None:
    counted = a_harvest(
        ("a", FOUND),
        ("a", ("part", [], [], [(1, 3, 3, 1)], [(b"", 2, 2, 1)])),
        ("a", ("part", [row(1, 8)], [(b"", 9, 9, 1)], [], [])),
        ("a", ("end", True, [row(NO_UNITS, 0, 0)], [])),
    )
    counted.take("a", ("end", True, [row(NO_UNITS, 0, 0)], []))
    assert blocks(counted) == {1: (8, True)}
    assert counted.host_count().blocks == 9
    assert counted.complete


def test_parts_of_a_unit_from_two_walkers_are_whole_when_both_have_ended() -> None:
    counted = a_harvest(("a", FOUND), ("a", ("part", [], [], [], [])), ("b", ("part", [], [], [], [])))
    counted.take("a", ("end", True, [row(1, 3)], []))
    assert blocks(counted) == {1: (3, False)}
    counted.take("b", ("end", True, [row(1, 4)], []))
    assert blocks(counted) == {1: (7, True)}


def test_a_walker_that_stopped_early_leaves_the_rest_incomplete() -> None:
    counted = a_harvest(("a", FOUND))
    counted.take("a", ("end", False, [row(1, 3)], [(b"x", 1, 1, 1)]))
    assert blocks(counted) == {1: (3, False)}
    assert counted.host_count().blocks == 1
    assert not counted.complete


def test_a_frame_that_no_walker_sends_is_malformed() -> None:
    with pytest.raises(Malformed):
        a_harvest(("a", ("gossip",)))


def test_a_harvest_that_nobody_began_is_not_complete() -> None:
    assert not WalkResult(NO_UNITS, {}).complete


SIZE = 8  # blocks of each inode
links = st.dictionaries(st.integers(1, 6), st.lists(st.integers(0, 3), min_size=1, max_size=5), max_size=6)


@given(links, st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_an_inode_counts_once_however_its_links_lie(places: dict[int, list[int]], parts: list[int]) -> None:
    """`places`: inode → the unit of each of its links. `parts`: as many counts per unit, the links dealt out."""
    counts = {(unit, part): Count() for unit in range(4) for part in range(parts[unit] + 1)}
    for inode, units in places.items():
        seen: dict[tuple[int, int], int] = {}
        for position, unit in enumerate(units):
            where = unit, position % (parts[unit] + 1)
            seen[where] = seen.get(where, 0) + 1
        for where, times in seen.items():
            counts[where].add(Count(SIZE, SIZE * 512, 1))
            if times < len(units):
                counts[where].links.append((inode, len(units) - times, SIZE, SIZE * 512, len(units)))
    merged: dict[int, Count] = {unit: Count() for unit in range(4)}
    for (unit, _), count in counts.items():
        merged[unit].add(count)
    result = split(merged.items(), links_of(9, merged.items()))
    shared = result.shared.values()
    assert sum(c.blocks for c in result.own.values()) + sum(s.blocks for s in shared) == SIZE * len(places)
    assert sum(c.blocks for c in result.charged.values()) == SIZE * len(places)
    assert sum(c.inodes for c in result.charged.values()) == len(places)
    assert sum(c.inodes for c in result.own.values()) + sum(s.inodes for s in shared) == len(places)
    assert result.unplaced == {}
    for inode, units in places.items():
        del inode
        if len(set(units)) > 1:
            assert result.shared[frozenset(units)].blocks >= SIZE


def test_a_link_that_was_met_nowhere_is_noticed() -> None:
    count = Count(8, 8, 1)
    count.links.append((42, 1, 8, 8, 2))
    assert split([(0, count)], links_of(9, [(0, count)])).unplaced == {42: 2}
