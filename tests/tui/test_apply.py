"""The one way to change a machine: asked for, answered with the host's name, told step by step, measured."""

import dataclasses
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from textual.pilot import Pilot

from collectors.model import Owner, OwnerKind
from collectors.model.plan import Harm, Severity
from collectors.model.reading import Exact, Origin
from collectors.reclaim import Ended, ReclaimOutcome, StepResult, TargetResult
from tests.tui.build import a_finding, gib
from tests.tui.incident import incident
from tests.tui.screen import lines, live, replay, settle, shown, text
from tests.tui.source import FakeSource
from tui.app import UllageApp
from tui.screens.modals import Confirm
from tui.view_models.plan_run import outcome_lines
from tui.widgets.plan import StepTable

HOST = "docker-prod-07"


async def answer(pilot: Pilot[int], name: str) -> None:
    for char in name:
        await pilot.press({"-": "minus"}.get(char, char))
    await pilot.press("enter")
    await settle(pilot)


async def test_steps_that_can_be_made_again_are_on_and_no_other_is() -> None:
    app = live(FakeSource.showing(incident()))
    async with shown(app, (120, 36), ["p"]):
        rows = [line for line in lines(app) if "[x]" in line or "[ ]" in line or "[·]" in line]
        assert ["[x]" in row for row in rows] == [True, True, True, False, False]
        heads = [line.split()[2] for line in lines(app) if "──" in line and "→" in line and "·" in line]
        assert heads == ["none", "time", "history", "state"]


async def test_the_plan_leads_with_the_least_harm_to_the_mark_and_w_chooses_just_that() -> None:
    app = live(FakeSource.showing(incident()))
    async with shown(app, (120, 36), ["p"]) as pilot:
        assert "to reach 80%: this step, harm: none → 65%" in text(app)
        heads = [line for line in lines(app) if "──" in line and "→" in line and "·" in line]
        for harm, frees, after in (("none", "378.0", "58%"), ("time", "58.2", "52%"), ("history", "57.9", "46%")):
            assert any(f" {harm} · " in line and f" {frees} " in line and f"→ {after}" in line for line in heads)
        await pilot.press("space", "down", "space", "down", "space", "w")
        await settle(pilot)
        rows = [line for line in lines(app) if "[x]" in line or "[ ]" in line or "[·]" in line]
        assert app.state.way is not None
        assert app.state.chosen == app.state.way[1]
        assert sum("[x]" in row for row in rows) == len(app.state.chosen)


async def test_what_is_young_is_marked_and_m_lets_it_go_and_stay_again() -> None:
    report = incident()
    young = tuple(replace(step, young_s=23 * 3600.0) for step in report.plan.steps[:2])
    report = replace(report, plan=replace(report.plan, steps=(*young, *report.plan.steps[2:])))
    app = live(FakeSource.showing(report))
    async with shown(app, (120, 36), ["p"]) as pilot:
        assert sum("  young " in line and "[" in line for line in lines(app)) == 2
        assert "young: 23 h 00 min still" in text(app)
        assert "[x]" not in "".join(line for line in lines(app) if "young" in line)
        await pilot.press("m")
        await settle(pilot)
        assert not any("  young " in line and "[" in line for line in lines(app))
        assert app.state.age_lifted
        assert sum("[x]" in line for line in lines(app)) == 3
        await pilot.press("m")
        await settle(pilot)
        assert sum("  young " in line and "[" in line for line in lines(app)) == 2


async def test_what_destroys_data_is_on_the_screen_and_never_on_the_way() -> None:
    report = incident()
    last = replace(report.plan.steps[-1], harm=Harm.DATA, automatic=False)
    plan = replace(report.plan, steps=report.plan.steps[:-1], for_person=(last,))
    app = live(FakeSource.showing(replace(report, plan=plan)))
    async with shown(app, (200, 50), ["p", "G"]):
        assert "✖ data · somebody's data or work: for a person alone" in text(app)
        assert "for a person: never on the way to a target" in text(app)


async def test_space_includes_a_step_and_the_after_figure_follows_at_once() -> None:
    app = live(FakeSource.showing(incident()))
    async with shown(app, (120, 36), ["p"]) as pilot:
        assert "436.2 GiB to be freed" in text(app)
        table = app.query_one(StepTable)
        table.point_at("s4")
        await pilot.press("space")
        await settle(pilot)
        assert "494.1 GiB to be freed" in text(app)
        await pilot.press("space")
        table.point_at("s1")
        await pilot.press("space")
        await settle(pilot)
        assert "124.2 GiB to be freed" in text(app)


async def test_a_dry_run_lists_the_chosen_steps_and_runs_nothing() -> None:
    machine = FakeSource.showing(incident())
    app = live(machine)
    async with shown(app, (120, 50), ["p", "d"]):
        seen = text(app)
        assert "3 steps: 436.2 GiB promised. Nothing has run." in seen
        assert "docker builder prune --filter until=48h" in seen
        assert machine.applied == []


async def test_the_question_lists_steps_bytes_and_ways_back() -> None:
    app = live(FakeSource.showing(incident()))
    async with shown(app, (120, 36), ["p", "a"]):
        seen = text(app)
        assert "This changes docker-prod-07 permanently" in seen
        assert "Delete 41 orphaned subvolumes" in seen
        assert "undo: the next build makes it again" in seen
        assert "Together 436.2 GiB promised, 52% used afterwards" in seen


async def test_a_wrong_name_runs_nothing_and_says_so() -> None:
    machine = FakeSource.showing(incident())
    app = live(machine)
    async with shown(app, (120, 36), ["p", "a"]) as pilot:
        await answer(pilot, "docker-prod-08")
        assert machine.applied == []
        assert "not this host's name. Nothing has run." in text(app)


@pytest.mark.parametrize("keys", [["escape"], ["enter", "escape"]])
async def test_escape_or_an_empty_answer_runs_nothing(keys: list[str]) -> None:
    machine = FakeSource.showing(incident())
    app = live(machine)
    async with shown(app, (120, 36), ["p", "a", *keys]):
        assert machine.applied == []
        assert not isinstance(app.screen, Confirm)


async def test_a_recording_cannot_open_the_question() -> None:
    app = replay(incident(4.0), incident())
    async with shown(app, (120, 36), ["p", "a"]):
        assert not isinstance(app.screen, Confirm)
        assert app.check_action("apply", ()) is False


async def test_read_only_cannot_open_the_question() -> None:
    machine = FakeSource.showing(incident())
    app = live(machine, read_only=True)
    async with shown(app, (120, 36), ["p", "a"]):
        assert not isinstance(app.screen, Confirm)
        assert "read-only" in text(app)


async def test_looking_back_cannot_open_the_question() -> None:
    from tui.view_models.history import run_of_report

    machine = FakeSource.showing(incident(), runs=[run_of_report(incident(hours)) for hours in (8.0, 4.0)])
    app = live(machine)
    async with shown(app, (120, 36), ["3", "left", "p", "a"]):
        assert "REPLAY" in text(app)
        assert not isinstance(app.screen, Confirm)


def figures(app: UllageApp) -> set[str]:
    """Every percentage of used that the head, the gauge and the after bar show."""
    seen = text(app)
    return set(re.findall(r"(\d+%) full", seen)) | set(re.findall(r"now .*?(\d+%)", seen))


async def test_while_a_plan_runs_every_figure_on_the_screen_agrees() -> None:
    machine = FakeSource([(incident(), True, ())], [(incident(24.0), True, ())], [(incident(48.0), True, ())])
    machine.step_gate.clear()
    app = live(machine)
    async with shown(app, (120, 36), ["p", "a"]) as pilot:
        await answer(pilot, HOST)
        assert "41/41" in text(app)
        assert "Plan, running" in text(app)
        assert figures(app) == {"99%"}
        after = set(re.findall(r"(\d+%) after the plan", text(app)))
        assert after == set(re.findall(r"▂ → (\d+%)", text(app)))
        assert after == {"52%"}
        machine.step_gate.set()
        await settle(pilot)
        await settle(pilot)
        assert len(figures(app)) == 1


async def test_the_end_shows_promised_engine_reported_and_measured_apart() -> None:
    machine = FakeSource.showing(incident())
    app = live(machine)
    async with shown(app, (120, 50), ["p", "a"]) as pilot:
        await answer(pilot, HOST)
        await settle(pilot)
        seen = text(app)
        assert machine.applied == [frozenset({"s1", "s2", "s3"})]
        assert re.search(r"measured +436\.2 GiB", seen)
        assert re.search(r"promised +436\.2 GiB", seen)
        assert re.search(r"engine says +\? not permitted", seen)


async def test_x_stops_a_plan_after_the_current_item() -> None:
    machine = FakeSource.showing(incident())
    machine.step_gate.clear()
    app = live(machine)
    async with shown(app, (120, 50), ["p", "a"]) as pilot:
        await answer(pilot, HOST)
        await pilot.press("x")
        machine.step_gate.set()
        await settle(pilot)
        assert "cancelled" in text(app)
        assert "✔  Prune build cache" not in text(app)


async def test_what_is_gone_after_a_plan_is_named_resolved() -> None:
    worse = incident()
    better = incident(24.0)
    gone = a_finding("a-leak", Severity.P2, "a leak of something", gib(3))
    worse = dataclasses.replace(worse, findings=(gone,))
    better = dataclasses.replace(better, findings=())
    app = live(FakeSource([(worse, True, ())], [(better, True, ())]))
    async with shown(app, (120, 36), ["r"]) as pilot:
        await settle(pilot)
        assert "P4 ○  resolved: a leak of something" in text(app)


def test_what_was_left_alone_is_told_at_the_end_with_its_reason_and_its_number() -> None:
    here = Origin("test", "test", datetime(2026, 11, 23, tzinfo=UTC), 0.0)
    nothing: Exact[int] = Exact(0, here)
    left = tuple(
        TargetResult(Owner(OwnerKind.ORPHAN, f"/{number}"), False, "the engine is not idle \x1b[31m")
        for number in (1, 2)
    )
    gone = TargetResult(Owner(OwnerKind.ORPHAN, "/3"), True, "")
    step = StepResult("orphans", "remove", "Orphans", nothing, nothing, nothing, nothing, (*left, gone), 1.0, "", True)
    outcome = ReclaimOutcome(Ended.ALL_DONE, "", (step,), nothing, nothing, nothing, nothing, 90, 90, ())
    told = ["".join(bit.text for bit in line) for line in outcome_lines(outcome, si=False)]
    assert [line for line in told if "left alone" in line] == [" ○ 2 left alone: the engine is not idle ␛[31m"]
