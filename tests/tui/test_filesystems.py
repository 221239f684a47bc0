"""Several filesystems were judged: the one that leads is on screen, a key shows the next, and each has its own plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from collectors.model.ledger import Category
from collectors.model.report import LiveFigures, Report
from tests.pipeline.test_every_filesystem import a_disk, judged
from tests.tui.build import NOW
from tests.tui.incident import incident
from tests.tui.screen import SIZES, lines, live, replay, settle, shown, text
from tests.tui.source import FakeSource
from tui.app import UllageApp
from tui.view_models import space_of
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


async def test_only_the_docker_roots_filesystem_is_looked_at_each_second() -> None:
    report = two_disks()
    space = space_of(report)
    assert space is not None
    machine = FakeSource.showing(report)
    machine.ticks = [(LiveFigures(NOW, replace(space, free_bytes=0, available_bytes=0), 1 << 20, ()), False)]
    app = live(machine)
    async with shown(app) as pilot:
        await settle(pilot)
        assert f"{DISK} 97% full" in text(app)
        await pilot.press("f")
        await settle(pilot)
        assert f"{ROOT} 100% full" in text(app)


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
