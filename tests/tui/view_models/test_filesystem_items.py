from dataclasses import replace

from collectors.model import SubvolumeId, UnitId
from collectors.model.btrfs import Btrfs, Holding, Sharing, Subvolume
from collectors.model.reading import AtLeast, Exact, Reading, Unavailable, Why
from collectors.model.report import Report
from collectors.model.snapshot import own_items
from tests.tui.build import HERE, exact, gib, missing
from tests.tui.incident import incident
from tests.tui.screen import replay, settle, shown, text
from tui.view_models import NO_HISTORY, Frame
from tui.view_models.categories import category_rows, extra_rows


def a_subvolume(number: int, path: str, *, parent_uuid: str = "", deleted: bool = False) -> Subvolume:
    return Subvolume(SubvolumeId(number), None, path, f"u{number}", parent_uuid, 7, False, None, deleted)


def a_holding(unit: str, data: int, own: int, metadata: int | None = 4096) -> Holding:
    return Holding(UnitId(unit), data, own, metadata, None if metadata is None else 0, data, 10)


def sharing(*holdings: Holding) -> Sharing:
    return Sharing(
        generation=9, method="device trees", fallback="", rows=(), holdings=holdings, tree_metadata_bytes=0,
        residual_data_bytes=0, residual_metadata_bytes=0, drift_data_bytes=0, drift_metadata_bytes=0, bookend_bytes=0,
        compressed_bytes=0, uncompressed_bytes=0, unresolved=(), blocks_read=1, restarts=0, age_s=0.0,
    )  # fmt: skip


def on_btrfs(shared: Reading[Sharing]) -> Report:
    listed = (
        a_subvolume(256, "@docker/btrfs/subvolumes/aaa"),
        a_subvolume(257, "@docker/btrfs/subvolumes/bbb", parent_uuid="u256"),
        a_subvolume(300, "<deleted>", deleted=True),
        a_subvolume(301, "[red]x[/]"),
    )
    none = missing(Why.NOT_ASKED, "not asked")
    facts = Btrfs(
        "fs", False, none, 16384, 4096, none, none, none, none, none, none, none, Exact(listed, HERE), none, shared
    )
    return replace(incident(), filesystem_facts=Exact(facts, HERE))


SHARED = sharing(
    a_holding("@docker/btrfs/subvolumes/aaa", gib(3), gib(1)),
    a_holding("@docker/btrfs/subvolumes/bbb", gib(5), gib(4)),
    a_holding("<deleted>/300", gib(1), gib(1), None),
)


def test_subvolumes_are_listed_with_what_they_refer_to_largest_first() -> None:
    items = own_items(on_btrfs(Exact(SHARED, HERE)).filesystem_facts)
    assert [item.name.rpartition("/")[2] for item in items] == ["bbb", "aaa", "<deleted>", "]"]
    assert items[0].referenced == exact(gib(5) + 4096)
    assert items[0].state == "snapshot"
    assert items[2].state == "pending"


def test_metadata_that_was_not_told_apart_leaves_a_floor() -> None:
    assert isinstance(own_items(on_btrfs(Exact(SHARED, HERE)).filesystem_facts)[2].referenced, AtLeast)


def test_a_subvolume_without_a_line_in_the_table_is_unread_and_not_empty() -> None:
    assert isinstance(own_items(on_btrfs(Exact(SHARED, HERE)).filesystem_facts)[3].exclusive, Unavailable)
    assert all(isinstance(item.referenced, Unavailable) for item in own_items(on_btrfs(missing()).filesystem_facts))


def test_subvolumes_have_no_bytes_in_the_bar() -> None:
    frame = Frame(on_btrfs(Exact(SHARED, HERE)), NO_HISTORY)
    assert sum(row.held_bytes for row in extra_rows(frame)) == 0
    assert "subvolumes" not in {row.label.key for row in category_rows(frame)}


def test_another_filesystem_has_none() -> None:
    assert own_items(incident().filesystem_facts) == ()


async def test_explore_lists_the_subvolumes_beside_the_categories() -> None:
    app = replay(on_btrfs(Exact(SHARED, HERE)))
    async with shown(app, (120, 36), ["2", "shift+tab", "G"]) as pilot:
        await settle(pilot)
        seen = text(app)
        assert "All subvolumes" in seen
        assert "4 ×" in seen
        assert "btrfs/subvolumes/bbb" in seen
        assert "[red]x[/]" in seen
