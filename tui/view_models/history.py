"""The history that a screen may draw, never beyond the frame shown: curves, and what happened between two runs. Pure.

Refuses to tell an event from a single run: crossing, finding and resolving need a run before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime

from collectors.causes import disk_full
from collectors.model.finding import Severity
from collectors.model.report import Report, Sample
from collectors.model.settings import Thresholds
from collectors.report.words import bytes_, whole_percent
from tui.view_models.categories import label_by_key
from tui.view_models.frame import CurvePoint, HistoryEvent, HistoryEventKind, RunHistory
from tui.view_models.runs import RunSummary, forecast_came_true


def history_of(runs: Sequence[RunSummary], thresholds: Thresholds) -> RunHistory:
    """The curves and events of runs that are oldest first."""
    series: dict[str, list[Sample]] = {}
    for run in runs:
        for key, value in run.categories.items():
            series.setdefault(key, []).append(Sample(run.at, value))
    return RunHistory(
        used=tuple(CurvePoint(run.at, height) for run in runs if (height := run.height) is not None),
        series={key: tuple(samples) for key, samples in series.items()},
        events=events(runs, thresholds),
    )


def until(history: RunHistory, at: datetime) -> RunHistory:
    """What was known at `at`: nothing later."""
    return RunHistory(
        used=history.used[: bisect_right(history.used, at, key=lambda point: point.at)],
        series={
            key: line[: bisect_right(line, at, key=lambda sample: sample.at)] for key, line in history.series.items()
        },
        events=history.events[: bisect_right(history.events, at, key=lambda event: event.at)],
    )


def used_curve(history: RunHistory, report: Report) -> tuple[CurvePoint, ...]:
    """The used % to draw: the journal's where it has any, else the thinned curve that the report carries."""
    if history.used:
        return history.used
    return tuple(CurvePoint(sample.at, float(sample.value)) for sample in report.trend.used_percent)


# A fall of this share of the disk between two runs is worth a line of its own.
_FALL_PERCENT = 2.0


# Crossings tell when these begin, and better.
_SHOWN_AS_CROSSINGS = frozenset({disk_full.ID})


def events(runs: Sequence[RunSummary], thresholds: Thresholds) -> tuple[HistoryEvent, ...]:
    """What happened, oldest first: thresholds crossed, findings that came and went, space that freed, actions."""
    found: list[HistoryEvent] = []
    before: RunSummary | None = None
    before_with_findings: RunSummary | None = None  # the last run that had findings at all: foreign points have none
    for run in runs:
        if before is not None:
            found += _levels(before, run, thresholds)
        if before_with_findings is not None and run.categories:
            found += _findings(before_with_findings, run)
        found += [
            HistoryEvent(run.at, HistoryEventKind.ACTION, text, run.used_percent, Severity.P4) for text in run.actions
        ]
        if run.used_percent is not None:
            before = run
        if run.categories:
            before_with_findings = run
    return tuple(found)


def _levels(before: RunSummary, run: RunSummary, thresholds: Thresholds) -> list[HistoryEvent]:
    if before.used_percent is None or run.used_percent is None:
        return []
    found = []
    used = run.used_percent
    for mark in thresholds.marks:
        if before.used_percent < mark <= used:
            severity = thresholds.level(mark)
            found.append(
                HistoryEvent(run.at, HistoryEventKind.CROSSED, f"{whole_percent(mark)} crossed", used, severity)
            )
    fall = (before.height or 0.0) - (run.height or 0.0)
    if fall >= _FALL_PERCENT:
        text = f"used space fell from {whole_percent(before.used_percent)} to {whole_percent(run.used_percent)}"
        if before.used_bytes is not None and run.used_bytes is not None:
            text = f"{bytes_(before.used_bytes - run.used_bytes)} freed{_from(before, run)}"
        found.append(HistoryEvent(run.at, HistoryEventKind.FREED, text, run.used_percent, Severity.P4))
    return found


def _from(before: RunSummary, run: RunSummary) -> str:
    """The category that fell most, as `: Build cache`."""
    shrunk = {key: value - run.categories[key] for key, value in before.categories.items() if key in run.categories}
    if not shrunk:
        return ""
    key = max(shrunk, key=lambda key: shrunk[key])
    return f": {label_by_key(key).title}" if shrunk[key] > 0 and _known(key) else ""


def _known(key: str) -> bool:
    try:
        label_by_key(key)
    except ValueError:
        return False
    return True


def _findings(before: RunSummary, run: RunSummary) -> list[HistoryEvent]:
    found = []
    used = run.used_percent
    for rule, finding in run.findings.items():
        if rule in _SHOWN_AS_CROSSINGS:
            continue
        old = before.findings.get(rule)
        if old is None or finding.severity > old.severity:
            amount = "" if finding.bytes is None else f", {bytes_(finding.bytes)}"
            found.append(
                HistoryEvent(run.at, HistoryEventKind.FOUND, f"{finding.claim}{amount}", used, finding.severity)
            )
    for rule, finding in before.findings.items():
        gone = rule not in run.findings and rule not in _SHOWN_AS_CROSSINGS
        if gone and not forecast_came_true(rule, finding.severity, run.findings):
            found.append(
                HistoryEvent(run.at, HistoryEventKind.RESOLVED, f"resolved: {finding.claim}", used, Severity.P4)
            )
    return found
