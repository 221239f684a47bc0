"""The shipped recording of a real lab incident, on every view: what an engine and a kernel really say fits."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from collectors.model.report import Report
from collectors.report.recording import load
from tests.tui.screen import SIZES, VIEW_KEYS, replay, settle, shown, text
from tui import widgets as line_widgets
from tui.drawing import Appearance, Span
from tui.view_models import NO_HISTORY, Frame, space_of
from tui.view_models.categories import category_rows
from tui.view_models.disk_bar import segments
from tui.widgets import listing, strip_of

DEMO = Path(__file__).parents[2] / "tui" / "demo.jsonl.gz"
pytestmark = pytest.mark.skipif(not DEMO.exists(), reason="no demo is shipped")


@cache
def demo() -> tuple[Report, ...]:
    with gzip.open(DEMO, "rt", encoding="utf-8") as lines:
        return tuple(load(line) for line in lines)


def test_every_frame_of_the_demo_balances_on_the_screen() -> None:
    for report in demo():
        space = space_of(report)
        rows = category_rows(Frame(report, NO_HISTORY))
        assert space is not None
        assert sum(row.held_bytes for row in rows) == space.total_bytes
        assert sum(part.cells for part in segments(rows, 118)) == 118


@pytest.mark.parametrize("size", SIZES)
async def test_no_line_of_the_demo_is_cut_on_any_view(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    cut: list[str] = []
    plain = strip_of

    def watched(bits: Iterable[Span], appearance: Appearance, width: int, base: Style) -> Strip:
        line = list(bits)
        strip = Strip([Segment(bit.text) for bit in line])
        if width >= 20 and strip.cell_length > width:
            cut.append(f"{width}: {strip.text}")
        return plain(line, appearance, width, base)

    for module in (line_widgets, listing):
        monkeypatch.setattr(module, "strip_of", watched)
    app = replay(*demo())
    async with shown(app, size) as pilot:
        for key in (*VIEW_KEYS, "home", "1", "2", "4", "d", "c"):
            await pilot.press(key)
            await settle(pilot)
    assert cut == []


async def test_the_demo_shows_its_worst_moment_by_walking_back_from_event_to_event() -> None:
    app = replay(*demo())
    async with shown(app, (120, 36), ["3"]) as pilot:
        seen: set[str] = set()
        for _ in range(12):
            await pilot.press("left_square_bracket")
            await settle(pilot)
            seen.update(word for word in ("P0", "P1") if word in text(app))
        assert seen
