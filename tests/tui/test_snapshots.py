"""The pictures. A drawing that changes must be looked at: `pytest tests/tui/test_snapshots.py --snapshot-update`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from tests.tui import shapes
from tests.tui.incident import frames, incident
from tests.tui.screen import live, replay, settle
from tests.tui.source import FakeSource
from tui.app import UllageApp

Compare = Callable[..., bool]
RECORDING = frames(4.0)


def pressed(*keys: str) -> Callable[[Pilot[int]], object]:
    async def run(pilot: Pilot[int]) -> None:
        await settle(pilot)
        for key in keys:
            await pilot.press(key)
        await settle(pilot)

    return run


def recording(theme: str = "dark") -> UllageApp:
    return replay(*RECORDING, theme=f"ullage-{theme}")


@pytest.mark.parametrize("theme", ["dark", "light", "ansi"])
@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 50)], ids=["80x24", "120x36", "200x50"])
def test_overview(snap_compare: Compare, size: tuple[int, int], theme: str) -> None:
    assert snap_compare(recording(theme), terminal_size=size, run_before=pressed())


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=["80x24", "120x36"])
@pytest.mark.parametrize("key", ["2", "3", "4", "5", "6"], ids=["explore", "history", "plan", "churn", "changes"])
def test_other_views(snap_compare: Compare, key: str, size: tuple[int, int]) -> None:
    assert snap_compare(recording(), terminal_size=size, run_before=pressed(key))


def test_the_smallest_screen(snap_compare: Compare) -> None:
    assert snap_compare(recording(), terminal_size=(60, 20), run_before=pressed())


def test_help(snap_compare: Compare) -> None:
    assert snap_compare(recording(), terminal_size=(120, 36), run_before=pressed("question_mark"))


def test_the_question_before_applying(snap_compare: Compare) -> None:
    app = live(FakeSource.showing(incident()))
    assert snap_compare(app, terminal_size=(120, 36), run_before=pressed("p", "a"))


def test_not_root(snap_compare: Compare) -> None:
    assert snap_compare(replay(shapes.not_root()), terminal_size=(80, 24), run_before=pressed())


def test_the_first_second_of_a_scan(snap_compare: Compare) -> None:
    machine = FakeSource([(shapes.starting(), False, ("walk", "images")), (incident(), True, ())])
    machine.gate.clear()
    assert snap_compare(live(machine), terminal_size=(120, 36), run_before=pressed())


def test_without_colour(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(recording("ansi"), terminal_size=(120, 36), run_before=pressed())
