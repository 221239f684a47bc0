"""A machine that is looked at while somebody works on the screen."""

import asyncio
import time

from tests.tui.incident import frames, incident
from tests.tui.screen import lines, live, settle, shown, text
from tests.tui.shapes import huge, starting
from tests.tui.source import FakeSource
from tui.view_models.history import run_of_report
from tui.widgets.category_table import CategoryTable
from tui.widgets.item_table import ItemTable


async def test_a_rescan_keeps_the_row_under_the_cursor_even_when_the_order_changes() -> None:
    machine = FakeSource([(incident(), True, ())], [(incident(140.0), True, ())])
    app = live(machine)
    async with shown(app, (120, 36), ["down", "down", "down", "down"]) as pilot:
        table = app.query_one(CategoryTable)
        before = table.key
        order = [row.label.key for row in table.rows]
        await pilot.press("r")
        await settle(pilot)
        assert [row.label.key for row in table.rows] != order
        assert table.key == before == "logs"


async def test_a_rescan_keeps_the_scroll_position_of_a_long_list() -> None:
    app = live(FakeSource([(huge(2000), True, ())], [(huge(2000), True, ())]))
    async with shown(app, (120, 36)) as pilot:
        app.change(selected="images")
        await pilot.press("2", "G", "up", "up", "up")
        await settle(pilot)
        table = app.query_one("#items", ItemTable)
        key, top = table.key, table.scroll_offset.y
        assert top > 1000
        await pilot.press("r")
        await settle(pilot)
        assert (table.key, table.scroll_offset.y) == (key, top)


async def test_a_second_look_never_falls_back_to_question_marks() -> None:
    machine = FakeSource([(incident(), True, ())], [(starting(), False, ("walk",)), (incident(), True, ())])
    app = live(machine)
    async with shown(app, (120, 36)) as pilot:
        machine.gate.clear()
        await pilot.press("r")
        await settle(pilot)
        assert "READING" in text(app)
        assert "312.0 GiB in 41 btrfs subvolumes" in text(app)
        machine.gate.set()


async def test_stopping_a_scan_is_seen_at_once_and_late_results_are_dropped() -> None:
    machine = FakeSource([(starting(), False, ("walk",)), (incident(), True, ())])
    machine.gate.clear()
    app = live(machine)
    async with shown(app, (120, 36)) as pilot:
        began = time.monotonic()
        await pilot.press("x")
        await pilot.pause()
        assert time.monotonic() - began < 0.5
        assert "stopped with x" in text(app)
        machine.gate.set()
        await settle(pilot)
        assert "41 btrfs subvolumes" not in text(app)


async def test_leaving_does_not_wait_for_a_thread_that_hangs() -> None:
    machine = FakeSource([(starting(), False, ("walk",)), (incident(), True, ())])
    machine.gate.clear()
    app = live(machine)
    began = time.monotonic()
    async with shown(app, (120, 36), ["q"]):
        pass
    assert time.monotonic() - began < 3.0
    assert app.return_value == 0
    machine.gate.set()


async def test_a_journal_that_arrives_later_draws_the_curves() -> None:
    machine = FakeSource.showing(incident(), runs=[run_of_report(report) for report in frames(4.0)[:-1]])
    app = live(machine)
    async with shown(app, (120, 36)):
        row = next(line for line in lines(app) if "Orphaned layers" in line and "+50.1▲" in line)
        assert "▆▇" in row


async def test_looking_back_and_returning_to_the_present() -> None:
    machine = FakeSource.showing(incident(), runs=[run_of_report(report) for report in frames(2.0)[:-1]])
    app = live(machine)
    async with shown(app, (120, 36), ["3", "left", "left"]) as pilot:
        assert "REPLAY" in text(app)
        assert "22 Nov 23:12" in text(app)
        await pilot.press("end")
        await settle(pilot)
        assert "LIVE" in text(app)
        assert "99% full" in text(app)


async def test_a_scan_that_ends_while_the_past_is_shown_waits_for_the_present() -> None:
    machine = FakeSource([(incident(), True, ())], [(incident(), True, ())], runs=[run_of_report(incident(9.0))])
    app = live(machine)
    async with shown(app, (120, 36), ["3", "left"]) as pilot:
        app._start_scan()
        await asyncio.sleep(0.05)
        await settle(pilot)
        assert "REPLAY" in text(app)
        assert "18:12" in text(app)
