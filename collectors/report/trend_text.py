"""The trend in words: the section `## Docker Storage Trend`, and the pages of `--history` and `--changes`.

`--history` shows each figure of the journal over a window, as text with sparklines or as JSON; `--changes` what changed
between two moments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from collectors.forecast import USED, Point
from collectors.forecast.changes import CategoryChange, Change, ChangeKind, Changes
from collectors.model import key_words
from collectors.model.report import Crossing, Growth, Report, RepositoryChurn, TrendView
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
        lines.append(f"- Growth of {formatting.quoted(key_words(growth.key))}: {rate}{change}")
    for crossing in trend.crossings:
        lines.append(f"- Crosses {formatting.whole_percent(crossing.percent)}: {_span(crossing)}")
    if trend.trees_full is not None:
        lines.append(f"- Metadata is full: {_span(trend.trees_full)}")
    lines += [_churn(one, si) for one in trend.churn]
    lines.append(f"Forecast: {trend.reason or formatting.count(len(trend.crossings), 'threshold') + ' ahead'}")
    return lines


def _churn(churn: RepositoryChurn, si: bool) -> str:
    """How often a repository was rebuilt, and what that left; what else it left where it was not."""
    images = formatting.count(churn.dangling_images, "image")
    left = f"{formatting.size(churn.dangling_bytes, si=si)} now dangling in {images}"
    if not churn.rebuilds:
        return f"- Dangling: {left}, from {formatting.quoted(churn.repository) or 'an unknown repository'}"
    step = f"; new bytes come from {formatting.quoted(churn.busting_step)}" if churn.busting_step else ""
    name, times = formatting.quoted(churn.repository), formatting.count(churn.rebuilds, "time")
    return f"- Churn: {name} rebuilt {times} since {formatting.moment(churn.since)}, {left}{step}"


def _span(crossing: Crossing) -> str:
    latest = formatting.moment(crossing.latest) if crossing.latest else "never"
    return f"{formatting.moment(crossing.at)} ({formatting.moment(crossing.earliest)} to {latest})"


def other_trends(report: Report, si: bool) -> Iterator[str]:
    """One line for each filesystem beside the Docker root's that earlier runs saw."""
    for ledger, trend in zip(report.other_ledgers, report.other_trends, strict=False):
        if trend.runs:
            told = [_grows(growth, si) for growth in trend.growth if growth.key == USED]
            told += [
                f"crosses {formatting.whole_percent(one.percent)} at {formatting.moment(one.at)}"
                for one in trend.crossings
            ]
            if trend.trees_full is not None:
                told.append(f"metadata is full at {formatting.moment(trend.trees_full.at)}")
            runs = formatting.count(trend.runs, "run")
            where = formatting.quoted(ledger.filesystem.mount.mountpoint)
            yield f"- On {where}: {runs}, {', '.join(told) or trend.reason}"


def _grows(growth: Growth, si: bool) -> str:
    low, high = signed(growth.low_bytes_per_day, si), signed(growth.high_bytes_per_day, si)
    return f"{signed(growth.bytes_per_day, si)}/day ({low} to {high})"


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
        lines.append(f"| {formatting.cell(key_words(key), None)} | {sparkline(values)} | {first} | {last} | {change} |")
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


def changes_page(found: Changes, before: str, after: str, *, si: bool = False) -> str:
    """The page of `--changes`. `before` and `after` say in words what the two moments are."""
    lines = [
        "## Docker Storage Changes",
        f"From: {formatting.moment(found.before_at)} ({formatting.quoted(before)})",
        f"To: {formatting.moment(found.after_at)} ({formatting.quoted(after)})",
        f"Used: {signed(found.bytes, si)}"
        f" ({formatting.bytes_(found.used_before_bytes, si=si)} → {formatting.bytes_(found.used_after_bytes, si=si)})",
    ]
    named = found.named
    lines.append(f"Changes: {len(named)}")
    if named:
        lines += ["| Change | Bytes | Size | Category | Thing | Before | After |", "|---|---|---|---|---|---|---|"]
        lines += [_change(one, si) for one in named]
    lines += ["", "## Docker Storage Changes by Category"]
    lines += ["| Category | Bytes | Size | Before | After | Not named |", "|---|---|---|---|---|---|"]
    lines += [_category(row, si) for row in found.categories]
    lines.append(f"| sum | {found.bytes} | {signed(found.bytes, si)} | | | |")
    return "\n".join(lines) + "\n"


def thing(one: Change) -> str:
    """What changed, by name: `shop/app:v2 (3 layers)`, `base:1, left to build_cache`. Foreign text is not escaped."""
    name = one.name if one.things_count == 1 else f"{one.name} ({formatting.count(one.things_count, 'layer')})"
    if one.kind is not ChangeKind.MOVED:
        return name
    return f"{name}, {'went to' if one.bytes < 0 else 'came from'} {one.other_category}"


def _change(one: Change, si: bool) -> str:
    cells = (
        one.kind.value,
        str(one.bytes),
        signed(one.bytes, si),
        one.category,
        formatting.cell(thing(one), 160),
        _side(one.before_bytes, si, "–"),
        _side(one.after_bytes, si, "–"),
    )
    return "| " + " | ".join(cells) + " |"


def _category(row: CategoryChange, si: bool) -> str:
    rest = f"{signed(row.rest_bytes, si)}: {row.rest}" if row.rest_bytes else ""
    cells = (
        row.category,
        str(row.bytes),
        signed(row.bytes, si),
        _side(row.before_bytes, si, "?"),
        _side(row.after_bytes, si, "?"),
        rest,
    )
    return "| " + " | ".join(cells) + " |"


def _side(count: int | None, si: bool, absent: str) -> str:
    return absent if count is None else formatting.bytes_(count, si=si)


def changes_document(found: Changes, before: str, after: str) -> Json:
    """The same as one JSON object, schema 1; `bytes` are signed, null is not there or not read."""
    return {
        "schema": 1,
        "from": {"at": formatting.moment(found.before_at), "what": before, "used_bytes": found.used_before_bytes},
        "to": {"at": formatting.moment(found.after_at), "what": after, "used_bytes": found.used_after_bytes},
        "bytes": found.bytes,
        "categories": [_category_fields(row) for row in found.categories],
    }


def _category_fields(row: CategoryChange) -> Json:
    return {
        "category": row.category,
        "before_bytes": row.before_bytes,
        "after_bytes": row.after_bytes,
        "bytes": row.bytes,
        "rest_bytes": row.rest_bytes,
        "rest": row.rest,
        "changes": list(_change_fields(row)),
    }


def _change_fields(row: CategoryChange) -> Iterator[Json]:
    for one in row.changes:
        yield {
            "change": one.kind.value,
            "name": one.name,
            "things_count": one.things_count,
            "before_bytes": one.before_bytes,
            "after_bytes": one.after_bytes,
            "bytes": one.bytes,
            "other_category": one.other_category or None,
        }
