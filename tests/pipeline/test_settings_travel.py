"""What is configured reaches everything that judges or marks: no face has numbers of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collectors.cli import command_line, main
from collectors.journal.reading import read
from collectors.model.plan import Severity
from collectors.model.report import Report
from collectors.model.settings import DEFAULTS, Settings
from collectors.report.recording import dump, load, redacted
from tests.pipeline.held import held
from tui.drawing import appearance_of
from tui.feed import ReplayFeed, Timeline
from tui.view_models import Frame
from tui.view_models.chart import chart_of, forecast_words
from tui.view_models.disk_bar import scale_line
from tui.view_models.history import history_of
from tui.view_models.state import DashboardState, Mode

CONFIG = "[thresholds]\np2_percent = 40\np1_percent = 50\np0_percent = 60\n\n[keep]\nimages = ['secret-shop/*']\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    return command_line.load(str(path)).settings


@pytest.fixture
def reports(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Report]:
    """A disk that rises through 50 and 60 %, and falls by less than the margin."""
    shares = [45.0, 52.0, 52.0, 61.0, 58.0]
    outcomes = held(monkeypatch, shares, tmp_path / "journal", settings, vault=_folder(tmp_path / "vault"))
    return [outcome.report for outcome in outcomes]


def test_severities_and_hysteresis_go_by_it(reports: list[Report]) -> None:
    found = [report.severity for report in reports]
    assert found == [Severity.P2, Severity.P2, Severity.P1, Severity.P0, Severity.P0]


def test_bar_and_chart_are_marked_at_it(reports: list[Report]) -> None:
    report = reports[-1]
    frame = Frame(report, history_of((), report.settings.thresholds))
    state = DashboardState(appearance_of("ullage-dark", False), Mode.LIVE, frame)
    assert state.marks == (50, 60)
    drawn = [span.text for span in scale_line(state, 200) if "▾" in span.text]
    assert drawn == ["50▾", "58▾", "60▾"]
    assert chart_of(report, frame.history, back_h=72, ahead_h=24, marks=state.marks).marks == (50, 60)
    assert forecast_words(report, state.marks).startswith("50% passed")


def test_events_of_a_recording_and_of_a_journal_go_by_it(
    reports: list[Report], settings: Settings, tmp_path: Path
) -> None:
    recorded = ReplayFeed.of_reports([load(dump(report)) for report in reports])
    journal = read(tmp_path / "journal", since=reports[0].taken_at, now=reports[-1].taken_at)
    for feed in (recorded, ReplayFeed.of_journal(journal, host="h", settings=settings)):
        timeline = Timeline(feed.runs, feed.report_at, feed.settings.thresholds, feed.foreign)
        crossed = [(event.text, event.severity) for event in timeline.histories(4)[0].events if "crossed" in event.text]
        assert crossed == [("50% crossed", Severity.P1), ("60% crossed", Severity.P0)]
        assert [timeline.frame(index).report.settings for index in range(5)] == [settings] * 5
        assert [timeline.frame(index).report.severity for index in (3, 4)] == [Severity.P0, Severity.P0]


def test_the_vault_has_a_task_for_what_only_these_thresholds_call_full(reports: list[Report], tmp_path: Path) -> None:
    (task,) = (tmp_path / "vault").glob("*disk-full*")
    assert "above 60%" in task.read_text() or "58% used" in task.read_text()


def test_the_printed_alerts_quote_it(tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--print", "alerts", "--config", str(tmp_path / "config.toml")]) == 0
    told = capsys.readouterr().out
    assert 'ullage_crossing_seconds{percent="60"} < 4 * 3600' in told
    assert "ullage_filesystem_used_ratio > 0.3" in told
    assert "90" not in told


def test_history_and_report_foretell_it(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shares = [30.0 + 1.2 * run for run in range(13)]
    last = held(monkeypatch, shares, tmp_path / "rising", settings)[-1].report
    asked = ["--history", "--format", "json", "--journal", str(tmp_path / "rising")]
    assert main([*asked, "--config", str(tmp_path / "config.toml")]) == 0
    told = json.loads(capsys.readouterr().out)["trend"]["crossings"]
    assert [crossing["percent"] for crossing in told] == [50, 60, 100]
    assert [crossing.percent for crossing in last.trend.crossings] == [50, 60, 100]


def test_a_recording_from_before_has_the_defaults(reports: list[Report]) -> None:
    line = json.loads(dump(reports[-1]))
    at = line["fields"]["Report"].index("settings")
    del line["fields"]["Report"][at], line["report"]["f"][at]
    for name in ("Settings", "Thresholds", "Rules"):
        del line["fields"][name]
    assert load(json.dumps(line)).settings == DEFAULTS


def test_patterns_of_what_is_kept_are_not_in_a_redacted_recording(reports: list[Report]) -> None:
    assert "secret-shop" in dump(reports[-1])
    assert "secret-shop" not in dump(redacted(reports[-1]))
    assert redacted(reports[-1]).settings.thresholds == reports[-1].settings.thresholds


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
