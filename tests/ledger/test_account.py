"""The books balance, whatever was read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.ledger import account
from collectors.model.filesystem import Share
from collectors.model.ledger import Category
from collectors.model.reading import AtLeast, Exact, Unavailable, Why, charged
from collectors.model.store import UnitKind
from tests.ledger.build import HERE, NOT_READ, occupancy, share, snapshot, study, unit

UNITS = (
    unit("layer", UnitKind.IMAGE_LAYER, "image:i", "container:c"),
    unit("cache", UnitKind.BUILD_SNAPSHOT, "build:b"),
    unit("rw", UnitKind.WRITABLE_LAYER, "container:c"),
    unit("log", UnitKind.LOG, "log:c"),
    unit("vol", UnitKind.VOLUME, "volume:v"),
    unit("lost", UnitKind.ORPHAN_CANDIDATE, "orphan:/d/lost"),
    unit("maybe", UnitKind.ORPHAN_CANDIDATE),
    unit("snap", UnitKind.SNAPSHOT, "snapshot:s"),
    unit("gone", UnitKind.DELETED, "deleted:7"),
    unit("tmp", UnitKind.TEMPORARY),
)
NAMES = [one.id for one in UNITS] + ["<host>"]
SHARES = st.lists(
    st.builds(
        lambda holders, count, inodes: share(count, *holders, inodes=inodes),
        st.sets(st.sampled_from(NAMES), min_size=1),
        st.integers(0, 500),
        st.integers(0, 50),
    ),
    max_size=12,
)


@given(SHARES, st.integers(0, 9000), st.integers(0, 900))
def test_the_rows_sum_to_used_exactly(shares: list[Share], used: int, own: int) -> None:
    one = study(UNITS, Exact(occupancy(tuple(shares)), HERE), used=used, own=own)
    ledger = account(snapshot(one), one).ledger
    assert [row.category for row in ledger.rows] == list(Category)
    assert sum(charged(row.charged) for row in ledger.rows) == used


def test_an_unread_disk_still_balances_and_says_why() -> None:
    one = study(UNITS, NOT_READ, used=5000, own=40)
    ledger = account(snapshot(one), one).ledger
    assert sum(charged(row.charged) for row in ledger.rows) == 5000
    assert isinstance(ledger.row(Category.IMAGES).charged, Unavailable)
    assert (
        ledger.row(Category.UNATTRIBUTED).charged == Exact(4960, HERE)
        or charged(ledger.row(Category.UNATTRIBUTED).charged) == 4960
    )


@pytest.mark.parametrize(
    ("holders", "category"),
    [
        (("layer",), Category.IMAGES),
        (("layer", "rw", "lost", "snap"), Category.IMAGES),
        (("cache", "rw"), Category.BUILD_CACHE),
        (("rw", "log"), Category.CONTAINERS),
        (("vol", "lost"), Category.VOLUMES),
        (("lost", "snap", "gone"), Category.ORPHANS),
        (("maybe", "<host>"), Category.DOCKER_OTHER),
        (("<host>", "snap"), Category.OTHER_FILES),
        (("snap", "gone"), Category.SNAPSHOTS),
        (("gone",), Category.DELETED_PENDING),
    ],
)
def test_an_extent_is_charged_to_the_first_of_its_holders(holders: tuple[str, ...], category: Category) -> None:
    one = study(UNITS, Exact(occupancy((share(64, *holders),)), HERE), used=100)
    ledger = account(snapshot(one), one).ledger
    charged_rows = {row.category: charged(row.charged) for row in ledger.rows if charged(row.charged)}
    assert charged_rows == {category: 64, Category.UNATTRIBUTED: 36}


def test_what_could_not_be_read_makes_a_floor_not_a_number() -> None:
    one = study(UNITS, Exact(occupancy((share(64, "<host>"),), (NOT_READ,)), HERE), used=100)
    row = account(snapshot(one), one).ledger.row(Category.OTHER_FILES)
    assert isinstance(row.charged, AtLeast)
    assert "no privilege" in row.reason


def test_snapshots_free_only_what_nobody_else_holds() -> None:
    shares = (share(10, "snap"), share(30, "snap", "layer"))
    one = study(UNITS, Exact(occupancy(shares), HERE), used=100)
    row = account(snapshot(one), one).ledger.row(Category.SNAPSHOTS)
    assert charged(row.charged) == 10
    assert charged(row.reclaimable) == 10


@given(SHARES, st.integers(0, 900), st.integers(0, 20), st.booleans())
def test_the_rows_sum_to_the_used_inodes_exactly(shares: list[Share], used: int, own: int, cut: bool) -> None:
    holders = Exact(occupancy(tuple(shares), (NOT_READ,) if cut else ()), HERE)
    one = study(UNITS, holders, used=0, inodes=(used, 1000), own_inodes=own)
    ledger = account(snapshot(one), one).ledger
    assert sum(charged(row.inodes) for row in ledger.rows) == used
    assert ledger.row(Category.METADATA).inodes == Exact(own, HERE)
    met = sum(part.inodes or 0 for part in shares)
    assert charged(ledger.row(Category.UNATTRIBUTED).inodes) == used - own - met


def test_an_inode_is_charged_to_the_first_of_its_holders_as_its_bytes_are() -> None:
    shares = (share(8, "layer", "rw", inodes=3), share(0, "vol", "<host>", inodes=5), share(4, "<host>", inodes=7))
    one = study(UNITS, Exact(occupancy(shares), HERE), used=12, inodes=(15, 100))
    ledger = account(snapshot(one), one).ledger
    found = {row.category: charged(row.inodes) for row in ledger.rows if charged(row.inodes)}
    assert found == {Category.IMAGES: 3, Category.VOLUMES: 5, Category.OTHER_FILES: 7}


def test_where_a_walk_was_cut_the_inodes_are_a_floor_like_the_bytes() -> None:
    one = study(UNITS, Exact(occupancy((share(64, "<host>", inodes=9),), (NOT_READ,)), HERE), used=100, inodes=(20, 90))
    ledger = account(snapshot(one), one).ledger
    others = ledger.row(Category.OTHER_FILES).inodes
    assert isinstance(others, AtLeast)
    assert others.low == 9


def test_a_filesystem_that_makes_inodes_as_it_goes_has_no_inode_books() -> None:
    one = study(UNITS, Exact(occupancy((share(64, "vol"),)), HERE), used=100)
    ledger = account(snapshot(one), one).ledger
    for figure in [row.inodes for row in ledger.rows]:
        assert isinstance(figure, Unavailable)
        assert figure.why is Why.NOT_APPLICABLE


def test_an_unread_disk_has_unknown_inodes_and_no_zeros() -> None:
    one = study(UNITS, NOT_READ, used=5000, inodes=(70, 100), own_inodes=9)
    ledger = account(snapshot(one), one).ledger
    assert isinstance(ledger.row(Category.VOLUMES).inodes, Unavailable)
    assert charged(ledger.row(Category.UNATTRIBUTED).inodes) == 61
