"""Names from outside can do nothing: no markup, no control reaches the terminal, on any view and in any export."""

import asyncio
import xml.etree.ElementTree as ET

import pytest

from collectors.report.formatting import safe
from tests.tui.screen import SIZES, VIEW_KEYS, lines, live, replay, settle, shown, text
from tests.tui.shapes import HOSTILE, hostile
from tests.tui.source import FakeSource
from tui.export import markdown
from tui.view_models import NO_HISTORY

# What may stand on a screen: printable characters only, none that turns the writing direction or hides.
FORBIDDEN = {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))} | set(
    "\u202a\u202b\u202c\u202d\u202e\u200b\u2066\u2067\u2069"
)


def harmless(seen: str) -> set[str]:
    return set(seen.replace("\n", "")) & FORBIDDEN


@pytest.mark.parametrize("size", SIZES)
async def test_no_control_character_is_on_any_view(size: tuple[int, int]) -> None:
    app = replay(hostile())
    async with shown(app, size) as pilot:
        for key in (*VIEW_KEYS, "p", "d", "question_mark", "escape"):
            await pilot.press(key)
            await settle(pilot)
            assert harmless(text(app)) == set()


async def test_every_item_row_can_be_walked_over_and_opened() -> None:
    app = replay(hostile())
    async with shown(app, (120, 36), ["2"]) as pilot:
        for _ in HOSTILE:
            await pilot.press("down")
            await pilot.pause()
            assert harmless(text(app)) == set()


async def test_markup_in_a_name_stays_text() -> None:
    app = replay(hostile())
    async with shown(app, (200, 50), ["2"]):
        assert any("[red]PWNED[/red]" in line for line in lines(app))
        assert any(" [/] " in line for line in lines(app))


async def test_the_question_before_applying_shows_a_hostile_host_harmlessly() -> None:
    app = live(FakeSource.showing(hostile()))
    async with shown(app, (120, 36), ["p", "a"]):
        assert "Apply the plan" in text(app)
        assert harmless(text(app)) == set()


async def test_a_running_plan_with_hostile_events_stays_harmless() -> None:
    machine = FakeSource.showing(hostile())
    app = live(machine)
    async with shown(app, (120, 36), ["p", "a"]) as pilot:
        app.screen.query_one("#confirm-name").value = safe(hostile().host)  # type: ignore[attr-defined]
        await pilot.press("enter")
        await asyncio.sleep(0.1)
        await settle(pilot)
        assert machine.applied
        assert "measured" in text(app)
        assert harmless(text(app)) == set()


async def test_copying_and_notifying_a_hostile_name_copies_no_control() -> None:
    app = replay(hostile())
    async with shown(app, (120, 36), ["2"]) as pilot:
        for _ in HOSTILE:
            await pilot.press("y", "down")
            await pilot.pause()
            assert harmless(app.clipboard) == set()
            assert harmless(text(app)) == set()


async def test_a_broken_scan_with_a_hostile_reason_says_it_harmlessly() -> None:
    class Broken(FakeSource):
        def survey(self, on_report: object, cancelled: object) -> None:
            raise OSError("[/]\x1b[31m" + HOSTILE[4])

    app = live(Broken())
    async with shown(app):
        assert "OSError" in text(app)
        assert harmless(text(app)) == set()


async def test_the_exported_screen_is_valid_xml() -> None:
    app = replay(hostile())
    async with shown(app, (120, 36), ["2"]):
        ET.fromstring(app.export_screenshot())


def test_the_exported_page_holds_no_control_and_no_foreign_header_or_comment() -> None:
    page = markdown(hostile(), NO_HISTORY)
    assert harmless(page) == set()
    assert "\n## Escalation" not in page
    assert "<!--" not in page.replace("\\<", "")
    assert "\\<!--" in page
