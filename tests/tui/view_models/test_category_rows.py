from collectors.model.ledger import Category
from collectors.model.reading import Unavailable
from tests.tui.build import a_filesystem, a_ledger, a_report, a_row, exact, gib, missing
from tests.tui.incident import a_history, incident
from tui.view_models import NO_HISTORY, Frame
from tui.view_models.categories import CategoryOrder, category_rows

C = Category


def keys(order: CategoryOrder) -> list[str]:
    return [row.label.key for row in category_rows(Frame(incident(), a_history()), order)]


def test_the_largest_category_comes_first_and_free_space_last() -> None:
    assert keys(CategoryOrder.SIZE)[:3] == ["orphans", "images", "volumes"]
    assert keys(CategoryOrder.SIZE)[-1] == "free"


def test_other_orders_sort_by_what_they_say() -> None:
    assert keys(CategoryOrder.RECLAIMABLE)[:3] == ["orphans", "build_cache", "images"]
    assert keys(CategoryOrder.CHANGE)[0] == "orphans"
    titles = [row.label.title for row in category_rows(Frame(incident(), a_history()), CategoryOrder.NAME)]
    assert titles[:12] == sorted(titles[:12])


def test_an_unread_category_keeps_its_reason_and_is_charged_nothing() -> None:
    rows = {C.IMAGES: a_row(C.IMAGES, exact(gib(10))), C.ORPHANS: a_row(C.ORPHANS, missing(), missing())}
    rows[C.UNATTRIBUTED] = a_row(C.UNATTRIBUTED, exact(gib(40)))
    report = a_report(a_ledger(a_filesystem(gib(100), gib(50)), rows, {}))
    found = {row.label.key: row for row in category_rows(Frame(report, NO_HISTORY))}
    assert isinstance(found["orphans"].size, Unavailable)
    assert found["orphans"].share_percent is None
    assert found["orphans"].held_bytes == 0
    assert sum(row.held_bytes for row in found.values()) == gib(100)


def test_what_is_reserved_for_root_has_a_row_of_its_own() -> None:
    report = a_report(a_ledger(a_filesystem(gib(100), gib(50), reserved=gib(5), fstype="ext4"), {}, {}))
    found = {row.label.key: row.held_bytes for row in category_rows(Frame(report, NO_HISTORY))}
    assert (found["reserved"], found["free"]) == (gib(5), gib(45))


def test_a_change_comes_from_a_run_a_day_ago_and_is_unknown_without_one() -> None:
    with_past = {row.label.key: row for row in category_rows(Frame(incident(), a_history()))}
    assert with_past["orphans"].change_24h_bytes == gib(312.0) - gib(312.0 - 50.1)
    bare = a_report(a_ledger(a_filesystem(gib(100), gib(50)), {C.IMAGES: a_row(C.IMAGES, exact(gib(50)))}, {}))
    assert all(row.change_24h_bytes is None for row in category_rows(Frame(bare, NO_HISTORY)))


def test_without_a_ledger_there_are_no_rows() -> None:
    assert category_rows(Frame(a_report(None), NO_HISTORY)) == ()
