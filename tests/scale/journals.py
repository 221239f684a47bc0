"""A journal of any length, 72 runs a day, written newest day first so that it can be made longer; and who reads it.

`python -m tests.scale.journals recall|replay FOLDER`: what a preflight recalls, or what a replay shows first.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from collectors.forecast.view import look_back
from collectors.journal import Noted, Record, day
from collectors.journal.appending import compose
from collectors.journal.encoding import bounded, encode
from collectors.journal.reading import read
from collectors.model.ledger import Category
from collectors.model.plan import Severity
from collectors.model.settings import DEFAULTS, Thresholds
from tui.feed import Timeline, report_of
from tui.view_models.history import runs_of_journal

RUNS_A_DAY = 72
_RUN = timedelta(days=1) / RUNS_A_DAY
_GIB = 1 << 30


def lengthen(folder: Path, ends: datetime, have: int, want: int) -> None:
    """From `have` days before `ends` to `want` days."""
    for number in range(have, want):
        begin = ends - timedelta(days=number + 1)
        base: Record | None = None
        lines = []
        for record in _day(begin, number):
            line = encode(record, base)
            base = record
            lines.append(compose(record, ["80% used, +0.1 GiB"], line))
        (folder / day.file_name(begin)).write_text("".join(lines))


def _day(begin: datetime, number: int) -> Iterator[Record]:
    tags = {f"team/service-{n}:latest": f"{n:016x}" for n in range(20)}
    for run in range(RUNS_A_DAY):
        used = 400 * _GIB - number * (_GIB >> 8) + run * (_GIB >> 6)
        yield bounded(
            Record(
                at=begin + run * _RUN,
                boot_id="5b1f",
                uptime_s=None,
                filesystem="ext4:1",
                total_bytes=500 * _GIB,
                used_bytes=used,
                available_bytes=500 * _GIB - used,
                severity=Severity.P2,
                categories={category.value: used // 13 + run for category in Category},
                allocation=None,
                owners={f"container:service-{n}": n * _GIB + run for n in range(10)},
                tags=tags,
                dangling={},
                orphans=frozenset(),
                findings=(Noted("disk-full", Severity.P2, Severity.P2, used),),
                actions=(),
            )
        )


def main(what: str, folder: str) -> int:
    now = datetime.now(UTC)
    if what == "recall":
        trend, near, _ = look_back(Path(folder), now=now, thresholds=Thresholds())
        facts = {"runs recalled": trend.runs, "kB read": near.bytes_read // 1000}
    else:
        moments = runs_of_journal(read(Path(folder), now=now))
        facts = {"runs": len(moments)}
        if moments:
            shown = Timeline(
                moments, lambda index: report_of(moments, index, "scale", DEFAULTS, {}), DEFAULTS.thresholds
            ).frame(len(moments) - 1)
            facts["samples"] = len(shown.report.trend.used_percent)
    print(json.dumps({"facts": facts}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
