"""The history that a screen may draw: from recorded reports or from a journal, never beyond the frame shown. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime

from collectors.model.report import Report, Sample
from tui.frame import Past, Point
from tui.moments import Moment, events


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
