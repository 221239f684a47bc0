"""What a person would see: the text of the screen, and ways to get an application onto one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from rich.segment import Segment
from textual.pilot import Pilot

from collectors.model.report import Report
from tests.tui.source import FakeSource
from tui.app import UllageApp
from tui.drawing import appearance_of
from tui.drawing.palette import DARK
from tui.drawing.terminal import Charset
from tui.feed import ReplayFeed
from tui.feed.live import LiveFeed
from tui.view_models import NO_HISTORY, Frame
from tui.view_models.state import DashboardState, Mode, preselected

SIZES = ((60, 20), (80, 24), (120, 36), (200, 50))
VIEW_KEYS = ("1", "2", "3", "4", "5", "6")


def lines(app: UllageApp) -> list[str]:
    """The screen from top to bottom, as text."""
    return ["".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips()]


def text(app: UllageApp) -> str:
    return "\n".join(lines(app))


def styled(app: UllageApp) -> list[list[Segment]]:
    return [list(strip) for strip in app.screen._compositor.render_strips()]


def replay(*reports: Report, theme: str = DARK.name, charset: Charset = Charset.FULL) -> UllageApp:
    return UllageApp(ReplayFeed.of_reports(reports), theme=theme, charset=charset)


def live(machine: FakeSource, *, read_only: bool = False, theme: str = DARK.name) -> UllageApp:
    return UllageApp(LiveFeed(machine), read_only=read_only, theme=theme)


@asynccontextmanager
async def shown(
    app: UllageApp, size: tuple[int, int] = (120, 36), keys: Sequence[str] = ()
) -> AsyncIterator[Pilot[int]]:
    """The application on a screen of `size` after `keys`, settled."""
    async with app.run_test(size=size, notifications=True) as pilot:
        await settle(pilot)
        for key in keys:
            await pilot.press(key)
        await settle(pilot)
        yield pilot


async def settle(pilot: Pilot[int]) -> None:
    """Until the worker threads' messages and the drawing they cause are through."""
    for _ in range(3):
        await pilot.pause(0.03)


def a_state(report: Report, **changes: object) -> DashboardState:
    """A state without any application around it."""
    state = DashboardState(
        appearance_of(DARK.name, False), Mode.LIVE, Frame(report, NO_HISTORY), chosen=preselected(report.plan)
    )
    return state.with_changes(**changes)
