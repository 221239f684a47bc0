"""Explore by who is to be billed: projects, stacks, repositories, labels; exclusive and shared, logs and volumes."""

from __future__ import annotations

from dataclasses import replace

from collectors.model.ledger import Bill
from collectors.model.reading import AtLeast
from collectors.model.report import Report
from tests.tui.build import exact, gib, missing
from tests.tui.incident import incident
from tests.tui.screen import replay, settle, shown, text
from tui.widgets.item_table import BillTable, ItemTable


def billed() -> Report:
    gap = missing()
    bills = (
        Bill("project", "shop", 5, exact(gib(12)), exact(gib(3)), exact(gib(2)), exact(gib(7))),
        Bill("project", "", 2, exact(gib(1)), exact(0), exact(0), exact(0)),
        Bill("repository", "shop/app", 9, AtLeast(gib(4), (gap,), gap.origin), exact(0), exact(0), exact(0)),
        Bill("label:team", "blue\n## Forged", 1, exact(gib(1)), exact(0), exact(0), exact(0)),
    )
    return replace(incident(), bills=bills)


async def test_b_shows_each_kind_of_bill_in_place_of_the_items_and_then_the_items_again() -> None:
    app = replay(billed())
    async with shown(app, (120, 36), ["2", "b"]) as pilot:
        page = text(app)
        assert "Bills by project: 2" in page
        (head,) = [line for line in page.splitlines() if "Excl." in line and "Volumes" in line]
        (line,) = [line for line in page.splitlines() if " shop " in line and "12.0" in line]
        for title, figure in (("Excl.", "12.0"), ("Shared", "3.0"), ("Logs", "2.0"), ("Volumes", "7.0")):
            assert head.index(title) + len(title) == line.index(f" {figure} ") + 1 + len(figure), title
        assert "(none)" in page
        assert "12.0 GiB" in page
        assert "freed when all of the group goes" in page
        assert isinstance(app.focused, BillTable)
        await pilot.press("j")
        await settle(pilot)
        assert "2 things" in text(app)
        await pilot.press("b")
        await settle(pilot)
        assert "Bills by repository: 1" in text(app)
        assert "≥ 4.0 GiB" in text(app)
        await pilot.press("b")
        await settle(pilot)
        assert "Bills by label team: 1" in text(app)
        assert not any(line.strip(" │").startswith("## Forged") for line in text(app).splitlines())
        await pilot.press("b")
        await settle(pilot)
        assert "Bills by" not in text(app)
        assert isinstance(app.focused, ItemTable)


async def test_bills_are_narrowed_by_name_and_another_category_lists_its_items() -> None:
    app = replay(billed())
    async with shown(app, (120, 36), ["2", "b", "slash", *"sho", "enter"]) as pilot:
        assert "Bills by project: 1" in text(app)
        await pilot.press("escape", "1", "down", "enter")
        await settle(pilot)
        assert "Bills by" not in text(app)
        assert app.query_one(ItemTable).display


async def test_where_nothing_can_be_billed_it_says_so_and_stays() -> None:
    app = replay(incident())
    async with shown(app, (120, 36), ["2", "b"]):
        assert app.state.bill_kind == ""
        assert app.query_one(ItemTable).display


async def test_on_a_narrow_screen_the_exclusive_bytes_stay() -> None:
    app = replay(billed())
    async with shown(app, (60, 24), ["2", "b"]):
        (line,) = [line for line in text(app).splitlines() if " shop " in line and "12.0" in line]
        assert "3.0" in line
