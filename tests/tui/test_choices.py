"""What a person chose is there again the next time, and no file that is kept of it stops a start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tui.incident import frames
from tests.tui.screen import settle
from tui import launch
from tui.app import UllageApp
from tui.drawing.terminal import Charset
from tui.export import Choices, keep_choices, kept_choices
from tui.feed import ReplayFeed
from tui.view_models.categories import CategoryOrder, Units
from tui.view_models.items import ItemOrder

CHOSEN = Choices("churn", "ullage-light", Units.SI, CategoryOrder.NAME, ItemOrder.AGE)


def test_choices_are_read_as_they_were_kept(tmp_path: Path) -> None:
    keep_choices(tmp_path / "new" / "dashboard.json", CHOSEN)
    assert kept_choices(tmp_path / "new" / "dashboard.json") == CHOSEN
    assert [one.name for one in (tmp_path / "new").iterdir()] == ["dashboard.json"]


@pytest.mark.parametrize(
    "kept",
    [
        b"",
        b"\xff\xfe",
        b"[1, 2]",
        b"[" * 100_000,
        b'{"view": 5, "theme": "no such", "units": 7, "order": null, "item_order": ["age"]}',
        b'{"theme": {"a": 1}}',
    ],
)
def test_a_bad_file_counts_as_nothing_chosen(tmp_path: Path, kept: bytes) -> None:
    (tmp_path / "dashboard.json").write_bytes(kept)
    assert kept_choices(tmp_path / "dashboard.json") == Choices()


def test_one_bad_value_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "dashboard.json").write_text('{"view": "plan", "units": "furlongs", "order": "name"}')
    assert kept_choices(tmp_path / "dashboard.json") == Choices(view="plan", order=CategoryOrder.NAME)


def test_a_folder_that_takes_nothing_is_let_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    keep_choices(tmp_path / "file" / "dashboard.json", CHOSEN)
    assert kept_choices(tmp_path / "file" / "dashboard.json") == Choices()
    (tmp_path / "dashboard.json").mkdir()
    assert kept_choices(tmp_path / "dashboard.json") == Choices()
    keep_choices(tmp_path / "dashboard.json", CHOSEN)


def at_the_end(monkeypatch: pytest.MonkeyPatch, path: Path, *keys: str, theme: str | None = None) -> UllageApp:
    """A whole visit: started as the command starts it, `keys` pressed, left."""
    monkeypatch.setattr(launch, "charset_of", lambda *_: Charset.FULL)
    monkeypatch.setenv("COLORTERM", "truecolor")
    shown: list[UllageApp] = []

    async def visit(app: UllageApp) -> int | None:
        shown.append(app)
        async with app.run_test(size=(120, 36)) as pilot:
            await settle(pilot)
            for key in keys:
                await pilot.press(key)
            await settle(pilot)
        return 0

    monkeypatch.setattr(launch, "_shown", visit)
    assert launch.run(ReplayFeed.of_reports(frames(24.0)), theme=theme, choices=path) == 0
    return shown[0]


def test_view_sort_units_and_theme_are_there_again_the_next_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "dashboard.json"
    first = at_the_end(monkeypatch, path, "s", "u", "T", "2", "s")
    again = at_the_end(monkeypatch, path)
    for name in ("view", "order", "item_order", "units"):
        assert getattr(again.state, name) == getattr(first.state, name) != getattr(first.begun, name)
    assert json.loads(path.read_text())["theme"] == first.state.appearance.palette.name


def test_a_theme_of_the_command_line_is_for_this_time_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "dashboard.json"
    keep_choices(path, CHOSEN)
    told = at_the_end(monkeypatch, path, theme="colour-blind")
    assert told.begun.appearance.palette.name == "ullage-colour-blind"
    assert kept_choices(path).theme == "ullage-light"


def test_a_view_that_there_is_no_more_opens_the_first_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "dashboard.json").write_text('{"view": "no such"}')
    assert at_the_end(monkeypatch, tmp_path / "dashboard.json").state.view == "overview"
