"""What changed between two moments: every act by its name and bytes, and sums that close."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.forecast.changes import ChangeKind, Held, Moment, changes, earlier, of_record
from collectors.journal.encoding import decode, encode, name_of
from tests.journal.build import NOON, RUN, a_record

MIB = 1 << 20
GIB = 1 << 30


def moment(things: Mapping[str, Held] | None, run: int = 0, **more: int) -> Moment:
    """Things and, by category, bytes of what is too small to be one."""
    sums = dict(more)
    for one in (things or {}).values():
        sums[one.category] = sums.get(one.category, 0) + one.bytes
    return Moment(NOON + run * RUN, "ext4:1", sum(sums.values()), sums, things)


def told(before: Moment, after: Moment) -> set[tuple[str, str, str, int]]:
    return {(one.kind.value, one.category, one.name, one.bytes) for one in changes(before, after).named}


def test_what_came_went_grew_and_shrank_is_named_and_what_stayed_is_not() -> None:
    before = moment(
        {
            "log:1": Held("logs", "web-1", 10 * MIB),
            "volume:a": Held("volumes", "a", 40 * MIB),
            "unit:1": Held("images", "app:1", 30 * MIB),
            "unit:2": Held("images", "base:1", 50 * MIB),
        }
    )
    after = moment(
        {
            "log:1": Held("logs", "web-1", 90 * MIB),
            "volume:a": Held("volumes", "a", 5 * MIB),
            "unit:2": Held("images", "base:renamed", 50 * MIB),
            "container:1": Held("containers", "job-1", 7 * MIB),
        },
        1,
    )
    assert told(before, after) == {
        ("grew", "logs", "web-1", 80 * MIB),
        ("shrank", "volumes", "a", -35 * MIB),
        ("vanished", "images", "app:1", -30 * MIB),
        ("appeared", "containers", "job-1", 7 * MIB),
    }
    assert [one.name for one in changes(before, after).named] == ["web-1", "a", "app:1", "job-1"]


def test_the_layers_of_one_image_are_one_change() -> None:
    layers = {f"unit:{n}": Held("images", "app:2", n * MIB) for n in (3, 4)}
    (one,) = changes(moment({}), moment(layers, 1)).named
    assert (one.things_count, one.bytes, one.after_bytes, one.before_bytes) == (2, 7 * MIB, 7 * MIB, None)


def test_bytes_that_only_went_to_another_category_are_said_to_have_moved() -> None:
    before = moment({"unit:1": Held("images", "app:1", 30 * MIB)})
    after = moment({"unit:1": Held("build_cache", "RUN make", 30 * MIB)}, 1)
    found = changes(before, after)
    assert found.bytes == 0
    assert {(one.category, one.bytes, one.kind) for one in found.named} == {
        ("images", -30 * MIB, ChangeKind.MOVED),
        ("build_cache", 30 * MIB, ChangeKind.MOVED),
    }


def test_small_changes_are_counted_and_not_named() -> None:
    before = moment({"log:1": Held("logs", "a", 2 * MIB), "log:2": Held("logs", "b", 2 * MIB)}, images=2 * GIB)
    after = moment(
        {"log:1": Held("logs", "a", 2 * MIB + 9), "log:2": Held("logs", "b", 2 * MIB + 5)}, 1, images=2 * GIB
    )
    (row,) = changes(before, after).categories
    assert (row.category, row.changes, row.rest_bytes, row.rest) == ("logs", (), 14, "2 smaller changes")


def test_a_directory_that_only_one_run_lists_was_part_of_the_one_above_it() -> None:
    before = moment({"path:/": Held("other_files", "/", 10 * MIB), "path:/srv": Held("other_files", "/srv", 500 * MIB)})
    after = moment(
        {
            "path:/": Held("other_files", "/", 10 * MIB),
            "path:/srv/a": Held("other_files", "/srv/a", 300 * MIB),
            "path:/srv/b": Held("other_files", "/srv/b", 260 * MIB),
            "path:/new": Held("other_files", "/new", 70 * MIB),
        },
        1,
    )
    assert told(before, after) == {
        ("grew", "other_files", "/srv/b", 60 * MIB),
        ("appeared", "other_files", "/new", 70 * MIB),
    }
    assert told(after, before) == {
        ("shrank", "other_files", "/srv/b", -60 * MIB),
        ("vanished", "other_files", "/new", -70 * MIB),
    }


def test_a_run_that_kept_no_things_is_compared_by_category_and_says_so() -> None:
    found = changes(
        moment(None, logs=5 * MIB, images=GIB), moment({"log:1": Held("logs", "web-1", 9 * MIB)}, 1, images=GIB)
    )
    (row,) = found.categories
    assert (row.category, row.bytes, row.changes, row.rest) == ("logs", 4 * MIB, (), "that run kept no things")


def test_two_filesystems_are_not_compared() -> None:
    other = Moment(NOON, "ext4:2", 0, {}, {})
    with pytest.raises(ValueError, match="different filesystems"):
        changes(moment({}), other)


HELD = st.builds(
    Held,
    st.sampled_from(["images", "logs", "other_files", "build_cache"]),
    st.sampled_from(["/", "/a", "/a/b", "/a/b/c", "/d", "x"]),
    st.integers(0, 64 * MIB),
)


@st.composite
def moments(draw: st.DrawFn) -> Moment:
    held = draw(st.dictionaries(st.integers(0, 5), HELD, max_size=6))
    things = {
        (f"path:{one.name}" if one.name.startswith("/") else f"unit:{key}"): (
            Held("other_files", one.name, one.bytes) if one.name.startswith("/") else one
        )
        for key, one in held.items()
    }
    rest = draw(st.dictionaries(st.sampled_from(["images", "metadata", "unattributed"]), st.integers(-MIB, 9 * MIB)))
    return moment(draw(st.sampled_from([things, things, None])), **rest)


@given(moments(), moments())
def test_the_changes_sum_to_the_change_of_used_and_each_row_to_its_own(before: Moment, after: Moment) -> None:
    found = changes(before, after)
    assert sum(row.bytes for row in found.categories) == after.used_bytes - before.used_bytes
    for row in found.categories:
        assert sum(one.bytes for one in row.changes) + row.rest_bytes == row.bytes
        for one in row.changes:
            assert one.bytes == (one.after_bytes or 0) - (one.before_bytes or 0)


def test_the_moment_of_a_run_is_the_same_after_the_journal_kept_it() -> None:
    things = {"volume:a b": 30 * MIB, "unit:0123456789ab": 5 * MIB}
    labels = {"volume:a b": "volumes a b", "unit:0123456789ab": "images shop/app:1"}
    first = a_record(things=things, labels=labels)
    second = a_record(1, things={**things, "volume:a b": 31 * MIB}, labels=labels)
    line = encode(second, first)
    assert "shop/app:1" not in line.partition('"labels"')[2]  # what stayed is not written again
    read = of_record(decode(line, {name_of(first): decode(encode(first, None), {})}))
    assert read is not None
    assert read.things == {
        "volume:a b": Held("volumes", "a b", 31 * MIB),
        "unit:0123456789ab": Held("images", "shop/app:1", 5 * MIB),
    }


def test_a_run_of_before_things_were_kept_has_none() -> None:
    line = encode(a_record(), None)
    assert '"things":null' in line
    old = of_record(decode(line, {}))
    assert old is not None
    assert old.things is None


def test_a_day_ago_is_the_newest_run_that_old_or_the_oldest_there_is() -> None:
    records = [a_record(run) for run in range(100)]
    day = earlier(records, "btrfs 5f2c", NOON + 99 * RUN - timedelta(days=1))
    assert day is not None
    assert day.at == NOON + 27 * RUN
    young = earlier(records, "btrfs 5f2c", NOON - timedelta(days=1))
    assert young is not None
    assert young.at == NOON
    assert earlier(records, "another", NOON) is None
