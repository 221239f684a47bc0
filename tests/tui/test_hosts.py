"""Several hosts: a tab and a line for each, a feed of its own for each, and nothing of one on the screen of another."""

from __future__ import annotations

import argparse
from dataclasses import replace
from datetime import timedelta

import pytest

from collectors.cli.command_line import parser
from collectors.model.plan import Severity
from collectors.model.reading import Why
from collectors.model.report import Report
from tests.tui.build import missing
from tests.tui.incident import incident
from tests.tui.screen import a_state, lines, settle, shown, text
from tests.tui.source import FakeSource
from tui.__main__ import _hosts_of
from tui.actions.hosts import HostTabs, host_line
from tui.app import UllageApp
from tui.drawing import Span
from tui.feed.live import LiveFeed


def calm(host: str) -> Report:
    """An early frame of the incident, when nothing was wrong yet."""
    return replace(incident(70.0), host=host, severity=Severity.OK, taken_at=incident().taken_at)


def of(*sources: FakeSource, rings: bool = False) -> UllageApp:
    hosts = [(f"tcp://host-{at}", LiveFeed(source)) for at, source in enumerate(sources)]
    return UllageApp(hosts[0][1], hosts=hosts, rings=rings)


def two() -> tuple[FakeSource, FakeSource]:
    return FakeSource.showing(calm("web-1")), FakeSource.showing(replace(incident(), host="db-1"))


@pytest.mark.parametrize("width", [60, 80, 120, 200])
async def test_it_opens_with_one_line_a_host_name_fill_severity_and_verdict(width: int) -> None:
    async with shown(of(*two()), (width, 30)) as pilot:
        await settle(pilot)
        app = pilot.app
        assert isinstance(app, UllageApp)
        seen = lines(app)
        assert "web-1" in seen[0]
        assert "db-1" in seen[0]
        row = next(line for line in seen[1:] if "db-1" in line and "P0" in line)
        assert "99%" in row
        assert "2 hosts" in text(app)


async def test_each_host_keeps_its_own_figures_and_the_view_stays() -> None:
    app = of(*two())
    async with shown(app, (120, 36), ["1"]) as pilot:
        assert app.state.report is not None
        assert app.state.report.host == "web-1"
        await pilot.press("3", "greater_than_sign")
        await settle(pilot)
        assert (app.state.report.host, app.state.view) == ("db-1", "history")
        assert "99%" in lines(app)[2]
        await pilot.press("less_than_sign")
        await settle(pilot)
        assert app.state.report.host == "web-1"


async def test_enter_and_a_click_on_a_tab_show_a_host() -> None:
    app = of(*two())
    async with shown(app, (120, 36)) as pilot:
        await pilot.press("down", "enter")
        await settle(pilot)
        assert app.state.report is not None
        assert (app.state.report.host, app.state.view) == ("db-1", "overview")
        await pilot.click(HostTabs, offset=(2, 0))
        await settle(pilot)
        assert app.state.report.host == "web-1"


async def test_a_scan_of_a_host_that_is_not_on_screen_changes_its_line_and_nothing_else() -> None:
    web, db = two()
    db.looks.append([(replace(calm("db-1"), taken_at=incident().taken_at + timedelta(minutes=1)), True, ())])
    app = of(web, db)
    async with shown(app, (120, 36), ["1"]) as pilot:
        before = app.state.frame
        with app._as(1):
            app._start_scan()
        await settle(pilot)
        assert [one.mark for one in app.state.hosts] == [Span(" ✔  ", "sev:0")] * 2
        assert app.state.frame is before
        assert (web.asked, db.asked) == (1, 2)


async def test_a_plan_of_one_host_never_runs_on_another() -> None:
    web, db = two()
    app = of(web, db)
    async with shown(app, (120, 36), ["greater_than_sign", "4", "a"]) as pilot:
        await pilot.press(*"db-1", "enter")
        await settle(pilot)
        assert web.applied == []
        assert len(db.applied) == 1


@pytest.mark.parametrize("rings", [False, True])
async def test_the_terminal_rings_once_when_a_host_becomes_critical_where_that_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, rings: bool
) -> None:
    web, db = two()
    web.looks.append([(replace(incident(), host="web-1\x1b]0;x", taken_at=incident().taken_at), True, ())])
    app = of(web, db, rings=rings)
    written: list[str] = []
    bells: list[None] = []
    monkeypatch.setattr(UllageApp, "bell", lambda self: bells.append(None))
    async with shown(app, (120, 36), ["1"]) as pilot:
        assert len(bells) == int(rings), "db-1 is critical from the start"
        assert app._driver is not None
        monkeypatch.setattr(app._driver, "write", written.append)
        for _ in range(2):
            app.action_rescan()
            await settle(pilot)
        assert len(bells) == 2 * rings
        told = [one for one in written if one.startswith("\x1b]9;")]
        assert len(told) == int(rings)
        assert all(one.count("\x1b") == 1 for one in told)


def asked(*words: str) -> argparse.Namespace:
    return parser("ullage").parse_args(words)


def test_several_hosts_are_named_with_host_and_remember_nothing() -> None:
    found = _hosts_of(asked("--host", "tcp://a:1", "--host", "tcp://b:1"))
    assert [name for name, _ in found] == ["tcp://a:1", "tcp://b:1"]
    assert all(feed._source._arguments.no_journal for _, feed in found)  # type: ignore[attr-defined]
    assert _hosts_of(asked("--host", "tcp://a:1")) == []
    assert _hosts_of(asked()) == []
    assert _hosts_of(asked("--demo", "--host", "tcp://a:1", "--host", "tcp://b:1")) == []


def test_a_host_whose_engine_does_not_answer_is_called_as_it_was_asked_for() -> None:
    """Its report knows no other name than that of the machine that asked."""
    silent = replace(incident(), engine=missing(Why.NOT_REACHABLE, "nobody listens"))
    assert host_line("tcp://a:1", a_state(incident())).name == incident().host
    assert host_line("tcp://a:1", a_state(silent)).name == "tcp://a:1"
