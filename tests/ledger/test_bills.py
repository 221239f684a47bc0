"""Bills: what each project, stack, label or repository holds alone, and what beside others."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from collectors.ledger import account
from collectors.ledger.bills import ALWAYS, PROJECT, REPOSITORY, SERVICE, STACK, bills
from collectors.ledger.release_table import freed_bytes
from collectors.model import ContainerId, ImageId, Owner, OwnerKind
from collectors.model.engine import Attachment, Container, Image, Volume
from collectors.model.ledger import Bill, Category
from collectors.model.reading import AtLeast, Exact, charged
from collectors.model.snapshot import Snapshot
from collectors.model.store import UnitKind
from tests.ledger.build import HERE, NOT_READ, occupancy, share, snapshot, study, unit
from tests.world import a_view

COMPOSE = "com.docker.compose.project"


def container(name: str, image: str, labels: Mapping[str, str], *volumes: str) -> Container:
    return Container(
        id=ContainerId(name),
        name=name,
        image_id=ImageId(image),
        image=image,
        state="running",
        created_at=NOT_READ,
        finished_at=NOT_READ,
        writable=NOT_READ,
        rootfs=NOT_READ,
        labels=labels,
        command="",
        pid=NOT_READ,
        log_driver=NOT_READ,
        log_path=NOT_READ,
        log_options={},
        attachments=tuple(Attachment("volume", f"/v/{name}", "/data", name, True) for name in volumes),
        layer_path=NOT_READ,
    )


def image(name: str, *tags: str, labels: Mapping[str, str] | None = None) -> Image:
    return Image(ImageId(name), tags, (), NOT_READ, NOT_READ, NOT_READ, NOT_READ, labels or {}, NOT_READ)


def volume(name: str, labels: Mapping[str, str] | None = None) -> Volume:
    return Volume(name, "local", f"/v/{name}", labels or {}, {}, NOT_READ, False, NOT_READ, NOT_READ)


def two_projects() -> Snapshot:
    """shop and blog stand on one base image; shop has a volume of its own, and one that both use."""
    shop, blog = {COMPOSE: "shop"}, {COMPOSE: "blog", "team": "b"}
    units = (
        unit("base", UnitKind.IMAGE_LAYER, "image:app", "image:blog"),
        unit("app", UnitKind.IMAGE_LAYER, "image:app"),
        unit("old", UnitKind.IMAGE_LAYER, "image:old"),
        unit("rw-web", UnitKind.WRITABLE_LAYER, "container:web"),
        unit("log-web", UnitKind.LOG, "log:web"),
        unit("rw-cms", UnitKind.WRITABLE_LAYER, "container:cms"),
        unit("pg", UnitKind.VOLUME, "volume:pg"),
        unit("both", UnitKind.VOLUME, "volume:both"),
        unit("alone", UnitKind.VOLUME, "volume:alone"),
    )
    sizes = {
        "base": 100,
        "app": 20,
        "old": 7,
        "rw-web": 3,
        "log-web": 40,
        "rw-cms": 5,
        "pg": 200,
        "both": 60,
        "alone": 9,
    }
    view = a_view(
        NOT_READ,
        containers=(container("web", "app", shop, "pg", "both"), container("cms", "blog", blog, "both")),
        images=(image("app", "shop/app:1", "shop/app:latest"), image("blog", "blog:1"), image("old")),
        volumes=(volume("pg"), volume("both"), volume("alone")),
    )
    held = occupancy(tuple(share(count, name) for name, count in sizes.items()))
    return snapshot(study(units, Exact(held, HERE), used=1000), view)


def billed(host: Snapshot, *kinds: str, old: Mapping[ImageId, str] | None = None) -> dict[str, Bill]:
    books = [account(host, one).books for one in host.studies]
    return {bill.name: bill for bill in bills(host, books, old or {}, kinds)}


def figures(bill: Bill) -> tuple[int, int, int, int]:
    return (charged(bill.exclusive), charged(bill.shared), charged(bill.logs), charged(bill.volumes))


def test_a_project_is_billed_for_what_goes_with_it_and_told_what_it_shares() -> None:
    found = billed(two_projects(), PROJECT)
    assert list(found) == ["shop", "blog", ""]
    # Its layer, log, image's own layer and volume; the base image and the second volume stand beside blog.
    assert figures(found["shop"]) == (3 + 40 + 20 + 200, 100 + 60, 40, 260)
    assert figures(found["blog"]) == (5, 100 + 60, 0, 60)
    assert figures(found[""]) == (7 + 9, 0, 0, 9)


def test_the_tasks_of_a_swarm_service_are_billed_together_and_those_of_a_stack_with_their_services() -> None:
    labels = {"com.docker.swarm.service.name": "shop_web", "com.docker.stack.namespace": "shop"}
    units = tuple(unit(f"rw-{n}", UnitKind.WRITABLE_LAYER, f"container:shop_web.1.{n}") for n in range(3))
    units += (unit("rw-solo", UnitKind.WRITABLE_LAYER, "container:solo"),)
    tasks = tuple(container(f"shop_web.1.{n}", "app", labels) for n in range(3))
    view = a_view(NOT_READ, containers=(*tasks, container("solo", "app", {})), images=())
    held = occupancy(tuple(share(10, one.id) for one in units))
    host = snapshot(study(units, Exact(held, HERE), used=1000), view)
    for kind, name in ((SERVICE, "shop_web"), (STACK, "shop")):
        found = billed(host, kind)
        assert (figures(found[name])[0], figures(found[""])[0]) == (30, 10)
    items = account(host, host.studies[0]).ledger.items[Category.CONTAINERS]
    assert {item.owner for item in items} == {"service shop_web, app", "app"}


def test_a_label_of_ones_own_choice() -> None:
    found = billed(two_projects(), "label:team")
    assert figures(found["b"]) == (5, 160, 0, 60)
    assert billed(two_projects(), "label:nobody") == {}


def test_a_repository_is_billed_over_all_its_tags_and_for_old_images() -> None:
    found = billed(two_projects(), REPOSITORY, old={ImageId("old"): "shop/app"})
    assert figures(found["shop/app"])[:2] == (20 + 7, 100)
    assert figures(found["blog"])[:2] == (0, 100)
    assert "" not in found
    assert figures(billed(two_projects(), REPOSITORY)[""])[:2] == (7, 0)


def test_what_was_not_read_makes_a_bill_a_lower_bound() -> None:
    host = two_projects()
    part = host.studies[0]
    assert isinstance(part.occupancy, Exact)
    cut = study(part.units, Exact(occupancy(part.occupancy.value.shares, (NOT_READ,)), HERE), used=1000)
    found = billed(snapshot(cut, host.engine), PROJECT)
    assert isinstance(found["shop"].exclusive, AtLeast)
    assert charged(found["shop"].exclusive) == 263


NAMES = ("a", "b", "c", "d")
SHARES = st.lists(st.tuples(st.integers(1, 99), st.sets(st.sampled_from(NAMES), min_size=1)), min_size=1, max_size=8)


@given(SHARES, st.tuples(*[st.sampled_from(["", "x", "y"])] * len(NAMES)))
def test_a_bill_is_what_removing_the_group_frees(shares: list[tuple[int, set[str]]], labels: tuple[str, ...]) -> None:
    units = tuple(unit(name, UnitKind.IMAGE_LAYER, f"image:{name}") for name in NAMES)
    held = occupancy(tuple(share(count, *sorted(names)) for count, names in shares))
    marked = tuple(
        image(name, f"{name}:1", labels={"team": label} if label else {})
        for name, label in zip(NAMES, labels, strict=True)
    )
    host = snapshot(
        study(units, Exact(held, HERE), used=5000), a_view(NOT_READ, images=marked, containers=(), volumes=())
    )
    books = account(host, host.studies[0]).books
    found = billed(host, "label:team")
    for label in {"x", "y", ""} if set(labels) - {""} else ():
        mine = [Owner(OwnerKind.IMAGE, name) for name, its in zip(NAMES, labels, strict=True) if its == label]
        if mine:
            assert charged(found[label].exclusive) == freed_bytes(books, mine)
            touched = sum(count for count, names in shares if names & {one.id for one in mine})
            assert charged(found[label].exclusive) + charged(found[label].shared) == touched


def test_the_bills_of_a_kind_never_count_a_byte_as_exclusive_twice() -> None:
    host = two_projects()
    for kind in (*ALWAYS, "label:team"):
        exclusive = [charged(bill.exclusive) for bill in billed(host, kind).values()]
        assert sum(exclusive) <= 444
        assert all(one >= 0 for one in exclusive)
