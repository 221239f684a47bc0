"""What the chart draws, in hours from the moment shown and percent of the disk. Pure.

Refuses to draw a forecast that the report does not have, and anything the frame could not have known.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from collectors.model.report import Report, Sample
from collectors.report.formatting import age, percent
from tui.drawing.chart import XY, Chart, ForecastPoint
from tui.view_models.categories import label_by_key
from tui.view_models.frame import CurvePoint, RunHistory, height_of, space_of
from tui.view_models.history import used_curve
from tui.view_models.verdict import clock, next_crossing


def chart_of(
    report: Report,
    history: RunHistory,
    *,
    back_h: float,
    ahead_h: float,
    marks: Sequence[int],
    category: str = "",
) -> Chart:
    """The last `back_h` hours, fewer where the journal is younger, and what the trend says of the next."""
    now = report.taken_at
    points = _within(used_curve(history, report), now, back_h)
    space = space_of(report)
    if space is not None and (not points or points[-1][0] < 0):
        points = (*points, (0.0, height_of(space.used_bytes, space.usable_bytes)))
    oldest = -points[0][0] if points else 0.0
    shown = min(back_h, max(1.0, oldest))
    second, letter, text = _category(report, history.series.get(category, ()), category, shown)
    # A forecast further ahead than half of what is known is not worth the space.
    ahead_h = min(ahead_h, max(2.0, shown / 2))
    ahead = _ahead(report, ahead_h)
    known = [y for _, y in (*points, *second)] + [point.low for point in ahead]
    lowest = min(known, default=0.0)
    crossing = next_crossing(report)
    full = (crossing.at - now).total_seconds() / 3600 if crossing is not None else None
    goal = "" if crossing is None else "full" if crossing.percent >= 100 else f"{crossing.percent}%"
    return Chart(
        from_h=-shown,
        to_h=ahead_h if ahead else max(0.5, shown / 24),
        low=0.0 if second else max(0.0, min(lowest - 3.0, 97.0)),
        high=101.0,
        curve=points,
        second=second,
        second_letter=letter,
        second_text=text,
        ahead=ahead,
        marks=tuple(marks),
        full_at_h=full if full is not None and full <= ahead_h else None,
        full_text=f"{goal} {clock(crossing.at, now)}" if crossing is not None else "",
    )


def _within(points: Sequence[CurvePoint], now: datetime, back_h: float) -> tuple[XY, ...]:
    placed = (((point.at - now).total_seconds() / 3600, point.percent) for point in points)
    return tuple((x, y) for x, y in placed if -back_h <= x <= 0)


def _category(report: Report, samples: Sequence[Sample], key: str, back_h: float) -> tuple[tuple[XY, ...], str, str]:
    """A category's bytes in percent of what users may use; nothing for an empty curve."""
    space = space_of(report)
    if space is None or not samples:
        return (), "", ""
    placed = (
        ((sample.at - report.taken_at).total_seconds() / 3600, height_of(sample.value, space.usable_bytes))
        for sample in samples
    )
    line = tuple((x, y) for x, y in placed if -back_h <= x <= 0)
    if not line:
        return (), "", ""
    label = label_by_key(key)
    return line, label.letter, f"{label.letter} {label.title} {percent(line[-1][1])}"


def _ahead(report: Report, ahead_h: float) -> tuple[ForecastPoint, ...]:
    """A band from now on, from the growth of used; empty where the trend has no forecast."""
    growth = next((growth for growth in report.trend.growth if growth.key == "used"), None)
    space = space_of(report)
    if growth is None or space is None or report.trend.reason:
        return ()
    usable = space.usable_bytes
    now = height_of(space.used_bytes, usable)
    if usable <= 0:
        return ()
    per_hour = [
        100.0 * rate / usable / 24
        for rate in (growth.low_bytes_per_day, growth.bytes_per_day, growth.high_bytes_per_day)
    ]
    steps = 96
    points: list[ForecastPoint] = []
    for x in (ahead_h * step / steps for step in range(steps + 1)):
        point = ForecastPoint(x, *(min(100.0, max(0.0, now + slope * x)) for slope in per_hour))
        points.append(point)
        if point.low >= 100.0:
            break  # full for certain: beyond it there is nothing to draw
    return tuple(points)


def forecast_words(report: Report, marks: Sequence[int]) -> str:
    """What the forecast says of each threshold, or why there is none: `80% passed · full in 7 h 06 min`."""
    space = space_of(report)
    if space is None:
        return ""
    now = space.used_percent
    said = [f"{mark}% passed" for mark in marks if now >= mark]
    for crossing in sorted(report.trend.crossings, key=lambda crossing: crossing.percent):
        left = (crossing.at - report.taken_at).total_seconds()
        if left > 0:
            said.append(f"{'full' if crossing.percent >= 100 else f'{crossing.percent}%'} in {age(left)}")
    if report.trend.reason:
        said.append(f"no forecast: {report.trend.reason}")
    return " · ".join(said)
