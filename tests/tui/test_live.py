"""A machine that is looked at while somebody works on the screen."""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta

from collectors.model.plan import Severity
from collectors.model.report import LiveFigures, Writer
from tests.tui.build import NOW
from tests.tui.incident import frames, incident
from tests.tui.screen import lines, live, settle, shown, text
from tests.tui.shapes import huge, starting
from tests.tui.source import FakeSource
from tui.feed.live import JournalRead, Ticked
from tui.view_models import space_of
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
        assert "312.0 GiB in 41 orphaned layers" in text(app)
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
        assert "41 orphaned layers" not in text(app)


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


MIB = 1 << 20


def figures(*, more_mib: int = 0, mib_per_s: int | None = 0, after_s: float = 1.0, writers: int = 0) -> LiveFigures:
    """The incident's disk a moment later."""
    space = space_of(incident())
    assert space is not None
    taken = more_mib * MIB
    moved = replace(space, free_bytes=space.free_bytes - taken, available_bytes=space.available_bytes - taken)
    fast = tuple(Writer("container", f"web-{at}[/]", None, (30 - 10 * at) * MIB) for at in range(writers))
    pace = None if mib_per_s is None else mib_per_s * MIB
    return LiveFigures("/var/lib/docker", NOW + timedelta(seconds=after_s), moved, pace, fast)


async def test_the_fill_moves_with_each_second_and_the_fastest_writer_is_named() -> None:
    app = live(FakeSource.showing(incident()))
    async with shown(app, (120, 36)) as pilot:
        assert "18.0 GiB left" in lines(app)[1]
        app.post_message(Ticked(figures(more_mib=2048, mib_per_s=20, writers=2), False))
        await settle(pilot)
        assert "16.0 GiB left · full in 13 min at +20.0 MiB/s · web-0[/] writes 30.0 MiB/s" in lines(app)[1]
        app.post_message(Ticked(figures(more_mib=-4096, mib_per_s=0, after_s=130.0), False))
        await settle(pilot)
        assert "22.0 GiB left" in lines(app)[1]
        assert "writes" not in lines(app)[1]
        assert "scanned 2 min ago" in lines(app)[0]


async def test_a_forecast_from_before_a_clean_up_is_not_shown_beside_the_fill_after_it() -> None:
    app = live(FakeSource.showing(incident()))
    async with shown(app, (120, 36)) as pilot:
        assert "full in 7 h" in lines(app)[1]
        app.post_message(Ticked(figures(more_mib=-500 << 10), False))
        await settle(pilot)
        assert "518.0 GiB left" in lines(app)[1]
        assert "full in" not in lines(app)[1]


async def test_a_scan_that_is_due_begins_by_itself_but_not_under_somebody_s_hands() -> None:
    machine = FakeSource.showing(incident())
    app = live(machine)
    async with shown(app, (120, 36)) as pilot:
        assert machine.asked == 1
        app.post_message(Ticked(figures(), True))
        await settle(pilot)
        assert machine.asked == 2
        await pilot.press("question_mark")
        app.post_message(Ticked(figures(), True))
        await settle(pilot)
        assert machine.asked == 2
        await pilot.press("escape", "4", "d")
        app.post_message(Ticked(figures(), True))
        await settle(pilot)
        assert machine.asked == 2


async def test_who_writes_stands_beside_what_changed() -> None:
    app = live(FakeSource.showing(incident()))
    async with shown(app, (120, 36), ["6"]) as pilot:
        assert "only a live dashboard sees who writes" in text(app)
        app.post_message(Ticked(figures(writers=3), False))
        await settle(pilot)
        assert "30.0 MiB/s" in text(app)
        assert "web-1[/]" in text(app)


async def test_where_no_look_comes_any_more_it_says_so() -> None:
    app = live(FakeSource.showing(incident()))
    async with shown(app, (120, 36)) as pilot:
        app.post_message(Ticked(figures(), False))
        await settle(pilot)
        app._ticked_s = time.monotonic() - 60
        app._miss_seconds()
        await settle(pilot)
        assert "NO ANSWER" in lines(app)[0]
        app.post_message(Ticked(figures(), False))
        await settle(pilot)
        assert "LIVE" in lines(app)[0]


async def test_a_journal_that_could_not_be_written_is_said_once() -> None:
    app = live(FakeSource.showing(incident()))
    async with shown(app, (120, 36)) as pilot:
        for _ in range(2):
            app.post_message(JournalRead((), ("cannot write /j: Read-only file system",)))
        await settle(pilot)
        assert len(app._notifications) == 1


async def test_how_history_comes_about_is_told_to_who_has_none_and_never_over_an_alarm() -> None:
    for report, told in ((replace(incident(), severity=Severity.P3), 1), (incident(), 0)):
        machine = FakeSource.showing(report)
        machine.hint = "a timer keeps it going"
        app = live(machine)
        async with shown(app, (80, 24)):
            assert ["a timer" in one.message for one in app._notifications] == [True] * told


async def test_nothing_soothes_while_the_disk_fills_within_hours() -> None:
    calm = replace(incident(), verdict="No action needed · 84.0 GiB in volume pg-data", severity=Severity.OK)
    app = live(FakeSource.showing(calm))
    async with shown(app, (120, 36)) as pilot:
        assert "No action needed" in text(app)
        app.post_message(Ticked(figures(mib_per_s=20, writers=1), False))
        await settle(pilot)
        assert "full in 15 min" in lines(app)[1]
        assert "No action needed" not in text(app)
        assert "84.0 GiB in volume pg-data" in text(app)
