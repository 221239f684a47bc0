from collectors.model.ledger import Category
from collectors.model.reading import Exact
from tests.tui.build import NOW, an_item, gib, missing
from tests.tui.incident import incident
from tui.view_models.chart import ChurnOrder, churn_rows
from tui.view_models.items import ItemOrder, age_of, facts, item_rows, items_of

C = Category
ITEMS = (
    an_item(C.IMAGES, "b", gib(10), gib(1), days_old=5),
    an_item(C.IMAGES, "a", gib(8), gib(8), days_old=1, owner="front-2"),
    an_item(C.IMAGES, "c", missing(), missing(), days_old=None),
)


def names(order: ItemOrder, filter_text: str = "") -> list[str]:
    return [row.item.name for row in item_rows(ITEMS, order, filter_text)]


def test_each_order_sorts_by_what_it_says_and_unread_items_come_last() -> None:
    assert names(ItemOrder.EXCLUSIVE) == ["a", "b", "c"]
    assert names(ItemOrder.REFERENCED) == ["b", "a", "c"]
    assert names(ItemOrder.AGE) == ["b", "a", "c"]
    assert names(ItemOrder.NAME) == ["a", "b", "c"]


def test_a_filter_looks_at_name_owner_and_state_in_any_case() -> None:
    assert names(ItemOrder.NAME, "FRONT") == ["a"]
    assert names(ItemOrder.NAME, "unused") == ["a", "b", "c"]
    assert names(ItemOrder.NAME, "nothing") == []


def test_the_same_question_is_answered_from_memory() -> None:
    assert item_rows(ITEMS, ItemOrder.NAME) is item_rows(ITEMS, ItemOrder.NAME)


def test_free_space_has_no_items() -> None:
    assert items_of(incident(), "free") == ()


def test_an_unknown_birth_is_no_age() -> None:
    assert age_of(ITEMS[2], NOW) is None


def words(item: object) -> str:
    return "\n".join("".join(bit.text for bit in line) for line in facts(item, NOW, si=False))  # type: ignore[arg-type]


def test_the_facts_of_an_orphan_name_every_source_that_does_not_know_it() -> None:
    item = items_of(incident(), "orphans")[0]
    seen = words(item)
    assert "5 owner sources read, none refers to it" in seen
    assert "BuildKit records" in seen
    assert isinstance(item.exclusive, Exact)
    assert f"{item.exclusive.value:,} B" in seen


def test_an_orphan_without_proof_says_so() -> None:
    assert "not enough to delete it" in words(an_item(C.ORPHANS, "x", gib(1)))


def test_an_unread_size_gives_its_reason() -> None:
    assert "? not permitted: needs root" in words(ITEMS[2])


def test_churn_is_worked_out_from_rebuilds_and_the_images_that_are_left() -> None:
    row = churn_rows(incident(), ChurnOrder.COST)[0]
    assert row.churn.repository == "registry.corp/ml/train"
    assert round(row.builds_per_day, 1) == 4.4
    assert row.per_build_bytes == gib(89.9) // 29
    assert row.shared_percent is not None
    assert round(row.shared_percent) == 84


def test_a_repository_without_images_has_no_shared_share() -> None:
    row = next(row for row in churn_rows(incident(), ChurnOrder.NAME, "evil"))
    assert row.shared_percent is None
