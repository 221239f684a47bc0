"""What the journal adds to a report: runs, growth, crossings, a sparkline. Pure but for `look_back`, which reads.

Growth is what is left after prunes, in bytes a day; a figure whose history is too short is left out, not shown as 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from collectors.forecast import OWNER, USED, USED_PERCENT, Point, figure, keys, series
from collectors.forecast.crossings import forecast, path_of, study
from collectors.journal import Journal
from collectors.journal.reading import read, sample
from collectors.model.report import Growth, Sample, TrendView
from collectors.model.settings import Thresholds
from collectors.system.folders import Folder

DAY_S = 86400.0
# Every run of a week, and the weeks before in samples: close enough to know a Sunday.
_CLOSELY = timedelta(days=8)
_FROM_AFAR = timedelta(days=35)
_SAMPLES = 27 * 16
_SPARK = 200
# Owners are many: only those that moved most are studied.
_OWNERS_STUDIED = 8
_LOOKS = 12
_GROWTH_SHOWN = 8


def look_back(folder: Folder | Path, *, now: datetime, thresholds: Thresholds) -> tuple[TrendView, Journal, Journal]:
    """The view of a journal up to `now`, of the newest record's filesystem; the last week's records (for churn,
    hysteresis); and these with samples of the weeks before, which the view is made from."""
    near = read(folder, since=now - _CLOSELY, now=now)
    far = sample(folder, since=now - _FROM_AFAR, count=_SAMPLES, now=now - _CLOSELY)
    month = replace(near, records=(*far.records, *near.records), foreign=(*far.foreign, *near.foreign))
    return view(month, now=now, thresholds=thresholds), near, month


def view(journal: Journal, *, now: datetime, thresholds: Thresholds) -> TrendView:
    """The trend of a journal's records; churn is added by whoever knows the images (`churn`)."""
    newest = journal.records[-1] if journal.records else None
    used_percent = _thinned(series(journal, USED_PERCENT))
    if newest is None or newest.used_bytes is None or newest.available_bytes is None:
        reason = "no earlier runs in the journal" if newest is None else "used bytes are not known"
        oldest = journal.records[0].at if journal.records else None
        return TrendView(len(journal.records), oldest, (), (), (), used_percent, reason, journal.skipped_lines)
    usable = newest.used_bytes + newest.available_bytes
    ahead = forecast(series(journal, USED), total=usable, thresholds=thresholds, now=now)
    return TrendView(
        len(journal.records),
        journal.records[0].at,
        growth(journal, now=now),
        ahead.crossings,
        (),
        used_percent,
        ahead.reason,
        journal.skipped_lines,
    )


def growth(journal: Journal, *, now: datetime) -> tuple[Growth, ...]:
    """Growth of used first, then of the categories and owners that grow or shrink for certain, fastest first."""
    known = keys(journal)
    studied = [key for key in known if not key.startswith(OWNER)] + _movers(journal, known)
    found = [one for key in studied if (one := _growth(key, series(journal, key), now)) is not None]
    used = [one for one in found if one.key == USED]
    parts = [one for one in found if one.key != USED and (one.low_bytes_per_day > 0 or one.high_bytes_per_day < 0)]
    return (*used, *sorted(parts, key=lambda one: -abs(one.bytes_per_day))[:_GROWTH_SHOWN])


def _growth(key: str, points: Sequence[Point], now: datetime) -> Growth | None:
    now_s = now.timestamp()
    found = study(points, now_s)
    if found is None:
        return None
    low, best, high = (round(pace * DAY_S) for pace in path_of(found, now_s).pace)
    span_s = found.points[-1].at_s - found.points[0].at_s
    return Growth(key.removeprefix(OWNER), best, low, high, len(found.points), span_s, change(points, now_s))


def change(points: Sequence[Point], now_s: float, over_s: float = DAY_S) -> int | None:
    """The newest value against the last one that is at least `over_s` old; None where none is, or it is far older."""
    before = [point for point in points if now_s - 1.5 * over_s <= point.at_s <= now_s - over_s]
    return points[-1].value - before[-1].value if before else None


def _movers(journal: Journal, known: Sequence[str]) -> list[str]:
    """The owners whose bytes differ most between a few runs spread over the journal."""
    told = [record for record in journal.records if record.owners is not None]
    looks = [told[len(told) * share // _LOOKS] for share in range(_LOOKS) if told] + told[-1:]
    moved: dict[str, int] = {}
    for key in known:
        if key.startswith(OWNER):
            values = [value for record in looks if (value := figure(record, key)) is not None]
            moved[key] = max(values) - min(values)
    return sorted(moved, key=lambda key: -moved[key])[:_OWNERS_STUDIED]


def _thinned(points: Sequence[Point]) -> tuple[Sample, ...]:
    """At most 200 samples, the largest of each stretch: a peak is what a sparkline is looked at for."""
    size = max(1, -(-len(points) // _SPARK))
    groups = [points[index : index + size] for index in range(0, len(points), size)]
    tops = [max(group, key=lambda point: point.value) for group in groups]
    return tuple(Sample(datetime.fromtimestamp(top.at_s, UTC), top.value) for top in tops)
