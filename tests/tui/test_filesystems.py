"""Several filesystems were judged: the one that leads is on screen, a key shows the next, and each has its own plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from collectors.journal.reading import read
from collectors.model.ledger import Category
from collectors.model.report import LiveFigures, Report, Writer
from collectors.report.recording import dump, load
from tests.pipeline.test_every_filesystem import a_disk, judged
from tests.pipeline.test_remembered_filesystems import runs
from tests.tui.build import NOW
from tests.tui.incident import incident
from tests.tui.screen import SIZES, lines, live, replay, settle, shown, text
from tests.tui.source import FakeSource
from tui.app import UllageApp
from tui.feed.live import Ticked
from tui.view_models import space_of
from tui.view_models.history import RunSummary, runs_of_journal
from tui.view_models.verdict import sentence

ROOT, DISK = "/d", "/mnt/volumes"


def two_disks() -> Report:
    """Both are short, the one of the volumes most."""
    return replace(judged(a_disk(ROOT, 92, "work", 1), a_disk(DISK, 97, "data", 2)), host="h")


def removed_by(app: UllageApp) -> set[str]:
    """What the steps on screen would remove."""
    assert app.state.steps is not None
    return {target.id for step in app.state.steps.every_step for target in step.targets}


@pytest.mark.parametrize("size", [size for size in SIZES if size[1] >= 24])
async def test_the_one_that_leads_is_on_screen_with_its_own_figures(size: tuple[int, int]) -> None:
    app = replay(two_disks())
    async with shown(app, size, ["4"]):
        assert app.state.mounted_at == DISK
        assert f"{DISK} 97% full" in text(app)
        assert f"Plan for {DISK}" in text(app)
        assert removed_by(app) == {"data"}
        assert app.state.after_plan is not None
        assert app.state.after_plan.used_percent == 97


async def test_f_shows_the_next_filesystem_its_books_and_its_plan() -> None:
    app = live(FakeSource.showing(two_disks()))
    async with shown(app, (120, 36), ["f"]) as pilot:
        assert app.state.mounted_at == ROOT
        assert f"{ROOT} 92% full" in text(app)
        row = next(row for row in app.state.rows if row.label.key == Category.VOLUMES.value)
        space = space_of(app.state.report) if app.state.report is not None else None
        assert space is not None
        assert row.held_bytes == space.used_bytes
        await pilot.press("4")
        await settle(pilot)
        assert removed_by(app) == {"work"}
        await pilot.press("f")
        await settle(pilot)
        assert app.state.mounted_at == DISK
        assert removed_by(app) == {"data"}


async def test_a_filesystem_that_was_chosen_stays_over_a_scan() -> None:
    app = live(FakeSource.showing(two_disks()))
    async with shown(app, (120, 36), ["f", "r"]) as pilot:
        await settle(pilot)
        assert app.state.mounted_at == ROOT


async def test_the_plan_that_is_on_screen_is_the_one_that_is_applied() -> None:
    machine = FakeSource.showing(two_disks())
    app = live(machine)
    async with shown(app, (120, 36), ["4", "f", "G", "space", "a", "h", "enter"]) as pilot:
        await settle(pilot)
        (plan,) = machine.plans
        assert plan.mount == ""
        assert {step.id for step in plan.every_step} >= machine.applied[0] != frozenset()
        assert not app.check_action("filesystem", ()) or app.state.plan_run is not None


@pytest.mark.parametrize("make", [replay, lambda report: live(FakeSource.showing(report))], ids=["replay", "live"])
async def test_the_plan_of_what_is_marked_is_that_of_its_filesystem(make: Callable[[Report], UllageApp]) -> None:
    app = make(two_disks())
    async with shown(app, (120, 36), ["f"]) as pilot:
        app.change(selected="volumes")
        await pilot.press("2")
        await settle(pilot)
        data = next(owner for owner in app.state.owners if owner.id == "data")
        app.mark(frozenset({data}))  # the first disk lists it too, without bytes
        await settle(pilot)
        assert app.state.mounted_at == ROOT
        await pilot.press("p")
        await settle(pilot)
        assert app.state.mounted_at == DISK
        assert app.state.of_marked
        assert removed_by(app) == {"data"}
        assert app.state.chosen == {step.id for step in (app.state.steps or two_disks().plan).every_step}


async def test_anything_is_found_on_every_filesystem_and_gone_to() -> None:
    app = live(FakeSource.showing(two_disks()))
    async with shown(app, (120, 36), ["slash", *"work"]) as pilot:
        await pilot.press("enter")
        await settle(pilot)
        assert app.state.mounted_at in (ROOT, DISK)
        assert app.state.row is not None
        assert "work" in text(app)


async def test_the_seconds_are_of_the_filesystem_on_screen_and_never_anothers() -> None:
    report = two_disks()
    space = space_of(report)
    assert space is not None
    writer = Writer("process", "rsync", 7, 20 << 20)
    second = LiveFigures(DISK, NOW, replace(space, free_bytes=0, available_bytes=0), 1 << 20, (writer,))
    machine = FakeSource.showing(report)
    machine.ticks = [(second, False)]
    app = live(machine)
    async with shown(app, (120, 36), ["6"]) as pilot:
        await settle(pilot)
        assert machine.looked_at == [DISK]
        assert f"{DISK} 100% full" in text(app)
        assert f"Who writes now on {DISK}" in text(app)
        assert "rsync" in text(app)
        await pilot.press("f")
        await settle(pilot)
        assert machine.looked_at == [DISK, ROOT]
        assert f"{ROOT} 92% full" in text(app)
        assert "rsync" not in text(app)
        assert "looking …" in text(app)
        app.on_ticked(Ticked(replace(second, mount=ROOT), False))
        await settle(pilot)
        assert f"{ROOT} 100% full" in text(app)


@pytest.fixture
def journaled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Report, list[RunSummary]]:
    """The report of the last of five runs and the journal of all: the disk fills past marks, the root stands still."""
    last = runs(monkeypatch, tmp_path, [(40, 62), (40, 66), (40, 74), (40, 78), (40, 84)])[-1].report
    read_back = read(tmp_path, since=last.taken_at - timedelta(days=1), now=last.taken_at)
    return last, list(runs_of_journal(read_back))[:-1]


async def test_history_is_of_the_filesystem_on_screen(journaled: tuple[Report, list[RunSummary]]) -> None:
    report, past = journaled
    app = live(FakeSource.showing(report, runs=past))
    async with shown(app, (120, 36), ["3"]) as pilot:
        assert app.state.mounted_at == DISK
        assert app.state.frame is not None
        assert [round(point.percent) for point in app.state.frame.history.used] == [62, 66, 74, 78, 84]
        assert [event.text for event in app.state.events_here] == ["80% crossed"]
        assert "80% crossed" in text(app)
        assert "% used · its categories are not kept" in text(app)
        await pilot.press("f")
        await settle(pilot)
        assert [round(point.percent) for point in app.state.frame.history.used] == [40] * 5
        assert not any("crossed" in event.text for event in app.state.events_here)
        assert "crossed" not in text(app)
        assert "not kept" not in text(app)


async def test_what_changed_is_told_of_it_as_far_as_runs_keep_it(journaled: tuple[Report, list[RunSummary]]) -> None:
    report, past = journaled
    app = live(FakeSource.showing(report, runs=past))
    async with shown(app, (120, 36), ["6"]) as pilot:
        found = app.state.changes
        assert found is not None
        assert found.bytes == (10 << 30) * 84 // 100 - (10 << 30) * 62 // 100
        assert found.categories == ()
        assert "Used +2252.8 MiB · runs keep how full this filesystem was, and not what of" in text(app)
        assert f"What changed on {DISK} since" in text(app)
        await pilot.press("f")
        await settle(pilot)
        assert app.state.changes is not None
        assert app.state.changes.bytes == 0
        assert "Nothing changed" in text(app)


async def test_an_earlier_run_shows_the_same_filesystem(journaled: tuple[Report, list[RunSummary]]) -> None:
    report, past = journaled
    app = live(FakeSource.showing(report, runs=past))
    async with shown(app, (120, 36), ["3", "home"]) as pilot:
        assert f"{DISK} 62% full" in text(app)
        await pilot.press("f")
        await settle(pilot)
        assert f"{ROOT} 40% full" in text(app)
        await pilot.press("end")
        await settle(pilot)
        assert f"{ROOT} 40% full" in text(app)
        await pilot.press("f")
        await settle(pilot)
        assert f"{DISK} 84% full" in text(app)


async def test_a_recording_tells_what_changed_on_each(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reports = [run.report for run in runs(monkeypatch, tmp_path, [(40, 62), (40, 93)])]
    app = replay(*(load(dump(report)) for report in reports))
    async with shown(app, (120, 36), ["end", "6"]) as pilot:
        assert app.state.mounted_at == DISK
        assert app.state.changes is not None
        assert [(row.category, row.bytes) for row in app.state.changes.categories] == [
            ("volumes", (10 << 30) * 93 // 100 - (10 << 30) * 62 // 100)
        ]
        await pilot.press("f")
        await settle(pilot)
        assert app.state.changes.bytes == 0


async def test_the_key_is_named_only_where_there_are_several() -> None:
    several, one = replay(two_disks()), replay(incident())
    async with shown(several, (160, 40)):
        assert "f Filesystem" in lines(several)[-1]
    async with shown(one, (160, 40), ["f"]):
        assert "Filesystem" not in lines(one)[-1]
        assert "/var/lib/docker 99% full" not in text(one)


async def test_the_verdict_says_of_which_filesystem_it_is_where_another_is_shown() -> None:
    report = judged(a_disk(ROOT, 97, "work", 1), a_disk(DISK, 30, "data", 2))
    app = replay(report)
    async with shown(app, (120, 36)) as pilot:
        assert app.state.mounted_at == ROOT
        assert f"{ROOT}: " not in text(app)
        await pilot.press("f")
        await settle(pilot)
        assert f"{DISK} 30% full" in text(app)
        assert f"{ROOT}: {sentence(report, si=False)[:20]}" in text(app)


async def test_the_mark_is_of_the_filesystem_on_screen_and_the_verdict_keeps_its_own() -> None:
    app = replay(judged(a_disk(ROOT, 97, "work", 1), a_disk(DISK, 30, "data", 2)))
    async with shown(app, (120, 36)) as pilot:
        assert "P0 ✖ CRITICAL" in lines(app)[1]
        await pilot.press("f")
        await settle(pilot)
        assert "CRITICAL" not in lines(app)[1]
        assert f"{DISK} 30% full" in lines(app)[1]
        assert lines(app)[2].startswith(f" P0 ✖ {ROOT}: ")
