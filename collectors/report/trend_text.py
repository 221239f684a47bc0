"""The trend in words: the section of the report, and the page of `--history`.

The section `## Docker Storage Trend`.

`--history`: each figure of the journal over a window, as text with sparklines or as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from collectors.forecast import Point
from collectors.model.report import TrendView
from collectors.report import formatting

_LEVELS = "▁▂▃▄▅▆▇█"


def trend_section(trend: TrendView, si: bool) -> list[str]:
    """Growth, crossings, churn and a sparkline of used %; the reason where there is no forecast."""
    lines = [f"Runs: {trend.runs}" + (f" since {formatting.moment(trend.oldest)}" if trend.oldest else "")]
    if trend.skipped_lines:
        lines.append(f"Skipped lines: {trend.skipped_lines}")
    if trend.used_percent:
        values = [sample.value for sample in trend.used_percent]
        first, last = formatting.whole_percent(values[0]), formatting.whole_percent(values[-1])
        lines.append(f"Used percent: {sparkline(values)} {first} → {last}")
    for growth in trend.growth:
        low, high = signed(growth.low_bytes_per_day, si), signed(growth.high_bytes_per_day, si)
        change = "" if growth.change_24h_bytes is None else f", {signed(growth.change_24h_bytes, si)} in 24 h"
        rate = f"{signed(growth.bytes_per_day, si)}/day ({low} to {high}, {growth.runs} runs)"
        lines.append(f"- Growth of {formatting.quoted(growth.key)}: {rate}{change}")
    for crossing in trend.crossings:
        latest = formatting.moment(crossing.latest) if crossing.latest else "never"
        span = f"{formatting.moment(crossing.earliest)} to {latest}"
        lines.append(
            f"- Crosses {formatting.whole_percent(crossing.percent)}: {formatting.moment(crossing.at)} ({span})"
        )
    for churn in trend.churn:
        images = formatting.count(churn.dangling_images, "image")
        left = f"{formatting.size(churn.dangling_bytes, si=si)} now dangling in {images}"
        step = f"; new bytes come from {formatting.quoted(churn.busting_step)}" if churn.busting_step else ""
        if not churn.rebuilds:
            lines.append(f"- Dangling: {left}, from {formatting.quoted(churn.repository) or 'an unknown repository'}")
            continue
        name, times = formatting.quoted(churn.repository), formatting.count(churn.rebuilds, "time")
        lines.append(f"- Churn: {name} rebuilt {times} since {formatting.moment(churn.since)}, {left}{step}")
    lines.append(f"Forecast: {trend.reason or formatting.count(len(trend.crossings), 'threshold') + ' ahead'}")
    return lines


def signed(count: int, si: bool = False) -> str:
    """`+1.2 GiB`, `-3.0 MiB`."""
    return f"{'+' if count >= 0 else ''}{formatting.bytes_(count, si=si)}"


def sparkline(values: list[int], width: int = 48) -> str:
    """At most `width` cells, each the largest value of its stretch, scaled between the extremes."""
    if len(values) > width:
        edges = [round(i * len(values) / width) for i in range(width + 1)]
        values = [max(values[a:b]) for a, b in pairwise(edges)]
    low, high = min(values), max(values)
    span = max(high - low, 1)
    return "".join(_LEVELS[(value - low) * (len(_LEVELS) - 1) // span] for value in values)


Json = dict[str, object]


def history_page(
    series: Mapping[str, Sequence[Point]], trend: TrendView, since: datetime, now: datetime, *, si: bool = False
) -> str:
    """One line a figure: sparkline, first and last value, change over the window."""
    lines = ["## Docker Storage History", f"Since: {formatting.moment(since)}", f"Until: {formatting.moment(now)}"]
    lines += ["| Figure | History | First | Last | Change |", "|---|---|---|---|---|"]
    for key, points in series.items():
        values = [point.value for point in points]
        percent = key == "used_percent"
        first, last = (
            formatting.whole_percent(v) if percent else formatting.bytes_(v, si=si) for v in (values[0], values[-1])
        )
        moved = values[-1] - values[0]
        change = f"{moved:+d} points" if percent else signed(moved, si)
        lines.append(f"| {formatting.quoted(key, 60)} | {sparkline(values)} | {first} | {last} | {change} |")
    if not series:
        lines.append("Runs: none in this window")
    return "\n".join([*lines, "", "## Docker Storage Trend", *trend_section(trend, si)]) + "\n"


def history_document(series: Mapping[str, Sequence[Point]], trend: Json, since: datetime, now: datetime) -> Json:
    """The same as one JSON object; values are bytes, of `used_percent` whole percent."""
    return {
        "schema": 1,
        "since": formatting.moment(since),
        "until": formatting.moment(now),
        "series": {
            key: [{"at": formatting.moment(datetime.fromtimestamp(p.at_s, UTC)), "value": p.value} for p in points]
            for key, points in series.items()
        },
        "trend": trend,
    }
