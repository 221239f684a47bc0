"""Every key of the help does what the help says; the foot names only keys that work here and now."""

import re
from pathlib import Path

import pytest
from textual.binding import Binding

from collectors.model.plan import Step
from tests.tui.incident import frames, incident
from tests.tui.screen import lines, live, replay, settle, shown, text
from tests.tui.shapes import not_root
from tests.tui.source import FakeSource
from tui import VIEWS
from tui.app import UllageApp
from tui.feed import ReplayFeed
from tui.pages import KEYS, VIEW_KEYS, action_name, applies_in
from tui.screens.modals import FoundTable
from tui.view_models.history import run_of_report
from tui.widgets.category_table import CategoryTable
from tui.widgets.header import DiskBar
from tui.widgets.item_table import ItemTable
from tui.widgets.plan import StepTable

EVERY_4_H = frames(4.0)


def foot(app: UllageApp) -> str:
    return lines(app)[-1]


def test_every_key_of_the_table_has_an_action_that_exists() -> None:
    for key in (*VIEW_KEYS, *KEYS):
        assert hasattr(UllageApp, f"action_{key.action.partition('(')[0]}"), key


@pytest.mark.parametrize("replay", [False, True])
@pytest.mark.parametrize("view", [view for view, _ in VIEWS])
def test_no_two_keys_share_a_binding(view: str, replay: bool) -> None:
    here = [key for key in (*VIEW_KEYS, *KEYS) if applies_in(action_name(key), view, replay=replay)]
    keys = [name for key in here for name in key.keys.split(",")]
    assert len(keys) == len(set(keys))


def test_the_application_binds_exactly_the_table() -> None:
    bound = {binding.key for binding in UllageApp.BINDINGS if isinstance(binding, Binding)}
    assert bound == {key.keys for key in (*VIEW_KEYS, *KEYS)}


async def test_numbers_open_views_and_escape_goes_back_and_never_quits() -> None:
    app = replay(incident())
    async with shown(app, (120, 36), ["4"]) as pilot:
        assert app.state.view == "plan"
        await pilot.press("escape", "escape", "escape")
        await settle(pilot)
        assert app.state.view == "overview"
        assert app.is_running


async def test_j_k_g_and_capital_g_move_as_in_a_pager() -> None:
    app = replay(incident())
    async with shown(app, (120, 36), ["j", "j", "k"]) as pilot:
        table = app.query_one(CategoryTable)
        assert table.cursor == 1
        await pilot.press("G")
        assert table.key == "free"
        await pilot.press("g")
        assert table.cursor == 0


async def test_enter_drills_from_a_category_into_its_items() -> None:
    app = replay(incident())
    async with shown(app, (120, 36), ["down", "enter"]):
        assert app.state.view == "explore"
        assert "I Images: 8" in text(app)
        assert isinstance(app.focused, ItemTable)


async def test_slash_filters_and_escape_clears_it() -> None:
    app = replay(incident())
    async with shown(app, (120, 36), ["down", "enter", "slash", *"ml", "slash", *"train"]) as pilot:
        assert "2 of 8" in text(app)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.focused, ItemTable)
        await pilot.press("escape")
        await settle(pilot)
        assert app.state.view == "explore"
        assert "I Images: 8" in text(app)


async def test_a_filter_that_matches_nothing_says_so() -> None:
    app = replay(incident())
    async with shown(app, (120, 36), ["down", "enter", "slash", *"zzz"]):
        assert "No item contains “zzz”. Esc clears the filter." in text(app)


async def test_s_sorts_by_the_next_order() -> None:
    app = replay(incident())
    async with shown(app, (120, 36), ["s"]) as pilot:
        table = app.query_one(CategoryTable)
        assert [row.label.letter for row in table.rows][:3] == ["O", "B", "I"]
        await pilot.press("2", "s")
        await settle(pilot)
        assert "by total" in text(app)


async def test_u_changes_the_unit_of_every_column_at_once() -> None:
    app = replay(incident())
    async with shown(app, (120, 36), ["u"]) as pilot:
        assert "335.0" in text(app)
        assert "335.0 GB in 41 orphaned layers" in text(app)
        assert "312.0" not in text(app)
        await pilot.press("u")
        await settle(pilot)
        assert "335,007,449,088" in text(app)


_OPENED = ("", "2", "3", "4", "4 d", "5", "6", "6 enter", "2 enter", "tab tab enter", "c", "slash", "2 b", "space p")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("keys", _OPENED)
async def test_u_leaves_no_size_in_other_units_on_any_screen(keys: str, when: str) -> None:
    """Pressed before a view or page is opened, and on it; a search takes `u` as a letter."""
    app = live(FakeSource.showing(incident(), runs=[run_of_report(one) for one in EVERY_4_H[:-1]]))
    opened = keys.split()
    async with shown(app, (120, 36), ["u", *opened] if when == "before" or "slash" in opened else [*opened, "u"]):
        seen = text(app)
        assert not re.search(r"\b[KMGT]iB\b", seen), seen
        assert re.search(r"\b[kMGT]?B\b", seen) or "c" in opened


async def test_u_turns_the_log_of_a_plan_that_ran() -> None:
    app = live(FakeSource.showing(incident()))
    async with shown(app, (120, 36), ["4", "a", *incident().host, "enter"]) as pilot:
        await settle(pilot)
        assert app.state.plan_run is not None
        assert app.state.plan_run.ended
        assert "GiB measured" in text(app)
        await pilot.press("u")
        await settle(pilot)
        assert "GB measured" in text(app)
        assert "GiB" not in text(app)


async def test_y_copies_the_id_under_the_cursor() -> None:
    app = replay(incident())
    async with shown(app, (120, 36), ["down", "enter", "y"]):
        assert app.clipboard == "registry.corp/etl/spark:3.5"
        assert "Copied" in text(app)


async def test_y_copies_the_command_of_a_step() -> None:
    app = replay(incident())
    async with shown(app, (120, 36), ["4", "down", "y"]):
        assert app.clipboard == "docker builder prune --filter until=48h"


async def test_capital_t_walks_through_the_themes() -> None:
    app = replay(incident())
    async with shown(app, (120, 36)) as pilot:
        seen = []
        for _ in range(4):
            await pilot.press("T")
            await settle(pilot)
            seen.append(app.theme)
        assert seen == ["ullage-light", "ullage-colour-blind", "ullage-ansi", "ullage-dark"]


async def test_e_writes_the_screen_and_the_page_as_new_files(tmp_path: Path) -> None:
    app = UllageApp(ReplayFeed.of_reports(frames(24.0)), export_to=tmp_path)
    async with shown(app, (120, 36), ["e", "e"]):
        names = sorted(path.name for path in tmp_path.iterdir())
        assert names == [
            "ullage-20251123T031247Z-overview-1.md",
            "ullage-20251123T031247Z-overview-1.svg",
            "ullage-20251123T031247Z-overview.md",
            "ullage-20251123T031247Z-overview.svg",
        ]
        assert "http" not in (tmp_path / names[3]).read_text().replace("http://www.w3.org/2000/svg", "").replace(
            "https://www.textualize.io", ""
        )
        assert (tmp_path / names[2]).stat().st_mode & 0o777 == 0o600


async def test_an_export_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    app = UllageApp(ReplayFeed.of_reports([incident()]), export_to=tmp_path / "missing")
    async with shown(app, (120, 36), ["e"]):
        assert "not written" in text(app)


async def test_question_mark_shows_every_key_and_severity() -> None:
    app = replay(incident())
    async with shown(app, (120, 80), ["question_mark"]) as pilot:
        seen = text(app)
        for key in KEYS:
            assert key.help in seen
        for word in ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFO"):
            assert word in seen
        await pilot.press("escape")
        await settle(pilot)
        assert "ullage: keys and signs" not in text(app)


async def test_the_command_palette_lists_the_keys_as_commands() -> None:
    app = replay(incident())
    async with shown(app, (120, 36), ["ctrl+p"]) as pilot:
        await pilot.press(*"expo")
        await pilot.pause(0.4)
        assert "Export" in text(app)


async def test_the_foot_names_apply_only_where_it_can_be_done() -> None:
    app = live(FakeSource.showing(incident()))
    async with shown(app, (120, 36)) as pilot:
        assert "Apply" not in foot(app)
        await pilot.press("4")
        await settle(pilot)
        assert "a Apply" in foot(app)
    recorded = replay(incident())
    async with shown(recorded, (120, 36), ["4"]):
        assert "Apply" not in foot(recorded)
        assert "Rescan" not in foot(recorded)


async def test_clicking_a_segment_selects_its_category() -> None:
    app = replay(incident())
    async with shown(app, (120, 36)) as pilot:
        await pilot.click("#diskbar", offset=(45, 2))
        await settle(pilot)
        assert app.query_one(CategoryTable).key == "images"


async def test_clicking_a_tab_a_row_and_the_foot_works() -> None:
    app = replay(incident())
    async with shown(app, (120, 36)) as pilot:
        at = lines(app)[0].index("4 Plan")
        await pilot.click("#tabs", offset=(at + 1, 0))
        await settle(pilot)
        assert app.state.view == "plan"
        at = foot(app).index("History")
        await pilot.click("#keys", offset=(at, 0))
        await settle(pilot)
        assert app.state.view == "history"
        await pilot.press("1")
        await pilot.click("#categories", offset=(10, 3))
        await settle(pilot)
        assert app.query_one(CategoryTable).cursor == 2


@pytest.mark.parametrize("key", ["q", "ctrl+q"])
async def test_q_leaves_with_a_zero_status(key: str) -> None:
    app = replay(incident())
    async with shown(app, (120, 36), [key]):
        pass
    assert app.return_value in (0, None)


async def test_enter_on_a_finding_explains_all_of_it() -> None:
    app = replay(incident())
    async with shown(app, (120, 36), ["tab", "tab", "enter"]):
        seen = text(app)
        assert "P0 ✖ CRITICAL" in seen
        assert "5 owner sources read, two listings" in seen
        assert "delete them: step 1 of the plan" in seen


async def test_c_shows_every_source_and_what_it_said() -> None:
    app = replay(not_root())
    async with shown(app, (120, 36), ["c"]):
        seen = text(app)
        assert "source.11" in seen
        assert "btrfs.trees" in seen
        assert "not permitted: needs root" in seen


async def test_slash_on_the_first_screen_finds_anything_and_goes_there() -> None:
    app = replay(incident())
    async with shown(app, (120, 36), ["slash", *"pg-data"]) as pilot:
        assert "Find" in text(app)
        found = app.screen.query_one(FoundTable)
        assert found.rows
        assert all("pg-data" in f"{row.item.name} {row.item.owner} {row.item.state}" for row in found.rows)
        wanted = found.rows[0]
        await pilot.press("enter")
        await settle(pilot)
        assert app.state.view == "explore"
        assert app.state.selected == wanted.label.key
        table = app.query_one("#items", ItemTable)
        assert table.row is not None
        assert table.row.item is wanted.item


async def test_finding_nothing_says_so_and_escape_closes_only_that() -> None:
    app = replay(incident())
    async with shown(app, (120, 36), ["4", "slash", *"no such thing"]) as pilot:
        assert "Nothing that is known contains this" in text(app)
        await pilot.press("escape")
        await settle(pilot)
        assert app.state.view == "plan"


async def test_escape_closes_a_dry_run_before_it_leaves_the_plan() -> None:
    app = live(FakeSource.showing(incident()))
    async with shown(app, (120, 36), ["4", "d"]) as pilot:
        assert app.state.dry_run_lines
        await pilot.press("escape")
        assert app.state.view == "plan"
        assert not app.state.dry_run_lines
        await pilot.press("escape")
        assert app.state.view == "overview"


async def test_a_click_on_the_box_of_a_step_takes_it_in_or_out_at_once() -> None:
    app = live(FakeSource.showing(incident()))
    async with shown(app, (120, 36), ["4"]) as pilot:
        table = app.query_one(StepTable)
        other = next(row for row in table.rows if isinstance(row, Step) and row is not table.row)
        before = other.id in app.state.chosen
        await pilot.click(StepTable, offset=(2, table.rows.index(other) + 1))
        await settle(pilot)
        assert (other.id in app.state.chosen) is not before


async def test_a_segment_that_is_selected_already_opens() -> None:
    app = replay(incident())
    async with shown(app, (120, 36)) as pilot:
        await pilot.click(DiskBar, offset=(3, 1))
        assert app.state.view == "overview"
        await pilot.click(DiskBar, offset=(3, 1))
        await settle(pilot)
        assert (app.state.view, app.state.selected) == ("explore", "orphans")


async def test_the_end_of_a_long_help_is_reached_with_one_key() -> None:
    app = replay(incident())
    async with shown(app, (80, 24), ["question_mark", "G"]) as pilot:
        at = app.screen.query_one("#page-text").scroll_offset.y
        assert at > 0
        await pilot.press("g")
        assert app.screen.query_one("#page-text").scroll_offset.y == 0


async def test_while_history_is_young_changes_are_told_over_what_there_is() -> None:
    app = replay(incident(3.0), incident(1.0), incident())
    async with shown(app, (120, 36)):
        assert "Δ 3 h" in text(app)
        row = next(row for row in app.state.rows if row.label.key == "orphans")
        assert row.change_24h_bytes
