"""The steps of an old builder's build are images that nobody can name: they go with the images built on them."""

from __future__ import annotations

from dataclasses import replace

from collectors.drivers.layered import OVERLAY2
from collectors.ledger import account
from collectors.ledger.charge import hidden_parents
from collectors.ledger.release_table import freed_bytes
from collectors.model import ChainId, ImageId, Owner, OwnerKind
from collectors.model.engine import Image
from collectors.model.ledger import Category
from collectors.model.reading import Exact
from collectors.model.snapshot import Snapshot
from collectors.model.store import Store, StoredImage, UnitKind
from tests.ledger.build import HERE, NOT_READ, occupancy, share, snapshot, study, unit
from tests.planning.build import image
from tests.world import a_view

BASE, COPY, MAKE = ChainId("base"), ChainId("copy"), ChainId("make")


def stored(name: str, *chain: ChainId, parent: str = "", tags: tuple[str, ...] = ()) -> StoredImage:
    return StoredImage(ImageId(f"sha256:{name}"), tags, chain, ImageId(f"sha256:{parent}") if parent else None)


def world(*images: StoredImage, listed: tuple[Image, ...]) -> Snapshot:
    """Three layers; whoever's chain holds one owns it."""
    chains = {BASE: 100, COPY: 20, MAKE: 3}
    units = tuple(
        unit(layer, UnitKind.IMAGE_LAYER, *(f"image:{one.id}" for one in images if layer in one.chain))
        for layer in chains
    )
    made = study(units, Exact(occupancy(tuple(share(size, layer) for layer, size in chains.items())), HERE), used=123)
    view = a_view(NOT_READ, images=listed, containers=())
    nothing = Exact((), HERE)
    store = Store(
        "/d", "overlay2", OVERLAY2.facts, Exact(images, HERE), nothing, nothing, nothing, nothing, nothing, nothing
    )
    return replace(snapshot(made, view), store=Exact(store, HERE))


def test_the_last_child_frees_what_its_hidden_parents_hold_too() -> None:
    seen = world(
        stored("base", BASE, tags=("base:1",)),
        stored("step", BASE, COPY, parent="base"),
        stored("app", BASE, COPY, MAKE, parent="step"),
        listed=(image("base", "base:1"), image("app")),
    )
    books = account(seen, seen.studies[0]).books
    assert freed_bytes(books, [Owner(OwnerKind.IMAGE, "sha256:app")]) == 23


def test_a_parent_with_two_children_goes_with_the_last_of_them() -> None:
    seen = world(
        stored("base", BASE, tags=("base:1",)),
        stored("step", BASE, COPY, parent="base"),
        stored("app", BASE, COPY, MAKE, parent="step"),
        stored("other", BASE, COPY, parent="step"),
        listed=(image("base", "base:1"), image("app"), image("other", "other:1")),
    )
    books = account(seen, seen.studies[0]).books
    app, other = Owner(OwnerKind.IMAGE, "sha256:app"), Owner(OwnerKind.IMAGE, "sha256:other")
    assert freed_bytes(books, [app]) == 3
    assert freed_bytes(books, [app, other]) == 23


def test_a_recorded_parent_goes_with_its_own_children_only() -> None:
    seen = world(
        stored("base", BASE, tags=("base:1",)),
        stored("step", BASE, parent="base"),
        stored("app", BASE, COPY, parent="step"),
        listed=(image("base", "base:1"), image("app")),
    )
    assert hidden_parents(seen) == {Owner(OwnerKind.IMAGE, "sha256:step"): {Owner(OwnerKind.IMAGE, "sha256:app")}}


def test_without_a_record_of_the_parent_its_layers_tell() -> None:
    seen = world(stored("step", BASE, COPY), stored("app", BASE, COPY, MAKE), listed=(image("app"),))
    assert hidden_parents(seen) == {Owner(OwnerKind.IMAGE, "sha256:step"): {Owner(OwnerKind.IMAGE, "sha256:app")}}


def test_an_unlisted_image_that_nothing_is_built_on_keeps_what_it_holds() -> None:
    seen = world(stored("lost", BASE, COPY), stored("app", BASE, MAKE), listed=(image("app"),))
    books = account(seen, seen.studies[0]).books
    assert freed_bytes(books, [Owner(OwnerKind.IMAGE, "sha256:app")]) == 3


def test_the_category_still_holds_every_byte_and_says_what_can_go() -> None:
    seen = world(stored("step", BASE, COPY), stored("app", BASE, COPY, MAKE, parent="step"), listed=(image("app"),))
    row = account(seen, seen.studies[0]).ledger.row(Category.IMAGES)
    assert row.charged == Exact(123, row.charged.origin)
    assert row.reclaimable == Exact(123, row.reclaimable.origin)


def test_an_engine_that_did_not_list_its_images_hides_no_parent() -> None:
    seen = world(stored("step", BASE, COPY), listed=())
    mute = replace(seen, engine=replace(seen.engine, images=NOT_READ))
    assert hidden_parents(mute) == {}
