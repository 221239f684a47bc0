"""One look, and then each step from the snapshot to the screen by itself: processor seconds of each, as JSON.

`python -m tests.scale.stages FLAGS`, flags as of `--preflight`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from collectors.cli import seldom_collect
from collectors.cli.command_line import Config, parser
from collectors.cli.preflight import options
from collectors.journal.encoding import bounded, encode
from collectors.ledger import Account
from collectors.model.reading import Exact
from collectors.model.settings import Rules, Settings, Thresholds
from collectors.pipeline import survey
from collectors.pipeline.judge import close_books, judge, report
from collectors.pipeline.run_record import bullets, record_of
from collectors.report import document, text
from collectors.report.recording import dump
from tui.view_models import NO_HISTORY, Frame
from tui.view_models.categories import category_rows, extra_rows
from tui.view_models.items import ItemOrder, item_rows, items_of

T = TypeVar("T")

# All that was made is new: a plan that leaves young things alone would have nothing to do.
_ANY_AGE = Rules(dangling_age_s=0, image_age_s=0, container_age_s=0, build_cache_age_s=0)


def main(argv: list[str]) -> int:
    seldom_collect()
    told = options(parser("stages").parse_args(argv), Config("", Settings(Thresholds(), _ANY_AGE)))
    outcome = survey(told)
    took: dict[str, float] = {}

    def timed(name: str, work: Callable[[], T]) -> T:
        began = time.process_time()
        found = work()
        took[name] = time.process_time() - began
        return found

    snapshot, memory = outcome.snapshot, outcome.memory
    accounts = timed("books", lambda: close_books(snapshot))
    judged = timed("judge", lambda: judge(snapshot, accounts, memory, outcome.ruling))
    half = replace(outcome.ruling, until_percent=_half(accounts))
    timed("judge until", lambda: judge(snapshot, accounts, memory, half))
    shown = report(snapshot, judged, memory.trend, told.settings)
    timed("text", lambda: text.render(shown, si=False))
    timed("json", lambda: json.dumps(document.encode(shown), indent=2))
    timed("recording", lambda: dump(shown))
    record = timed("record", lambda: record_of(shown, judged.raw, snapshot, ("boot", 1.0)))
    timed("journal line", lambda: encode(bounded(record), None))
    timed("bullets", lambda: bullets(shown, record, None))
    timed("rows", lambda: _rows(Frame(shown, NO_HISTORY)))
    counts = {category.value: len(items) for category, items in (shown.ledger.items.items() if shown.ledger else ())}
    unread = [f"{row.source}: {row.reason}" for row in shown.coverage if row.outcome.value != "read"]
    print(json.dumps({"took": took, "items": counts, "unread": unread, "verdict": shown.verdict}))
    return 0


def _half(accounts: tuple[Account, ...]) -> float:
    """Half of what is used, in percent: a plan that has to choose."""
    space = accounts[0].ledger.filesystem.space
    assert isinstance(space, Exact)
    return 50 * space.value.used_bytes / (space.value.used_bytes + space.value.available_bytes)


def _rows(frame: Frame) -> None:
    """All that the dashboard lists, in every order, with and without a filter."""
    keys = [row.label.key for row in (*category_rows(frame), *extra_rows(frame))]
    for key in keys:
        items = items_of(frame.report, key)
        for order in ItemOrder:
            item_rows(items, order)
            item_rows(items, order, "service-1")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
