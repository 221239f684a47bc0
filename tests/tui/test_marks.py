"""What if: things are marked anywhere, the foot says what they free together, and their steps become a plan."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.command import CommandPalette

from collectors.model import Owner
from collectors.model.ledger import Category
from collectors.model.plan import Harm, Plan, Unlock
from tests.tui.build import exact
from tests.tui.incident import frames, incident
from tests.tui.screen import SIZES, lines, live, replay, settle, shown, text
from tests.tui.source import FakeSource
from tui.app import UllageApp
from tui.view_models.plan_run import HarmRow, plan_rows
from tui.widgets.item_table import ItemTable
from tui.widgets.plan import StepTable


def foot(app: UllageApp) -> str:
    """The line of what is marked."""
    return lines(app)[-2]


def owners_of(category: Category) -> frozenset[Owner]:
    ledger = incident().ledger
    assert ledger is not None
    return frozenset(item.owner_id for item in ledger.items[category])


async def test_space_marks_a_thing_and_the_foot_says_what_it_frees() -> None:
    app = live(FakeSource.showing(incident()))
    async with shown(app, (120, 36), ["2", "space"]) as pilot:
        table = app.query_one("#items", ItemTable)
        assert table.row is not None
        assert app.state.marked == {table.row.item.owner_id}
        assert "1 thing marked: " in foot(app)
        assert "come free" in foot(app)
        assert "●" in next(line for line in lines(app) if table.row.item.name[:8] in line and "Evidence" not in line)
        await pilot.press("space")
        await settle(pilot)
        assert not app.state.marked
        assert "marked" not in text(app)


async def test_space_on_a_category_marks_all_of_it_and_again_none_of_it() -> None:
    app = live(FakeSource.showing(incident()))
    async with shown(app, (120, 36), ["down", "space"]) as pilot:
        assert app.state.marked == owners_of(Category.IMAGES)
        assert app.state.marked_keys == {"images"}
        await pilot.press("space")
        await settle(pilot)
        assert not app.state.marked


async def test_several_things_are_told_as_a_lower_bound_where_no_table_tells_what_they_share() -> None:
    app = replay(incident())
    async with shown(app, (160, 40), ["down", "space"]):
        assert "≥" in foot(app)


async def test_p_opens_the_plan_of_what_is_marked_and_p_again_the_whole_one() -> None:
    app = live(FakeSource.showing(incident()))
    async with shown(app, (120, 36), ["space"]) as pilot:
        whole = app.state.chosen
        await pilot.press("p")
        await settle(pilot)
        assert app.state.view == "plan"
        assert app.state.of_marked
        assert "Plan of what is marked" in text(app)
        assert app.state.steps is not None
        assert app.state.chosen == {step.id for step in app.state.steps.every_step} != frozenset()
        await pilot.press("p")
        await settle(pilot)
        assert not app.state.of_marked
        assert app.state.chosen == whole
        await pilot.press("p", "escape")
        await settle(pilot)
        assert app.state.view == "plan"
        assert not app.state.of_marked
        await pilot.press("escape")
        await settle(pilot)
        assert app.state.view == "overview"
        assert app.state.marked
        await pilot.press("escape")
        await settle(pilot)
        assert not app.state.marked


async def test_only_the_steps_of_what_is_marked_are_applied() -> None:
    machine = FakeSource.showing(incident())
    app = live(machine)
    async with shown(app, (120, 36), ["space", "p", "a"]) as pilot:
        await pilot.press(*incident().host, "enter")
        await settle(pilot)
        (applied,) = machine.applied
        assert applied == {"s1"}


async def test_what_is_gone_with_the_next_scan_is_not_marked_any_more() -> None:
    report = incident()
    assert report.ledger is not None
    left = replace(
        report.ledger, items={**report.ledger.items, Category.ORPHANS: report.ledger.items[Category.ORPHANS][1:]}
    )
    machine = FakeSource([(report, True, ())], [(replace(report, ledger=left), True, ())])
    app = live(machine)
    async with shown(app, (120, 36), ["space"]) as pilot:
        before = app.state.marked
        assert before == owners_of(Category.ORPHANS)
        await pilot.press("r")
        await settle(pilot)
        assert len(app.state.marked) == len(before) - 1


async def test_a_click_on_the_mark_marks_and_a_click_on_the_line_opens_the_plan() -> None:
    app = live(FakeSource.showing(incident()))
    async with shown(app, (120, 36), ["2"]) as pilot:
        await pilot.click("#items", offset=(0, 2))
        await settle(pilot)
        assert len(app.state.marked) == 1
        await pilot.click("#marks", offset=(5, 0))
        await settle(pilot)
        assert app.state.view == "plan"
        assert app.state.of_marked


@pytest.mark.parametrize("size", [size for size in SIZES if size[1] >= 24])
async def test_the_bytes_of_what_is_marked_stand_at_every_size(size: tuple[int, int]) -> None:
    app = live(FakeSource.showing(incident()))
    async with shown(app, size, ["space"]):
        many = len(owners_of(Category.ORPHANS))
        assert foot(app).startswith(f" ● {many} things marked: ")
        assert "GiB" in foot(app)


async def test_the_palette_knows_things_by_name_and_goes_there() -> None:
    app = replay(incident())
    async with shown(app, (120, 36), ["ctrl+p"]) as pilot:
        assert isinstance(app.screen, CommandPalette)
        await pilot.press(*"pg-data")
        for _ in range(40):
            await pilot.pause(0.05)
            if "pg-data" in text(app):
                break
        await pilot.press("down", "enter")
        await settle(pilot)
        for _ in range(40):
            if app.state.view == "explore":
                break
            await pilot.pause(0.05)
        table = app.query_one("#items", ItemTable)
        assert table.row is not None
        assert "pg-data" in table.row.item.name


async def test_at_a_hundred_columns_every_view_has_its_whole_name() -> None:
    for app in (replay(*frames(4.0)), live(FakeSource.showing(incident()))):
        async with shown(app, (100, 30)):
            head = lines(app)[0]
            assert all(name in head for name in ("Overview", "Explore", "History", "Plan", "Churn", "Changes"))


def test_within_a_harm_the_largest_step_stands_first_and_each_harm_has_its_subtotal() -> None:
    plan = incident().plan
    first, second, third = (replace(plan.steps[0], id=name, harm=Harm.TIME) for name in "abc")
    made = Plan(
        (replace(first, frees=exact(1)), replace(second, frees=exact(0)), replace(third, frees=exact(50))),
        (Unlock(frozenset("a"), 1), Unlock(frozenset("bc"), 50)),
        (),
        for_person=(replace(first, id="d", harm=Harm.DATA, frees=exact(7)),),
    )
    head, *rows, data, person = plan_rows(made)
    assert isinstance(head, HarmRow)
    assert (head.frees_bytes, head.so_far_bytes) == (51, 51)
    assert [row.id for row in rows] == ["b", "c", "a"]  # what b frees together with c counts for both
    assert isinstance(data, HarmRow)
    assert data.harm is Harm.DATA
    assert person.id == "d"


async def test_space_on_the_head_of_a_harm_takes_all_its_steps() -> None:
    app = live(FakeSource.showing(incident()))
    async with shown(app, (120, 36), ["p", "g"]) as pilot:
        row = app.query_one(StepTable).row
        assert isinstance(row, HarmRow)
        await pilot.press("space")
        await settle(pilot)
        inside = row.ids <= app.state.chosen
        await pilot.press("space")
        await settle(pilot)
        assert (row.ids <= app.state.chosen) is not inside


@pytest.mark.parametrize("size", SIZES[1:])
async def test_the_names_of_the_steps_are_whole_and_the_first_harm_is_in_sight(size: tuple[int, int]) -> None:
    app = live(FakeSource.showing(incident()))
    async with shown(app, size, ["p"]):
        seen = text(app)
        plan = incident().plan
        first = plan_rows(plan)[1]
        assert first.id in {step.id for step in plan.steps}
        title = next(step.title for step in plan.steps if step.id == first.id)
        assert title in seen
        assert f" {plan.steps[0].harm.word} · " in seen or f" {plan.steps[0].harm.word} ─" in seen
