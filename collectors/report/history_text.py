"""`--history`: each figure of the journal over a window, as text with sparklines or as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from collectors.history.points import Point
from collectors.model.report import TrendView
from collectors.report import words
from collectors.report.trend_text import signed, sparkline, trend_section

Json = dict[str, object]


def history_page(
    series: Mapping[str, Sequence[Point]], trend: TrendView, since: datetime, now: datetime, *, si: bool = False
) -> str:
    """One line a figure: sparkline, first and last value, change over the window."""
    lines = ["## Docker Storage History", f"Since: {words.moment(since)}", f"Until: {words.moment(now)}"]
    lines += ["| Figure | History | First | Last | Change |", "|---|---|---|---|---|"]
    for key, points in series.items():
        values = [point.value for point in points]
        percent = key == "used_percent"
        first, last = (words.whole_percent(v) if percent else words.bytes_(v, si=si) for v in (values[0], values[-1]))
        moved = values[-1] - values[0]
        change = f"{moved:+d} points" if percent else signed(moved, si)
        lines.append(f"| {words.quoted(key, 60)} | {sparkline(values)} | {first} | {last} | {change} |")
    if not series:
        lines.append("Runs: none in this window")
    return "\n".join([*lines, "", "## Docker Storage Trend", *trend_section(trend, si)]) + "\n"


def history_document(series: Mapping[str, Sequence[Point]], trend: Json, since: datetime, now: datetime) -> Json:
    """The same as one JSON object; values are bytes, of `used_percent` whole percent."""
    return {
        "schema": 1,
        "since": words.moment(since),
        "until": words.moment(now),
        "series": {
            key: [{"at": words.moment(datetime.fromtimestamp(p.at_s, UTC)), "value": p.value} for p in points]
            for key, points in series.items()
        },
        "trend": trend,
    }
