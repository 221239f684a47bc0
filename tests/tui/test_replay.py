"""Walking through a recording: every panel shows one moment, and nothing that came after it."""

import dataclasses
from collections.abc import Callable
from datetime import timedelta

import pytest
from textual.pilot import Pilot

from collectors.journal import Journal, Record, UsedPoint
from collectors.model.plan import Severity
from collectors.model.settings import DEFAULTS
from tests.tui.build import gib
from tests.tui.incident import at_hours, charged_bytes, frames, incident, used_bytes
from tests.tui.screen import VIEW_KEYS, lines, replay, settle, shown, text
from tui.app import UllageApp
from tui.feed import ReplayFeed, Timeline, report_of
from tui.view_models import HistoryEventKind
from tui.view_models.history import RunFinding, RunSummary, events, history_of, run_of_report, runs_of_journal, until
from tui.widgets.category_table import CategoryTable


def a_timeline() -> Timeline:
    reports = frames(2.0)
    return Timeline([run_of_report(report) for report in reports], reports.__getitem__, DEFAULTS.thresholds)


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 36)])
async def test_replay_is_written_on_every_view(size: tuple[int, int]) -> None:
    app = replay(*frames(6.0))
    async with shown(app, size) as pilot:
        for key in VIEW_KEYS:
            await pilot.press(key)
            await settle(pilot)
            assert "REPLAY" in text(app)


async def test_a_recording_opens_at_its_fullest_moment_and_end_leads_to_the_newest() -> None:
    emptied = dataclasses.replace(incident(60.0), taken_at=at_hours(-1.0))
    app = replay(*frames(2.0), emptied)
    async with shown(app, (120, 36), ["3"]) as pilot:
        assert "run 73 of 74" in text(app)
        await pilot.press("end")
        await settle(pilot)
        assert "run 74 of 74" in text(app)


async def test_an_hour_back_shows_that_hour_on_every_panel() -> None:
    app = replay(*frames(2.0))
    async with shown(app, (120, 36), ["left"]):
        seen = text(app)
        assert "23 Nov 01:12" in seen
        assert "307.8" in seen
        assert "312.0" not in seen


async def test_brackets_go_from_event_to_event() -> None:
    app = replay(*frames(2.0))
    async with shown(app, (120, 36), ["3", "left_square_bracket"]) as pilot:
        assert "22 Nov 01:12" in text(app)
        await pilot.press("left_square_bracket")
        await settle(pilot)
        assert "20 Nov 19:12" in text(app)
        assert "90% crossed" not in text(app)
        await pilot.press("right_square_bracket")
        await settle(pilot)
        assert "90% crossed" in text(app)


async def test_home_and_end_go_to_the_oldest_and_newest_run() -> None:
    app = replay(*frames(2.0))
    async with shown(app, (120, 36), ["3", "home"]) as pilot:
        assert "run 1 of 73" in text(app)
        await pilot.press("end")
        await settle(pilot)
        assert "run 73 of 73, the newest" in text(app)


async def test_enter_on_an_event_goes_to_its_run() -> None:
    app = replay(*frames(2.0))
    async with shown(app, (120, 36), ["3", "down", "enter"]):
        assert "run 45 of 73" in text(app)


async def test_clicking_the_slider_goes_there() -> None:
    app = replay(*frames(2.0))
    async with shown(app, (120, 36), ["3"]) as pilot:
        await pilot.click("#slider", offset=(60, 0))
        await settle(pilot)
        assert "run 37 of 73" in text(app)


async def test_the_plan_counts_the_bytes_of_the_frame_that_is_shown() -> None:
    app = replay(*frames(2.0))
    async with shown(app, (120, 36), ["4"]) as pilot:
        assert "436.2 GiB to be freed" in text(app)
        for _ in range(12):
            await pilot.press("left")
        await settle(pilot)
        assert "436.2" not in text(app)


def test_a_frame_knows_nothing_of_what_came_later() -> None:
    timeline = a_timeline()
    frame = timeline.frame(30)
    assert max(point.at for point in frame.history.used) == frame.report.taken_at
    assert all(event.at <= frame.report.taken_at for event in frame.history.events)
    assert all(sample.at <= frame.report.taken_at for line in frame.history.series.values() for sample in line)


def test_steps_in_time_end_at_both_ends() -> None:
    timeline = a_timeline()
    last = len(timeline) - 1
    assert timeline.by_hours(last, 1) == last
    assert timeline.by_hours(0, -1) == 0
    assert timeline.by_hours(10, 1) == 11
    assert timeline.by_hours(10, -1) == 9
    assert timeline.by_event(0, -1, timeline.histories(last)[0].events) == 0


def test_events_are_crossings_falls_findings_and_what_resolved() -> None:
    told = events([run_of_report(report) for report in frames(2.0)], DEFAULTS.thresholds)
    assert [event.kind for event in told if event.kind in (HistoryEventKind.CROSSED, HistoryEventKind.FREED)] == [
        HistoryEventKind.FREED,
        HistoryEventKind.CROSSED,
        HistoryEventKind.CROSSED,
    ]
    assert "Build cache" in next(event.text for event in told if event.kind is HistoryEventKind.FREED)


def test_a_forecast_that_came_true_is_not_called_resolved_and_one_that_did_not_is() -> None:
    def at(hours: float, **findings: Severity) -> RunSummary:
        found = {rule.replace("_", "-"): RunFinding(severity, rule, None) for rule, severity in findings.items()}
        return dataclasses.replace(run_of_report(incident(hours)), findings=found)

    ahead = at(2.0, disk_full=Severity.P1, disk_forecast=Severity.P1)
    for now, wanted in ((at(1.0, disk_full=Severity.P0), []), (at(1.0, disk_full=Severity.P1), ["disk_forecast"])):
        told = [
            event.text for event in events([ahead, now], DEFAULTS.thresholds) if event.kind is HistoryEventKind.RESOLVED
        ]
        assert told == [f"resolved: {claim}" for claim in wanted]


def test_until_cuts_every_curve_at_the_same_moment() -> None:
    past = history_of([run_of_report(incident(hours)) for hours in (8.0, 4.0, 0.0)], DEFAULTS.thresholds)
    early = until(past, at_hours(4.0))
    assert len(early.used) == 2
    assert {len(line) for line in early.series.values()} == {2}


def a_record(hours: float) -> Record:
    return Record(
        at=at_hours(hours),
        boot_id="b",
        uptime_s=1e6,
        filesystem="u",
        total_bytes=gib(931.5),
        used_bytes=used_bytes(hours),
        available_bytes=gib(931.5) - used_bytes(hours),
        severity=Severity.P1,
        categories={"orphans": charged_bytes_of("orphans", hours), "images": None},
        allocation=None,
        owners=None,
        tags=None,
        dangling=None,
        orphans=None,
        findings=(),
        actions=(),
    )


def charged_bytes_of(key: str, hours: float) -> int:
    from collectors.model.ledger import Category

    return charged_bytes(Category(key), hours)


def a_journal() -> Journal:
    records = tuple(a_record(hours / 3) for hours in range(72, -1, -1))
    return Journal(records, (UsedPoint(at_hours(60), 70), UsedPoint(at_hours(50), 72)), 0, 0)


async def test_a_journal_replays_with_what_it_kept_and_says_what_it_did_not() -> None:
    app = UllageApp(ReplayFeed.of_journal(a_journal(), host="elsewhere", settings=DEFAULTS))
    async with shown(app, (120, 36)) as pilot:
        seen = text(app)
        assert "99% full" in seen
        assert "elsewhere" in seen
        assert "a run of the journal" in seen
        row = next(line for line in seen.split("\n") if " Images " in line and "?" in line)
        assert "does not keep it" in row
        await pilot.press("4")
        await settle(pilot)
        assert "only a recording does" in text(app)


def test_the_forecast_of_a_journal_frame_is_made_from_its_past_alone() -> None:
    feed = ReplayFeed.of_journal(a_journal(), host="h", settings=DEFAULTS)
    early, late = feed.report_at(30), feed.report_at(72)
    assert early.trend.runs == 31
    assert late.trend.runs == 73
    assert all(crossing.at > early.taken_at for crossing in early.trend.crossings)


def test_points_that_supervisors_wrote_lengthen_the_curve_and_are_no_frames() -> None:
    feed = ReplayFeed.of_journal(a_journal(), host="h", settings=DEFAULTS)
    timeline = Timeline(feed.runs, feed.report_at, DEFAULTS.thresholds, feed.foreign)
    assert len(timeline) == 73
    assert timeline.histories(72)[0].used[0].at == at_hours(60)


def test_an_empty_recording_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to replay"):
        ReplayFeed.of_reports([])


async def test_until_somebody_chooses_the_cursor_follows_the_largest_category() -> None:
    late, early = incident(), incident(400.0)
    app = replay(early, late)
    async with shown(app, (120, 36)) as pilot:
        assert app.query_one(CategoryTable).key == "orphans"
        await pilot.press("left")
        await settle(pilot)
        table = app.query_one(CategoryTable)
        assert app.state.row is not None
        assert table.key == app.state.row.label.key == table.rows[0].label.key != "orphans"


def test_a_run_of_a_long_journal_looks_back_as_far_as_a_live_one_and_no_further() -> None:
    """Else each frame would cost as much as the journal is long, and walking through it the square of that."""
    runs = runs_of_journal(Journal(tuple(a_record(run / 3) for run in range(50 * 72)), (), 0, 0))
    looked = [report_of(runs, index, "host", DEFAULTS, {}).trend.runs for index in (10, 3_000, 3_599)]
    assert looked == [11, 35 * 72 + 1, 35 * 72 + 1]


async def seen_by(pilot: Pilot[int], seen: Callable[[], bool]) -> None:
    for _ in range(200):
        if seen():
            return
        await pilot.pause(0.05)
    raise AssertionError("not seen")


async def test_space_plays_run_after_run_until_the_newest_and_stops_there() -> None:
    app = replay(*frames(24.0))
    async with shown(app, (120, 36), ["3", "space"]) as pilot:
        assert app.state.playing
        assert "PLAYING" in text(app)
        seen = set()
        await seen_by(pilot, lambda: seen.add(app.state.position[0]) or not app.state.playing)  # type: ignore[func-returns-value]
        assert seen == set(range(1, 8)), "each run was on screen, from the oldest on"
        assert app.state.position == (7, 7)
        assert "« REPLAY" in text(app)


@pytest.mark.parametrize("key", ["space", "left", "home", "left_square_bracket"])
async def test_who_goes_somewhere_plays_no_longer(key: str) -> None:
    app = replay(*frames(4.0))
    async with shown(app, (120, 36), ["3", "home", "space"]) as pilot:
        await seen_by(pilot, lambda: app.state.position[0] > 2)
        await pilot.press(key)
        assert not app.state.playing
        at = app.state.position
        await pilot.pause(1.0)
        assert app.state.position == at


@pytest.mark.parametrize("width", [60, 80, 120, 200])
async def test_the_run_counter_is_seen_at_every_width(width: int) -> None:
    app = replay(*frames(2.0))
    async with shown(app, (width, 24), ["left"]):
        assert "72/73" in lines(app)[0]


def run_with_tags(hours: float, **tags: str) -> RunSummary:
    names = {name.replace("_", ":"): image for name, image in tags.items()}
    return dataclasses.replace(run_of_report(incident(hours)), tags=names)


def test_a_new_image_behind_a_name_is_a_deploy_and_another_name_of_a_known_one_is_none() -> None:
    runs = [
        run_with_tags(4.0, api_1="aa", web_1="bb"),
        run_with_tags(3.0, api_1="cc", web_1="bb"),
        run_with_tags(2.0, api_1="cc", web_1="bb", web_stable="bb"),
        run_with_tags(1.0, api_1="dd", web_1="ee"),
    ]
    told = [event for event in events(runs, DEFAULTS.thresholds) if event.kind is HistoryEventKind.DEPLOYED]
    assert [event.at for event in told] == [runs[1].at, runs[3].at]
    assert [event.text for event in told] == ["deploy: new image of api:1", "deploy: new image of api:1 and 1 more"]


def test_a_link_opens_at_what_was_on_screen_then() -> None:
    feed = ReplayFeed.of_reports(frames(2.0))
    feed.open_at(feed.runs[10].at + timedelta(minutes=5))
    assert feed.opens_at == 10
    feed.open_at(feed.runs[0].at - timedelta(days=1))
    assert feed.opens_at == 0
