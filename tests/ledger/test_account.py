"""The books balance, whatever was read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.ledger.account import account
from collectors.model.filesystem import Share
from collectors.model.ledger import Category
from collectors.model.reading import AtLeast, Exact, Unavailable, charged
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
    st.builds(lambda h, n: share(n, *h), st.sets(st.sampled_from(NAMES), min_size=1), st.integers(0, 500)), max_size=12
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
