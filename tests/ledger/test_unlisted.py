"""In every category the items hold every byte of the row, also what no listing names."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from collectors.drivers.layered import OVERLAY2
from collectors.ledger import account
from collectors.ledger.unlisted import NOT_KNOWN, NOT_LISTED
from collectors.model.filesystem import OpenFiles, Share
from collectors.model.ledger import Category, Ledger
from collectors.model.reading import Between, Exact, Size, Unavailable, Why, charged
from collectors.model.snapshot import FilesystemStudy
from collectors.model.store import Store, UnitKind
from tests.ledger.build import HERE, NOT_READ, occupancy, share, snapshot, study, unit
from tests.ledger.coverage import in_no_item
from tests.ledger.test_account import SHARES, UNITS
from tests.world import a_view

EMPTY = a_view(NOT_READ, images=(), containers=(), volumes=(), build_cache=())


def closed(one: FilesystemStudy, *, answered: bool) -> Ledger:
    return account(snapshot(one, EMPTY if answered else None), one).ledger


@given(SHARES, st.booleans())
def test_the_items_hold_every_byte_of_their_row_whoever_knows_them(shares: list[Share], answered: bool) -> None:
    one = study(UNITS, Exact(occupancy(tuple(shares)), HERE), used=9000)
    assert in_no_item(one, closed(one, answered=answered)) == {}


def test_a_container_that_the_engine_does_not_load_is_an_item_of_the_containers() -> None:
    units = (unit("rw", UnitKind.WRITABLE_LAYER, "container:c"), unit("log", UnitKind.LOG, "log:c"))
    one = study(units, Exact(occupancy((share(57, "rw"), share(5, "log"))), HERE), used=62)
    items = closed(one, answered=True).items
    (container,), (log,) = items[Category.CONTAINERS], items[Category.LOGS]
    assert (container.name, container.state) == ("c", NOT_KNOWN)
    assert (log.name, log.state) == ("c", NOT_KNOWN)
    assert (charged(container.referenced), charged(container.exclusive)) == (57, 62)  # it takes its log along
    assert isinstance(container.reclaimable, Unavailable)


def test_the_top_level_of_a_btrfs_which_has_no_path_is_one_item() -> None:
    top = replace(unit("", UnitKind.SUBVOLUME), path="", name="top level")
    one = study((top,), Exact(occupancy((share(7, ""),)), HERE), used=7)
    (item,) = closed(one, answered=True).items[Category.OTHER_FILES]
    assert (item.name, charged(item.referenced)) == ("top level", 7)
    assert in_no_item(one, closed(one, answered=True)) == {}


def test_where_no_engine_answered_nothing_is_called_unknown_to_it() -> None:
    one = study((unit("vol", UnitKind.VOLUME, "volume:v"),), Exact(occupancy((share(7, "vol"),)), HERE), used=7)
    (volume,) = closed(one, answered=False).items[Category.VOLUMES]
    assert (volume.name, volume.state) == ("v", NOT_LISTED)


def test_a_layer_of_two_unlisted_images_is_held_by_both_and_counted_in_the_row_once() -> None:
    units = (unit("layer", UnitKind.IMAGE_LAYER, "image:a", "image:b"),)
    one = study(units, Exact(occupancy((share(9, "layer"),)), HERE), used=9)
    ledger = closed(one, answered=True)
    assert [item.id for item in ledger.items[Category.IMAGES]] == ["a", "b"]
    assert [charged(item.exclusive) for item in ledger.items[Category.IMAGES]] == [0, 0]
    assert charged(ledger.row(Category.IMAGES).charged) == 9


def test_files_that_lie_in_no_directory_of_their_own_are_everything_else() -> None:
    holders = replace(occupancy((share(11, "<host>"),)), largest_others=())
    one = study((), Exact(holders, HERE), used=11)
    (rest,) = closed(one, answered=True).items[Category.OTHER_FILES]
    assert (rest.name, charged(rest.referenced)) == ("everything else", 11)


def of_unread_process(used: int) -> Size:
    """One process was not looked into; 7 bytes are in a volume."""
    unread = Unavailable(Why.NOT_PERMITTED, "not looked into process 7 (sshd)", HERE)
    one = study((unit("vol", UnitKind.VOLUME, "volume:v"),), Exact(occupancy((share(7, "vol"),)), HERE), used=used)
    one = replace(one, open_deleted=Exact(OpenFiles((), (unread,)), HERE))
    nothing: Exact[tuple[()]] = Exact((), HERE)
    store = Store("/d", "overlay2", OVERLAY2.facts, nothing, nothing, nothing, nothing, nothing, nothing, nothing)
    whole = replace(snapshot(one, EMPTY), store=Exact(store, HERE))
    return account(whole, one).ledger.row(Category.DELETED_OPEN).charged


def test_a_process_that_was_not_looked_into_holds_no_more_than_nobody_else_does() -> None:
    held = of_unread_process(used=10)
    assert isinstance(held, Between)
    assert (held.low, held.high) == (0, 3)
    assert "process 7 (sshd)" in held.method


def test_where_everything_else_is_accounted_for_it_holds_nothing() -> None:
    held = of_unread_process(used=7)
    assert isinstance(held, Exact)
    assert held.value == 0
