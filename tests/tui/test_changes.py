"""The view of what changed: which moment is compared with, what its rows say, and where there is nothing to compare."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from collectors.model import Owner, OwnerKind
from collectors.model.ledger import Category, Ledger
from collectors.model.plan import Severity
from collectors.model.report import Report
from tests.tui.build import NOW
from tests.tui.incident import frames, incident
from tests.tui.screen import live, replay, shown, text
from tests.tui.source import FakeSource
from tui.screens.changes import ChangesTable
from tui.screens.modals import Page
from tui.view_models.state import Since

EVERY_4_H = frames(4.0)


def without_things(report: Report) -> Report:
    """As reports were recorded before ledgers told of things."""
    assert report.ledger is not None
    return replace(report, ledger=replace(report.ledger, things=None))


async def test_the_run_of_a_day_ago_is_compared_with_and_the_rows_sum_to_the_change_of_used() -> None:
    app = replay(*EVERY_4_H)
    async with shown(app, (120, 36), ["6"]):
        found = app.state.changes
        assert found is not None
        assert found.after_at - found.before_at == timedelta(days=1)
        rows = app.query_one(ChangesTable).rows
        assert sum(row.bytes for row in rows if row.is_category) == found.bytes
        assert "1 d 0 h before" in text(app)


async def test_comma_and_full_stop_choose_the_moment() -> None:
    app = replay(*EVERY_4_H)
    async with shown(app, (120, 36), ["6", "full_stop", "full_stop"]) as pilot:
        assert app.state.since == Since.HOUR
        assert app.state.changes is not None
        assert app.state.changes.before_at == EVERY_4_H[-2].taken_at
        for _ in range(9):
            await pilot.press("comma")
        assert app.state.since.name == Since.FIRST.name
        assert app.state.changes.before_at == EVERY_4_H[0].taken_at


async def test_a_young_history_is_compared_with_its_first_run_and_says_so() -> None:
    app = replay(incident(1.0), incident())
    async with shown(app, (120, 36), ["6"]):
        assert app.state.changes is not None
        assert app.state.changes.before_at == NOW - timedelta(hours=1)
        assert "no run is of 24 h ago" in text(app)


async def test_the_first_run_has_nothing_to_be_compared_with() -> None:
    app = replay(*EVERY_4_H)
    async with shown(app, (120, 36), ["6", "home"]):
        assert app.state.changes is None
        assert "No earlier run is known yet" in text(app)


async def test_moving_through_time_moves_the_comparison() -> None:
    app = replay(*EVERY_4_H)
    async with shown(app, (120, 36), ["6", "left"]) as pilot:
        assert app.state.changes is not None
        assert app.state.changes.after_at == EVERY_4_H[-2].taken_at
        await pilot.press("end")
        assert app.state.changes.after_at == EVERY_4_H[-1].taken_at


async def test_enter_shows_how_one_thing_went() -> None:
    app = replay(*EVERY_4_H)
    async with shown(app, (120, 36), ["6", "down", "enter"]):
        assert isinstance(app.screen, Page)
        assert "2025" in text(app)
        assert "shown" in text(app)


async def test_a_recording_without_things_is_compared_by_category() -> None:
    app = replay(*map(without_things, EVERY_4_H))
    async with shown(app, (120, 36), ["6"]):
        rows = app.query_one(ChangesTable).rows
        assert rows
        assert all(row.is_category for row in rows)


async def test_live_without_a_journal_it_says_that_nothing_earlier_is_known() -> None:
    app = live(FakeSource.showing(incident()))
    async with shown(app, (120, 36), ["6"]):
        assert "No earlier run is known yet" in text(app)


async def test_of_a_category_with_many_changes_the_largest_are_shown_and_all_are_found() -> None:
    app = replay(*EVERY_4_H)
    async with shown(app, (120, 36), ["6"]) as pilot:
        table = app.query_one(ChangesTable)
        orphans = [row for row in table.rows if row.category == "orphans"]
        assert len([row for row in orphans if row.kind]) == 5
        assert sum(row.bytes for row in orphans[1:]) == orphans[0].bytes
        assert "more: / finds them" in text(app)
        await pilot.press("slash", *"grew")
        assert len([row for row in table.rows if row.kind == "grew"]) > len(orphans)


async def test_braces_and_the_slider_pick_the_earlier_run_and_a_name_takes_it_back() -> None:
    app = replay(*EVERY_4_H)
    async with shown(app, (120, 36), ["6", "left_curly_bracket"]) as pilot:
        found = app.state.changes
        assert found is not None
        assert found.before_at == NOW - timedelta(hours=28)
        assert "the run picked" in text(app)
        begin, end = app.state.period or (NOW, NOW)
        app.pick(begin + (end - begin) / 4)
        assert app.state.changes is not None
        assert app.state.changes.before_at == min(
            (report.taken_at for report in EVERY_4_H), key=lambda at: abs(at - begin - (end - begin) / 4)
        )
        assert app.state.changes.after_at == found.after_at
        app.pick(end - timedelta(hours=8))
        assert app.state.changes is not None
        assert app.state.changes.after_at == NOW - timedelta(hours=8), "the nearer of the two moves"
        await pilot.press("comma")
        assert app.state.since == Since.DAY


async def test_moments_have_names_before_the_deploy_and_the_last_p1() -> None:
    app = replay(*EVERY_4_H)
    async with shown(app, (120, 36), ["6"]):
        history = app.state.frame.history if app.state.frame is not None else None
        assert history is not None
        p1 = max(one.at for one in history.events if one.severity >= Severity.P1 and one.at < NOW)
        app.change(since=Since.LAST_P1)
        assert app.state.changes is not None
        assert app.state.changes.before_at == p1
        app.change(since=Since.DEPLOY)
        assert app.state.changes is None
        assert "is not among the known runs" in text(app)


async def test_before_the_deploy_is_the_run_before_the_new_image() -> None:
    deployed = [replace(report, ledger=renamed(report)) if at > 9 else report for at, report in enumerate(EVERY_4_H)]
    app = replay(*deployed)
    async with shown(app, (120, 36), ["6"]):
        app.change(since=Since.DEPLOY)
        assert app.state.changes is not None
        assert app.state.changes.before_at == EVERY_4_H[9].taken_at
        names = [command.title for command in app.get_system_commands(app.screen)]
        assert "Changes since the run before the last deploy" in names


def renamed(report: Report) -> Ledger:
    """The same books with one image more."""
    assert report.ledger is not None
    images = report.ledger.items[Category.IMAGES]
    new = replace(images[0], name="shop/new:1", state="in use", owner_id=Owner(OwnerKind.IMAGE, "sha256:" + "9" * 64))
    return replace(report.ledger, items={**report.ledger.items, Category.IMAGES: (*images, new)})
