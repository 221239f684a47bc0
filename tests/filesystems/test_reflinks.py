"""Shared extents counted once: by intervals here, by sets of single blocks in the test."""

from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from collectors.filesystems.limits_and_reflinks import once
from collectors.model import HOST_UNIT, UnitId
from collectors.model.filesystem import Occupancy, PathUsage, Share, Usage
from collectors.model.reading import Exact
from tests.ledger.build import HERE, NOT_READ

UNITS = [UnitId("/d/a"), UnitId("/d/b"), UnitId("/d/c")]
# Of each file: who holds it (-1: the host), and its extents as (first block, blocks) on the disk.
FILES = st.lists(
    st.tuples(st.integers(-1, 2), st.lists(st.tuples(st.integers(0, 30), st.integers(1, 8)), min_size=1, max_size=3)),
    max_size=8,
)


def a_walk(files: list[tuple[int, list[tuple[int, int]]]]) -> Occupancy:
    """Each file counted as if it were alone."""
    counted: Counter[UnitId] = Counter()
    host: dict[str, int] = {}
    for number, (place, blocks) in enumerate(files):
        size = sum(count for _, count in blocks)
        counted[HOST_UNIT if place < 0 else UNITS[place]] += size
        if place < 0:
            host[f"/h/{number}"] = size
    usages = {u: Usage(Exact(n, HERE), Exact(n, HERE), Exact(1, HERE), NOT_READ, ()) for u, n in counted.items()}
    shares = tuple(Share(frozenset({u}), n, 0, 1) for u, n in counted.items())
    largest = tuple(PathUsage(path, True, n, n, 1, "") for path, n in host.items())
    return Occupancy("walk", usages, shares, largest, (), 0, 0.0, None)


def disjoint(files: list[tuple[int, list[tuple[int, int]]]]) -> list[tuple[int, list[tuple[int, int]]]]:
    """One file maps a block of the disk once, however many others do."""
    kept = []
    for place, extents in files:
        seen: set[int] = set()
        mine = []
        for first, count in extents:
            blocks = set(range(first, first + count))
            if not blocks & seen:
                mine.append((first, count))
                seen |= blocks
        kept.append((place, mine))
    return kept


@given(FILES)
def test_every_block_stands_once_with_exactly_who_holds_it(made: list[tuple[int, list[tuple[int, int]]]]) -> None:
    files = disjoint(made)
    holders: defaultdict[int, set[UnitId]] = defaultdict(set)
    for place, extents in files:
        for first, count in extents:
            for block in range(first, first + count):
                holders[block].add(HOST_UNIT if place < 0 else UNITS[place])
    truth = Counter(frozenset(who) for who in holders.values())
    told = [
        (first, count, place, f"/h/{number}".encode() if place < 0 else b"")
        for number, (place, blocks) in enumerate(files)
        for first, count in blocks
    ]
    found = once(a_walk(files), UNITS, told, True)
    assert {share.holders: share.bytes for share in found.shares if share.bytes} == dict(truth)
    assert sum(share.inodes or 0 for share in found.shares) == len({place for place, _ in files})
    for holder, usage in found.usages.items():
        referenced = sum(count for who, count in truth.items() if holder in who)
        assert isinstance(usage.allocated, Exact)
        assert usage.allocated.value == referenced
    rows = sum(directory.allocated_bytes for directory in found.largest_others)
    assert rows == truth[frozenset({HOST_UNIT})]


def test_what_was_not_found_in_time_is_said() -> None:
    assert once(a_walk([]), UNITS, [], False).method.endswith("as far as they were found in time")
