"""The answer without a key, at four sizes of terminal; and no number is ever cut."""

from collections.abc import Iterable

import pytest
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tests.tui import shapes
from tests.tui.incident import frames, incident
from tests.tui.screen import SIZES, VIEW_KEYS, lines, replay, settle, shown, text
from tui import widgets as line_widgets
from tui.drawing import Appearance, Span
from tui.view_models.categories import Units
from tui.widgets import listing, strip_of

SIZE_WORDS = ("312.0", "214.6", "121.3", "74.9", "61.7", "41.8", "38.4", "21.2", "14.9", "9.6", "1.9", "0.6")


@pytest.mark.parametrize("size", SIZES)
async def test_culprit_bytes_and_time_left_are_there_without_a_key(size: tuple[int, int]) -> None:
    app = replay(incident())
    async with shown(app, size):
        seen = text(app)
        assert "312.0 GiB in 41 orphaned layers" in seen
        assert "99%" in seen
        assert "18.0 GiB left" in seen
        assert "full in 7 h 06 min" in seen
        assert "P0 ✖ CRITICAL" in seen


@pytest.mark.parametrize("size", SIZES)
async def test_every_category_shows_its_size_and_what_comes_free(size: tuple[int, int]) -> None:
    app = replay(incident())
    async with shown(app, size):
        seen = text(app)
        table = [line for line in lines(app) if "." in line]
        for number in SIZE_WORDS:
            assert any(f" {number} " in line for line in table), number
        for number in ("312.0", "58.2", "66.0", "57.9", "6.1", "0.3"):
            assert any(line.count(number) >= 1 for line in table), number
        assert "Reclaim" in seen


@pytest.mark.parametrize("size", SIZES)
async def test_what_goes_when_room_is_short_is_the_curve_then_the_change_then_the_bar(size: tuple[int, int]) -> None:
    app = replay(*frames(12.0))
    async with shown(app, size):
        seen = text(app)
        assert ("  6 d" in seen) == (size[0] >= 78)
        assert ("Δ 24 h" in seen) == (size[0] >= 78)


@pytest.mark.parametrize("report", [incident, shapes.not_root, shapes.not_btrfs, shapes.hostile, shapes.starting])
@pytest.mark.parametrize("size", [*SIZES, (78, 24), (100, 32)])
async def test_no_line_of_any_view_is_longer_than_its_room(
    report: object, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that is longer than its widget would be cut wherever it happens to end: in a number."""
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
    app = replay(report())  # type: ignore[operator]
    async with shown(app, size) as pilot:
        for key in (*VIEW_KEYS, "question_mark"):
            await pilot.press(key)
            await settle(pilot)
    assert cut == []


@pytest.mark.parametrize("size", [(20, 5), (10, 3), (43, 11), (300, 90)])
async def test_an_odd_size_breaks_nothing(size: tuple[int, int]) -> None:
    app = replay(incident())
    async with shown(app, size) as pilot:
        for key in VIEW_KEYS:
            await pilot.press(key)
        await settle(pilot)
        assert app.is_running
        if size[0] >= 43:
            assert "99%" in text(app)
            assert ("a larger window shows more" in text(app)) == (size[1] < 12)


@pytest.mark.parametrize("units", Units)
async def test_no_width_of_a_list_ends_the_dashboard(units: Units) -> None:
    """A window may be any size for a moment, while somebody drags its edge."""
    app = replay(*frames(24.0))
    app.state = app.state.with_changes(units=units)
    async with shown(app, (120, 36)) as pilot:
        seen = set()
        for key in VIEW_KEYS:
            await pilot.press(key)
            await settle(pilot)
            for table in app.screen.query(listing.Listing):
                state = table.state
                if state is None:  # not shown at this size
                    continue
                seen.add(type(table).__name__)
                for width in range(listing._NARROWEST, 80, 3):
                    assert table.head(state, width) is not None
                    assert all(table.draw(row, state, width) for row in table.rows[:3])
        assert {"ChangesTable", "ChurnTable", "StepTable", "EventTable", "ItemTable", "CategoryTable"} <= seen


@pytest.mark.parametrize("size", [(1, 1), (20, 10)])
async def test_a_window_of_any_size_comes_and_goes_in_every_view(size: tuple[int, int]) -> None:
    app = replay(*frames(24.0))
    async with shown(app, (100, 30)) as pilot:
        for key in (*VIEW_KEYS, "question_mark", "slash"):
            await pilot.press(key)
            await pilot.resize_terminal(*size)
            await settle(pilot)
            await pilot.resize_terminal(100, 30)
            await settle(pilot)
            assert "99% full" in text(app) or len(app.screen_stack) > 1
