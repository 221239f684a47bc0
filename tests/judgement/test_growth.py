"""From the journal to the verdict: what grows is named though another is larger, by the name that it has in both."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from collectors.forecast.view import view
from collectors.journal import Journal, Record
from collectors.model.report import TrendView
from collectors.model.settings import DEFAULTS
from collectors.pipeline.judge import Ruling, judge, report
from collectors.pipeline.memory import Memory
from collectors.pipeline.run_record import record_of
from tests.judgement.draw import SHAPES, draw
from tests.judgement.host import Host
from tests.judgement.key import labels
from tests.judgement.reading import named
from tests.judgement.shown import NOW, Shown

GROWING = [seed for seed in range(30) if seed % len(SHAPES) == list(SHAPES).index("growing")]
EVERY_H, RUNS = 4, 30


def before(host: Host, hours: float) -> Host:
    """The host as it was: what grows was smaller, the disk as large."""
    things = tuple(
        replace(thing, own_bytes=thing.own_bytes - int(thing.grows_bytes_per_day * hours / 24) // 4096 * 4096)
        for thing in host.things
    )
    return replace(host, things=things)


def noted(host: Host, hours: float) -> Record:
    """The journal's record of a run so long ago."""
    shown = Shown(before(host, hours))
    then = replace(shown.report, taken_at=NOW - timedelta(hours=hours))
    return record_of(then, (), shown.snapshot, (None, None))


def trend(host: Host) -> TrendView:
    """What the journal of some days makes of it."""
    days = min(host_thing.own_bytes / host_thing.grows_bytes_per_day for host_thing in host.things
               if host_thing.grows_bytes_per_day)  # fmt: skip
    every_h = min(EVERY_H, days * 24 / (RUNS + 1))
    records = tuple(noted(host, number * every_h) for number in range(RUNS, -1, -1))
    return view(Journal(records, (), 0, 0), now=NOW, thresholds=DEFAULTS.thresholds)


@pytest.mark.parametrize("seed", GROWING)
def test_what_grows_in_the_journal_is_named_beside_what_is_largest(seed: int) -> None:
    host = draw(seed)
    shown = Shown(host)
    memory = Memory(trend(host), None)
    judged = judge(shown.snapshot, shown.accounts, memory, Ruling(DEFAULTS, {}, None))
    verdict = report(shown.snapshot, judged, memory.trend, DEFAULTS).verdict
    grows = next(thing for thing in host.things if thing.grows_bytes_per_day)
    largest = max(host.things, key=host.least)
    assert {grows.name, largest.name} <= set(named(verdict, labels(host, verdict))), verdict
