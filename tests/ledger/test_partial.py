"""What stands in the ledger where the disk was read in part."""

from __future__ import annotations

from dataclasses import replace

from collectors.drivers.layered import BTRFS
from collectors.ledger import account
from collectors.model.filesystem import OpenFiles
from collectors.model.ledger import Category
from collectors.model.reading import AtLeast, Between, Exact, Unavailable, Why, charged
from collectors.model.store import Store, UnitKind
from tests.ledger.build import HERE, NOT_READ, occupancy, share, snapshot, study, unit
from tests.world import a_view

LAYERS = a_view(NOT_READ, layers_size=700)
MALFORMED = Unavailable(Why.MALFORMED, "layer database", HERE)


def test_behind_a_closed_docker_root_the_engines_claims_stand_as_estimates() -> None:
    one = study((), Exact(occupancy((share(24, "<host>"),), (NOT_READ,)), HERE), used=1000)
    ledger = account(replace(snapshot(one, LAYERS), store=NOT_READ), one).ledger
    images = ledger.row(Category.IMAGES)
    assert isinstance(images.charged, Between)
    assert (images.charged.low, images.charged.best, images.charged.high) == (0, 700, 1000)
    assert images.method == images.charged.method
    assert ledger.row(Category.LOGS).charged == NOT_READ
    assert ledger.row(Category.SNAPSHOTS).charged == Exact(0, ledger.row(Category.SNAPSHOTS).charged.origin)
    assert sum(charged(row.charged) for row in ledger.rows) == 1000


def test_bytes_that_were_counted_are_not_claimed_a_second_time() -> None:
    one = study((), Exact(occupancy((share(900, "<host>"),)), HERE), used=1000)
    ledger = account(replace(snapshot(one, LAYERS), store=MALFORMED), one).ledger
    assert charged(ledger.row(Category.IMAGES).charged) == 0
    assert charged(ledger.row(Category.UNATTRIBUTED).charged) == 100


def test_a_subvolume_that_may_be_a_snapshot_bounds_both_categories() -> None:
    units = (unit("layer", UnitKind.IMAGE_LAYER, "image:i"), unit(".daily", UnitKind.SUBVOLUME))
    shares = (share(30, "layer", ".daily"), share(200, ".daily"), share(5, "<host>"))
    one = replace(study(units, Exact(occupancy(shares), HERE), used=400), snapshots=NOT_READ)
    nothing: Exact[tuple[()]] = Exact((), HERE)
    store = Store("/d", "btrfs", BTRFS.facts, nothing, nothing, nothing, nothing, nothing, nothing, nothing)
    ledger = account(replace(snapshot(one), store=Exact(store, HERE)), one).ledger
    snapshots, others = ledger.row(Category.SNAPSHOTS), ledger.row(Category.OTHER_FILES)
    assert isinstance(snapshots.charged, Between)
    assert isinstance(others.charged, Between)
    assert (snapshots.charged.low, snapshots.charged.high) == (0, 200)
    assert (others.charged.low, others.charged.high) == (5, 205)
    assert snapshots.reclaimable == NOT_READ
    assert charged(ledger.row(Category.IMAGES).charged) == 30
    assert sum(charged(row.charged) for row in ledger.rows) == 400


def test_where_processes_were_not_looked_into_nothing_exact_is_said_of_what_they_hold() -> None:
    blind = Exact(OpenFiles((), (NOT_READ,)), HERE)
    one = replace(study((), Exact(occupancy(()), HERE), used=10), open_deleted=blind)
    row = account(snapshot(one), one).ledger.row(Category.DELETED_OPEN)
    assert isinstance(row.charged, AtLeast)
    assert isinstance(row.reclaimable, AtLeast)


def test_a_bind_of_one_directory_makes_other_files_a_floor() -> None:
    one = study((), Exact(occupancy((share(5, "<host>"),)), HERE), used=400)
    mount = replace(one.filesystem.mount, root="/docker")
    one = replace(one, filesystem=replace(one.filesystem, mount=mount))
    row = account(snapshot(one), one).ledger.row(Category.OTHER_FILES)
    assert isinstance(row.charged, AtLeast)
    assert "only /docker of this filesystem" in row.reason
