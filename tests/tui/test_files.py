"""Enter on a thing opens its files: the largest first, one directory at a time, and nothing there can be changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from collectors.pipeline.browse import FilePlace
from tests.tui.incident import incident
from tests.tui.screen import live, replay, settle, shown, text
from tests.tui.source import FakeSource
from tui.app import UllageApp
from tui.screens.browser import Browser, FilesTable
from tui.screens.modals import Page

VOLUME = "pg-data"


@pytest.fixture
def machine(tmp_path: Path) -> FakeSource:
    """A volume with a large directory, a small file, and a name that would colour the screen."""
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "table").write_bytes(b"x" * 400_000)
    (tmp_path / "small").write_bytes(b"x" * 5_000)
    (tmp_path / os.fsdecode(b"[red]\x1b[31m")).touch()
    source = FakeSource.showing(incident())
    source.where[VOLUME] = (FilePlace(VOLUME, str(tmp_path), None),)
    return source


async def until(pilot: Pilot[int], seen: Callable[[], bool]) -> None:
    for _ in range(100):
        if seen():
            return
        await pilot.pause(0.05)
    raise AssertionError("not seen")


def files(app: UllageApp) -> list[str]:
    return [row.name for row in app.screen.query_one(FilesTable).rows]


async def test_from_the_first_screen_to_the_file_with_three_keys(machine: FakeSource) -> None:
    app = live(machine)
    async with shown(app, (120, 36)) as pilot:
        app.change(selected="volumes")
        await pilot.press("2", "enter")
        assert isinstance(app.screen, Browser)
        await until(pilot, lambda: files(app)[:2] == ["base", "small"])
        assert "[red]␛[31m" in text(app)
        await pilot.press("enter")
        await until(pilot, lambda: files(app) == ["table"])
        assert "pg-data/base" in text(app)


async def test_left_goes_up_to_where_one_came_from_and_escape_closes(machine: FakeSource) -> None:
    app = live(machine)
    async with shown(app, (80, 24)) as pilot:
        app.change(selected="volumes")
        await pilot.press("2", "enter")
        await until(pilot, lambda: len(files(app)) == 3)
        await pilot.press("enter")
        await until(pilot, lambda: files(app) == ["table"])
        await pilot.press("left")
        await until(pilot, lambda: len(files(app)) == 3)
        await pilot.press("s")
        assert sorted(files(app)[:2]) != ["base", "small"] or len(files(app)) == 3
        await pilot.press("escape")
        await settle(pilot)
        assert not isinstance(app.screen, Browser)
        assert app.state.view == "explore"


async def test_several_places_are_listed_first(machine: FakeSource, tmp_path: Path) -> None:
    machine.where[VOLUME] = (
        FilePlace("top", str(tmp_path / "base"), 400_000),
        FilePlace("bottom", str(tmp_path), 5_000),
    )
    app = live(machine)
    async with shown(app, (120, 36)) as pilot:
        app.change(selected="volumes")
        await pilot.press("2", "enter")
        assert files(app) == ["top", "bottom"]
        await pilot.press("enter")
        await until(pilot, lambda: files(app) == ["table"])
        await pilot.press("backspace")
        assert files(app) == ["top", "bottom"]


async def test_a_recording_has_no_files_and_says_all_that_is_known() -> None:
    app = replay(incident())
    async with shown(app, (120, 36)) as pilot:
        app.change(selected="volumes")
        await pilot.press("2", "enter")
        assert isinstance(app.screen, Page)
        assert "freed if only this is removed" in text(app)


async def test_a_directory_that_cannot_be_read_says_why(machine: FakeSource, tmp_path: Path) -> None:
    machine.where[VOLUME] = (FilePlace(VOLUME, str(tmp_path / "gone"), None),)
    app = live(machine)
    async with shown(app, (120, 36)) as pilot:
        app.change(selected="volumes")
        await pilot.press("2", "enter")
        await until(pilot, lambda: "No such file" in text(app))
