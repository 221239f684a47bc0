"""One used %: from what statvfs answers, through journal, judgement and exit status, to every face of the program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from collectors.journal.reading import read
from collectors.model.plan import Severity
from collectors.model.report import Report
from collectors.model.settings import DEFAULTS, Thresholds
from collectors.report.document import encode
from collectors.report.metrics import openmetrics
from collectors.report.plan_text import plan_page
from collectors.report.text import render
from tests.pipeline.held import held
from tui.drawing import appearance_of
from tui.export import markdown
from tui.view_models import Frame
from tui.view_models.disk_bar import scale_line
from tui.view_models.history import history_of, run_of_report, runs_of_journal
from tui.view_models.state import DashboardState, Mode
from tui.view_models.verdict import fullness

HELD = [(89.449, 90, Severity.P0, 2), (79.45, 80, Severity.P1, 2), (69.45, 70, Severity.P2, 1)]
BELOW = [(89.0, 89, Severity.P1, 2), (79.0, 79, Severity.P2, 1), (69.0, 69, Severity.P3, 0)]


@pytest.mark.parametrize(("share", "percent", "severity", "status"), [*HELD, *BELOW])
def test_a_disk_that_is_held_has_one_severity_with_and_without_a_journal(
    share: float, percent: int, severity: Severity, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = held(monkeypatch, [share], None)
    journaled = held(monkeypatch, [share] * 4, tmp_path)
    for report in (outcome.report for outcome in (*alone, *journaled)):
        assert (report.severity, report.exit_status) == (severity, status)
        assert not any("waits" in label for finding in report.findings for label, _ in finding.evidence)
        assert set(figures(report)) == {percent}
    records = read(tmp_path, since=journaled[0].report.taken_at, now=journaled[-1].report.taken_at).records
    assert [record.used_percent for record in records] == [percent] * 4


@pytest.mark.parametrize(("share", "percent", "severity", "status"), HELD)
def test_the_dashboard_tells_the_crossing_when_the_severity_rises(
    share: float, percent: int, severity: Severity, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = held(monkeypatch, [percent - 2.0, share], tmp_path)
    before, report = (outcome.report for outcome in outcomes)
    journal = read(tmp_path, since=before.taken_at, now=report.taken_at)
    for runs in ([run_of_report(before), run_of_report(report)], runs_of_journal(journal)):
        (event,) = history_of(runs, Thresholds(p1_percent=percent, p0_percent=100)).events
        assert (event.text, event.used_percent) == (f"{percent}% crossed", percent)


def test_a_severity_clears_at_the_figure_that_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # 84.2 is shown as 85, five points below 90 only from 84 on.
    held_up = held(monkeypatch, [90.0, 84.2, 84.2, 84.2], tmp_path / "a")
    assert held_up[-1].report.severity is Severity.P0
    cleared = held(monkeypatch, [90.0, 84.0, 84.0], tmp_path / "b")
    assert [outcome.report.severity for outcome in cleared] == [Severity.P0, Severity.P0, Severity.P1]


def figures(report: Report) -> list[float]:
    """The used % of every face, read back from what a person or a program gets to see."""
    nothing = history_of((), DEFAULTS.thresholds)
    state = DashboardState(appearance_of("ullage-dark", False), Mode.LIVE, Frame(report, nothing))
    found = [
        *_of(r"^Disk: (\S+)% used \(", render(report)),
        *_of(r"^Disk: (\S+)% used \(", plan_page(report, None)),
        *_of(r"^After: (\S+)% used \(", plan_page(report, None)),
        *_of(r"^- Disk: (\S+)% used", markdown(report, nothing)),
        *_of(r"^(\S+)% full", "".join(span.text for span in fullness(report, None, si=False))),
        *_of(r"(\d\S*)▾", next(span.text for span in scale_line(state, 100) if span.role in ("good", "bad"))),
    ]
    assert len(found) == 6
    ratio = re.search(r"^ullage_filesystem_used_ratio (\S+)$", openmetrics([(None, report)]), re.MULTILINE)
    assert ratio is not None
    filesystem = encode(report)["filesystem"]
    assert isinstance(filesystem, dict)
    return [*(int(text) for text in found), filesystem["used_percent"], round(100 * float(ratio[1]), 6)]


def _of(pattern: str, text: str) -> list[str]:
    return re.findall(pattern, text, re.MULTILINE)
