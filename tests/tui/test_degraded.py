"""What could not be measured is never claimed: not on the Overview, not in Explore, not in the Plan."""

from dataclasses import replace

import pytest

from collectors.model.ledger import Category
from collectors.model.plan import Severity
from collectors.model.report import Report
from tests.tui import shapes
from tests.tui.build import a_finding, gib, missing
from tests.tui.incident import incident
from tests.tui.screen import VIEW_KEYS, lines, live, replay, settle, shown, text
from tests.tui.source import FakeSource


async def every_view(report: Report) -> dict[str, str]:
    app = replay(report)
    seen = {}
    async with shown(app, (120, 36)) as pilot:
        for key in VIEW_KEYS:
            await pilot.press(key)
            await settle(pilot)
            seen[key] = text(app)
    return seen


@pytest.mark.parametrize("report", [shapes.not_root(), shapes.no_engine()], ids=["not root", "no engine"])
async def test_no_view_claims_a_byte_of_an_orphan_that_could_not_be_proven(report: Report) -> None:
    for key, seen in (await every_view(report)).items():
        assert "312.0" not in seen, key
        assert "btrfs subvolumes Docker no longer knows" not in seen, key
        assert "Delete 41" not in seen, key


@pytest.mark.parametrize("severity", [Severity.OK, Severity.P3])
async def test_where_it_cannot_tell_how_bad_it_is_no_mark_soothes(severity: Severity) -> None:
    report = replace(shapes.no_engine(), severity=severity, exit_status=3)
    app = replay(report)
    async with shown(app, (80, 24)):
        assert "? UNKNOWN" in text(app)
        assert not {"LOW", "OK"} & set(lines(app)[1].split())
    worse = replay(replace(report, severity=Severity.P1, exit_status=2))
    async with shown(worse, (80, 24)):
        assert "P1 ▲ HIGH" in text(worse)


async def test_an_unread_category_shows_a_question_mark_and_the_reason() -> None:
    app = replay(shapes.not_root())
    async with shown(app, (80, 24)):
        row = next(line for line in lines(app) if "Orphaned layers" in line)
        assert " ? " in row
        assert "needs root" in row
        assert "0.0" not in row


async def test_what_could_not_be_read_is_said_once_with_its_bytes() -> None:
    app = replay(shapes.not_root())
    async with shown(app, (200, 50)):
        assert "6 categories not read (not permitted): 428.2 GiB cannot be attributed" in text(app)


async def test_explore_gives_the_reason_where_there_are_no_items() -> None:
    app = replay(shapes.not_root())
    async with shown(app, (120, 36)) as pilot:
        app.change(selected="orphans")
        await pilot.press("2")
        await settle(pilot)
        assert "not permitted: needs root" in text(app)


async def test_without_an_engine_nothing_is_called_an_orphan_and_it_says_so() -> None:
    app = replay(shapes.no_engine())
    async with shown(app, (200, 50)):
        assert "No engine (not reachable): sizes are known, owners are not" in text(app)
    ledger = shapes.no_engine().ledger
    assert ledger is not None
    unread = (replace(row, charged=missing()) if row.category is Category.OTHER_FILES else row for row in ledger.rows)
    neither = replay(replace(shapes.no_engine(), ledger=replace(ledger, rows=tuple(unread))))
    async with shown(neither, (200, 50)):
        assert "No engine (not reachable)" in text(neither)
        assert "sizes are known" not in text(neither)


async def test_a_reserve_of_ext4_has_its_segment_and_its_row() -> None:
    app = replay(shapes.not_btrfs())
    async with shown(app, (120, 36)):
        assert "Free, reserved" in text(app)
        assert "74% full, 25.0 GiB left" in text(app)


async def test_without_any_filesystem_the_screen_says_so_and_stays() -> None:
    app = replay(shapes.nothing_found())
    async with shown(app, (80, 24)) as pilot:
        assert "the filesystem was not found" in text(app)
        for key in VIEW_KEYS:
            await pilot.press(key)
            await settle(pilot)
        assert app.is_running


async def test_the_first_partial_report_shows_how_full_it_is_and_finds_nothing() -> None:
    machine = FakeSource([(shapes.starting(), False, ("walk", "images")), (incident(), True, ())])
    machine.gate.clear()
    app = live(machine)
    async with shown(app, (120, 36)) as pilot:
        seen = text(app)
        assert "99% full, 18.0 GiB left" in seen
        assert "still reading: walk, images" in seen
        assert "Still being read: no finding yet." in seen
        assert "CRITICAL" not in seen
        machine.gate.set()
        await settle(pilot)
        assert "312.0 GiB in 41 orphaned layers" in text(app)


async def test_a_finding_about_a_category_that_is_not_read_is_not_shown() -> None:
    report = shapes.not_root()
    claim = a_finding("orphans", Severity.P0, "an orphan nobody measured", gib(312))
    assert report.ledger is not None
    app = replay(Report(**{**{name: getattr(report, name) for name in report.__slots__}, "findings": (claim,)}))
    async with shown(app, (120, 36)):
        assert "nobody measured" not in text(app)


async def test_a_category_that_fails_shows_its_last_good_value_and_age() -> None:
    machine = FakeSource([(incident(4.0), True, ())], [(shapes.not_root(), True, ())])
    app = live(machine)
    async with shown(app, (120, 36), ["r"]) as pilot:
        await settle(pilot)
        row = next(line for line in lines(app) if "Orphaned layers" in line)
        assert "303.7 GiB 4 h 00 min ago" in row
        assert "needs root" in row
