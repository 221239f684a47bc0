"""What each byte is charged to: one thing, the same one whatever comes and goes beside it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from collectors.ledger import account
from collectors.ledger.inside import things
from collectors.model import ImageId, Owner, OwnerKind
from collectors.model.engine import Flavour
from collectors.model.filesystem import PathUsage, Share
from collectors.model.ledger import Category, Thing
from collectors.model.reading import Exact, charged
from collectors.model.store import StoredImage, Unit, UnitKind
from tests.causes.build import an_item
from tests.ledger.build import HERE, NOT_READ, NOW, occupancy, share, snapshot, study, unit
from tests.owners import owner
from tests.planning.build import Scene, image

USED = 10_000_000
MIB = 1 << 20


def found(units: tuple[Unit, ...], *shares: Share, used: int = USED) -> dict[str, Thing]:
    """The things of a filesystem by the id of their owner."""
    listed = things(study(units, Exact(occupancy(shares), HERE), used=used), {})
    assert listed is not None
    return {one.owner.id: one for one in listed}


def test_an_image_that_is_pulled_onto_the_layers_of_another_takes_no_byte_from_it() -> None:
    base = unit("base", UnitKind.IMAGE_LAYER, "image:a")
    shared = replace(base, owners=base.owners | {Owner(OwnerKind.IMAGE, "b")})
    top = unit("top", UnitKind.IMAGE_LAYER, "image:b")
    before = found((base,), share(5 * MIB, "base"))
    after = found((shared, top), share(5 * MIB, "base"), share(2 * MIB, "top"))
    assert {key: one.bytes for key, one in before.items()} == {"base": 5 * MIB}
    assert {key: one.bytes for key, one in after.items()} == {"base": 5 * MIB, "top": 2 * MIB}


def test_extents_of_a_layer_that_later_ones_hold_too_are_the_oldest_ones() -> None:
    """On btrfs each layer of an image, and a container's on top, is a snapshot of the one below."""
    old = replace(unit("z-base", UnitKind.IMAGE_LAYER, "image:a"), created_at=NOW - timedelta(days=2))
    new = replace(unit("a-top", UnitKind.IMAGE_LAYER, "image:a"), created_at=NOW - timedelta(days=1))
    layer = replace(unit("0-writable", UnitKind.WRITABLE_LAYER, "container:c"), created_at=NOW - timedelta(days=3))
    told = found((old, new, layer), share(4 * MIB, "z-base", "a-top", "0-writable"), share(2 * MIB, "0-writable"))
    assert {key: one.bytes for key, one in told.items()} == {"z-base": 4 * MIB, "c": 2 * MIB}


def test_what_one_container_has_in_several_places_is_one_thing_and_its_log_another() -> None:
    units = (
        unit("w", UnitKind.WRITABLE_LAYER, "container:c"),
        unit("f", UnitKind.CONTAINER_FILES, "container:c"),
        unit("l", UnitKind.LOG, "log:c"),
    )
    told = things(
        study(units, Exact(occupancy((share(2 * MIB, "w"), share(MIB, "f"), share(MIB, "l"))), HERE), used=USED), {}
    )
    assert told is not None
    assert [(one.owner.kind, one.bytes) for one in told] == [(OwnerKind.CONTAINER, 3 * MIB), (OwnerKind.LOG, MIB)]


def test_an_orphan_keeps_its_name_from_the_first_look_to_the_proof() -> None:
    young = unit("dir", UnitKind.ORPHAN_CANDIDATE)
    proven = unit("dir", UnitKind.ORPHAN_CANDIDATE, "orphan:/d/dir")
    first, second = found((young,), share(MIB, "dir"))["dir"], found((proven,), share(MIB, "dir"))["dir"]
    assert first.owner == second.owner
    assert (first.category, second.category) == (Category.DOCKER_OTHER, Category.ORPHANS)


def test_small_things_are_left_out_by_what_is_used() -> None:
    units = (unit("v", UnitKind.VOLUME, "volume:v"), unit("w", UnitKind.VOLUME, "volume:w"))
    shares = (share(9_999, "v"), share(10_000, "w"))
    assert set(found(units, *shares)) == {"w"}
    assert set(found(units, *shares, used=1 << 40)) == set()


def test_a_shared_layer_is_called_after_the_image_that_ends_in_it() -> None:
    units = (
        unit("base", UnitKind.IMAGE_LAYER, "image:a-app", "image:base"),
        unit("top", UnitKind.IMAGE_LAYER, "image:a-app"),
    )
    images = tuple(
        replace(an_item(Category.IMAGES, f"{name}:1", 1), owner_id=owner(f"image:{name}")) for name in ("a-app", "base")
    )
    one = study(units, Exact(occupancy((share(4 * MIB, "base"), share(2 * MIB, "top"))), HERE), used=USED)
    told = things(one, {Category.IMAGES: images})
    assert [thing.name for thing in told or ()] == ["base:1 and 1 more", "a-app:1"]


def test_the_things_of_a_ledger_and_what_is_too_small_make_its_rows() -> None:
    units = (unit("v", UnitKind.VOLUME, "volume:v"), unit("i", UnitKind.IMAGE_LAYER, "image:a"))
    holders = replace(
        occupancy((share(4 * MIB, "v"), share(2 * MIB, "i"), share(3 * MIB, "host"), share(100, "i", "v"))),
        largest_others=(PathUsage("/d/srv", True, 3 * MIB, 3 * MIB, 1, ""),),
    )
    one = study(units, Exact(holders, HERE), used=9 * MIB + 100)
    ledger = account(snapshot(one), one).ledger
    assert ledger.things is not None
    for category, count in (
        (Category.VOLUMES, 4 * MIB),
        (Category.IMAGES, 2 * MIB + 100),
        (Category.OTHER_FILES, 3 * MIB),
    ):
        assert sum(thing.bytes for thing in ledger.things if thing.category is category) == count
        assert charged(ledger.row(category).charged) == count


def test_where_nobody_looked_there_are_no_things_which_is_not_the_same_as_none() -> None:
    assert things(study((), NOT_READ, used=USED), {}) is None


@pytest.mark.parametrize(("flavour", "told"), [(Flavour.PODMAN, 0), (Flavour.DOCKER, 7)])
def test_an_image_of_another_store_that_podman_reads_claims_no_byte_of_this_one(flavour: Flavour, told: int) -> None:
    """Its bytes lie in that store, and are counted there: the items of a row would hold more than the row."""
    scene = Scene(
        flavour=flavour,
        images=(image("here", "here:1", size=5), image("there", "there:1", size=7)),
        stored=(StoredImage(ImageId("sha256:here"), ("here:1",), ()),),
    )
    seen = scene.snapshot()
    named = {item.name: item for item in account(seen, seen.studies[0]).ledger.items[Category.IMAGES]}
    assert {name: charged(item.referenced) for name, item in named.items()} == {"here:1": 5, "there:1": told}
    assert ("another image store" in named["there:1"].note) is (flavour is Flavour.PODMAN)
