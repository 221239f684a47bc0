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
from collectors.report.words import bytes_, percent
from tui.view_models.categories import by_key
from tui.view_models.frame import Event, Kind, Past, Point
from tui.view_models.runs import Moment, came_true


def past_of(moments: Sequence[Moment], marks: Sequence[int]) -> Past:
    """The curves and events of runs that are oldest first."""
    series: dict[str, list[Sample]] = {}
    for moment in moments:
        for key, value in moment.categories.items():
            series.setdefault(key, []).append(Sample(moment.at, value))
    return Past(
        used=tuple(Point(moment.at, moment.percent) for moment in moments if moment.percent is not None),
        series={key: tuple(samples) for key, samples in series.items()},
        events=events(moments, marks),
    )


def until(past: Past, at: datetime) -> Past:
    """What was known at `at`: nothing later."""
    return Past(
        used=past.used[: bisect_right(past.used, at, key=lambda point: point.at)],
        series={key: line[: bisect_right(line, at, key=lambda sample: sample.at)] for key, line in past.series.items()},
        events=past.events[: bisect_right(past.events, at, key=lambda event: event.at)],
    )


def used_curve(past: Past, report: Report) -> tuple[Point, ...]:
    """The used % to draw: the journal's where it has any, else the thinned curve that the report carries."""
    if past.used:
        return past.used
    return tuple(Point(sample.at, float(sample.value)) for sample in report.trend.used_percent)


# A fall of this share of the disk between two runs is worth a line of its own.
_FALL_PERCENT = 2.0


# Crossings tell when these begin, and better.
_TOLD = frozenset({disk_full.ID})


def events(moments: Sequence[Moment], marks: Sequence[int]) -> tuple[Event, ...]:
    """What happened, oldest first: thresholds crossed, findings that came and went, space that came back, actions."""
    told: list[Event] = []
    before: Moment | None = None
    told_before: Moment | None = None  # the last run that had findings at all: foreign points have none
    for moment in moments:
        if before is not None:
            told += _levels(before, moment, marks)
        if told_before is not None and moment.categories:
            told += _findings(told_before, moment)
        told += [Event(moment.at, Kind.ACTION, text, moment.percent, Severity.P4) for text in moment.actions]
        if moment.percent is not None:
            before = moment
        if moment.categories:
            told_before = moment
    return tuple(told)


def _levels(before: Moment, moment: Moment, marks: Sequence[int]) -> list[Event]:
    if before.percent is None or moment.percent is None:
        return []
    found = []
    for mark in marks:
        if before.percent < mark <= moment.percent:
            severity = Severity.P0 if mark >= 90 else Severity.P1 if mark >= 80 else Severity.P2
            found.append(Event(moment.at, Kind.CROSSED, f"{mark}% crossed", moment.percent, severity))
    fall = before.percent - moment.percent
    if fall >= _FALL_PERCENT:
        text = f"used space fell from {percent(before.percent)} to {percent(moment.percent)}"
        if before.used_bytes is not None and moment.used_bytes is not None:
            text = f"{bytes_(before.used_bytes - moment.used_bytes)} came back{_from(before, moment)}"
        found.append(Event(moment.at, Kind.FREED, text, moment.percent, Severity.P4))
    return found


def _from(before: Moment, moment: Moment) -> str:
    """The category that fell most, as `: Build cache`."""
    shrunk = {
        key: value - moment.categories[key] for key, value in before.categories.items() if key in moment.categories
    }
    if not shrunk:
        return ""
    key = max(shrunk, key=lambda key: shrunk[key])
    return f": {by_key(key).title}" if shrunk[key] > 0 and _known(key) else ""


def _known(key: str) -> bool:
    try:
        by_key(key)
    except ValueError:
        return False
    return True


def _findings(before: Moment, moment: Moment) -> list[Event]:
    found = []
    for rule, finding in moment.findings.items():
        if rule in _TOLD:
            continue
        old = before.findings.get(rule)
        if old is None or finding.severity > old.severity:
            amount = "" if finding.bytes is None else f", {bytes_(finding.bytes)}"
            found.append(Event(moment.at, Kind.FOUND, f"{finding.claim}{amount}", moment.percent, finding.severity))
    for rule, finding in before.findings.items():
        gone = rule not in moment.findings and rule not in _TOLD
        if gone and not came_true(rule, finding.severity, moment.findings):
            found.append(Event(moment.at, Kind.RESOLVED, f"resolved: {finding.claim}", moment.percent, Severity.P4))
    return found
