"""What rebuilding costs: one row a repository, from the trend's churn and the images that are still there. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from collectors.causes import build_cache as churn_cause
from collectors.model.ledger import Category, Item
from collectors.model.reading import Size, charged, floor
from collectors.model.report import Report, RepositoryChurn
from collectors.report.formatting import age, count, safe, size
from tui.drawing.bars import Line, Span, two_part_bar


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
