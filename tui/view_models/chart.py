"""What the history and churn views show: curves in hours and percent of the disk; what rebuilding costs. Pure.

Refuses to draw a forecast that the report does not have, and anything the frame could not have known. Rebuilding is one
row a repository, from the trend's churn and the images that are still there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from collectors.causes import build_cache as churn_cause
from collectors.model.ledger import Category, Item
from collectors.model.reading import Size, charged, floor
from collectors.model.report import Report, RepositoryChurn, Sample
from collectors.report.formatting import age, count, percent, safe, size
from tui.drawing import Line, Span, two_part_bar
from tui.drawing.chart import XY, Chart, ForecastPoint
from tui.view_models import CurvePoint, RunHistory, height_of, space_of
from tui.view_models.categories import label_by_key
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


def used_curve(history: RunHistory, report: Report) -> tuple[CurvePoint, ...]:
    """The used % to draw: the journal's where it has any, else the thinned curve that the report carries."""
    if history.used:
        return history.used
    return tuple(CurvePoint(sample.at, float(sample.value)) for sample in report.trend.used_percent)


def _within(points: Sequence[CurvePoint], now: datetime, back_h: float) -> tuple[XY, ...]:
    placed = (((point.at - now).total_seconds() / 3600, point.percent) for point in points)
    return tuple((x, y) for x, y in placed if -back_h <= x <= 0)


def _category(report: Report, samples: Sequence[Sample], key: str, back_h: float) -> tuple[tuple[XY, ...], str, str]:
    """A category's bytes in percent of what users may use; nothing for what is no curve."""
    space = space_of(report)
    if space is None or not samples:
        return (), "", ""
    placed = (
        ((sample.at - report.taken_at).total_seconds() / 3600, height_of(sample.value, space.usable_bytes))
        for sample in samples
    )
    line = tuple((x, y) for x, y in placed if -back_h <= x <= 0)
    if len(line) < 2:  # a run is no course
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
        if left > 0 and crossing.percent > now:  # as it is judged, it is passed
            said.append(f"{'full' if crossing.percent >= 100 else f'{crossing.percent}%'} in {age(left)}")
    if report.trend.reason:
        said.append(f"no forecast: {report.trend.reason}")
    return " · ".join(said)


class ChurnOrder(StrEnum):
    """What the `s` key cycles through on Churn."""

    COST = "cost"
    BUILDS = "builds"
    NAME = "name"

    def next_one(self) -> ChurnOrder:
        order = tuple(ChurnOrder)
        return order[(order.index(self) + 1) % len(order)]


@dataclass(frozen=True, slots=True)
class ChurnRow:
    """`per_build_bytes` None: no dangling image tells. `shared_percent` None: no image of it was measured."""

    churn: RepositoryChurn
    builds_per_day: float
    cost: Size
    cost_bytes: int
    per_build_bytes: int | None
    shared_percent: float | None
    images: tuple[Item, ...]


def churn_rows(report: Report, order: ChurnOrder, filter_text: str = "") -> tuple[ChurnRow, ...]:
    """Every repository that was rebuilt and whose name contains `filter_text`."""
    images = report.ledger.items.get(Category.IMAGES, ()) if report.ledger is not None else ()
    rows = [
        _row(report, churn, images)
        for churn in report.trend.churn
        if filter_text.casefold() in churn.repository.casefold()
    ]
    match order:
        case ChurnOrder.COST:
            rows.sort(key=lambda row: -row.cost_bytes)
        case ChurnOrder.BUILDS:
            rows.sort(key=lambda row: -row.churn.rebuilds)
        case ChurnOrder.NAME:
            rows.sort(key=lambda row: row.churn.repository)
    return tuple(rows)


def _row(report: Report, churn: RepositoryChurn, images: Sequence[Item]) -> ChurnRow:
    days = max((report.taken_at - churn.since).total_seconds() / 86400, 1 / 24)
    cost = floor(churn.dangling_bytes)
    own = tuple(item for item in images if _repository(item.name) == churn.repository)
    whole, alone = sum(charged(item.referenced) for item in own), sum(charged(item.exclusive) for item in own)
    return ChurnRow(
        churn=churn,
        builds_per_day=churn.rebuilds / days,
        cost=churn.dangling_bytes,
        cost_bytes=cost,
        per_build_bytes=cost // churn.dangling_images if churn.dangling_images else None,
        shared_percent=100.0 * (whole - alone) / whole if whole else None,
        images=own,
    )


def _repository(name: str) -> str:
    """`registry:5000/a/b:tag` → `registry:5000/a/b`."""
    path, colon, tag = name.rpartition(":")
    return path if colon and "/" not in tag else name


_BAR = 24


def _about(row: ChurnRow, report: Report, *, si: bool) -> Iterator[Line]:
    churn = row.churn
    span = age((report.taken_at - churn.since).total_seconds())
    yield (
        Span(f" {count(churn.rebuilds, 'rebuild')} in {span}", "strong"),
        Span(f" left {count(churn.dangling_images, 'image')} behind: ", "text", 1),
        Span(size(churn.dangling_bytes, si=si), "goodstrong"),
    )
    if churn.busting_step:
        yield (Span(" cache breaks at  ", "muted"), Span(safe(churn.busting_step), "rise", 1, shrinks=True))
        yield (
            Span(" ", "muted"),
            Span("every layer from there on is written anew with each build", "muted", 1, shrinks=True),
        )
    else:
        yield (Span(" which step breaks the cache is not known: no build record names it", "muted", 1, shrinks=True),)
    remedy = next(
        (
            finding.remedy
            for finding in report.findings
            if finding.rule == churn_cause.CHURN_ID and churn.repository in finding.claim
        ),
        "",
    )
    if remedy:
        yield (Span(" fix              ", "goodstrong"), Span(safe(remedy), "text", 1, shrinks=True))
    if row.images:
        yield ()
        yield (Span(" images that still exist", "head"), Span(": exclusive, then shared", "head", 1))
        largest = max(charged(item.referenced) for item in row.images)
        for item in row.images:
            bar = two_part_bar(charged(item.referenced), floor(item.exclusive), largest, _BAR, "cat:I")
            used = sum(len(piece.text) for piece in bar)
            yield (
                Span(f"{size(item.exclusive, si=si):>12}  ", "strong"),
                *bar,
                Span(" " * (_BAR + 2 - used), "text", 9),
                Span(safe(item.name), "text", 1, shrinks=True, middle=True),
            )
