"""What the journal adds to a report."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from collectors.forecast import only
from collectors.forecast.view import change, growth, look_back, view
from collectors.journal import Record, UsedPoint
from collectors.journal.appending import append
from collectors.journal.encoding import encode
from collectors.model.filesystem import Allocation
from collectors.model.settings import Thresholds
from tests.journal.build import GIB, NOON, RUN, a_folder, a_journal, a_record, points

MIB = 1 << 20
DAY_RUNS = 72
THRESHOLDS = Thresholds()


def _growing(run: int, share: int = 10) -> Record:
    """A tenth of a GiB a run, all of it the log of api-1; images are constant."""
    grown = run * GIB // share
    return a_record(
        run,
        used_bytes=40 * GIB + grown,
        available_bytes=60 * GIB - grown,
        categories={"images": 30 * GIB, "logs": 10 * GIB + grown, "unattributed": None},
        owners={"log:api-1": 10 * GIB + grown, "image:shop/app": 30 * GIB},
    )


def _at(run: int) -> timedelta:
    return run * RUN


def test_an_empty_journal_says_so() -> None:
    found = view(a_journal([]), now=NOON, thresholds=THRESHOLDS)
    assert (found.runs, found.oldest, found.growth, found.crossings) == (0, None, (), ())
    assert found.reason == "no earlier runs in the journal"


def test_growth_names_used_first_and_then_what_grows() -> None:
    journal = a_journal([_growing(run) for run in range(100)])
    found = growth(journal, now=NOON + _at(99))
    assert [one.key for one in found] == ["used", "logs", "log:api-1"]
    for one in found:
        assert one.bytes_per_day == pytest.approx(7.2 * GIB, rel=0.01)
        assert one.low_bytes_per_day <= one.bytes_per_day <= one.high_bytes_per_day
        assert one.change_24h_bytes == pytest.approx(7.2 * GIB, rel=0.02)


def test_crossings_count_what_users_may_use() -> None:
    journal = a_journal([_growing(run) for run in range(100)])
    now = NOON + _at(99)
    found = view(journal, now=now, thresholds=THRESHOLDS)
    (first, *_) = found.crossings
    assert first.percent == 80
    assert (first.at - now) / timedelta(hours=1) == pytest.approx((79 - 49.9) / 0.3, rel=0.02)
    assert found.reason == ""
    assert (found.runs, found.oldest) == (100, NOON)


def _chunks(run: int, *, used_mib: int, total_mib: int, allocatable_mib: int) -> Record:
    """A run of a btrfs: metadata used, in chunks, and still to be had."""
    told = Allocation(90 * GIB, 80 * GIB, total_mib * MIB, used_mib * MIB, None, None, allocatable_mib * MIB)
    return a_record(run, used_bytes=40 * GIB, available_bytes=60 * GIB, allocation=told)


def _full_in_h(records: list[Record]) -> float | None:
    now = records[-1].at
    found = view(a_journal(records), now=now, thresholds=THRESHOLDS).trees_full
    return None if found is None else (found.at - now) / timedelta(hours=1)


def test_metadata_is_full_when_its_chunks_are_and_no_more_can_be_made() -> None:
    """Of 1,500 MiB 6 more each run, of which three make an hour: after 60 runs 1,140 are left, for 63 hours."""
    alone = [_chunks(n, used_mib=6 * n, total_mib=500, allocatable_mib=1000) for n in range(61)]
    assert _full_in_h(alone) == pytest.approx(1140 / 18, rel=0.03)


def test_what_data_takes_of_the_room_for_metadata_counts() -> None:
    """Data takes 14 MiB of it each run besides: 300 are left, 15 fewer each run, and by then the chunks are full."""
    both = [_chunks(n, used_mib=400 + n, total_mib=462, allocatable_mib=1138 - 14 * n) for n in range(61)]
    assert _full_in_h(both) == pytest.approx(300 / 45, rel=0.03)


def test_data_alone_fills_no_metadata_and_a_filesystem_without_chunks_has_none() -> None:
    assert (
        _full_in_h([_chunks(n, used_mib=200, total_mib=500, allocatable_mib=900 - 14 * n) for n in range(61)]) is None
    )
    assert _full_in_h([_growing(n) for n in range(61)]) is None
    growing = [_chunks(n, used_mib=6 * n, total_mib=500, allocatable_mib=1000) for n in range(61)]
    assert _full_in_h([*growing[:-1], replace(growing[-1], allocation=None)]) is None, "not told this time"


def test_a_change_over_a_day_wants_a_run_of_about_a_day_ago() -> None:
    known = points([float(value) for value in range(100)])
    now_s = known[-1].at_s
    assert change(known, now_s) == 72
    assert change(known[-20:], now_s) is None
    assert (
        change([replace(known[0], at_s=now_s - 10 * 86400), *known[-20:]], now_s) is None
    )  # older than "24 h" may say


def test_a_sparkline_keeps_its_peaks() -> None:
    records = [_growing(0) for _ in range(1000)]
    records = [
        replace(record, at=NOON + _at(run), used_bytes=(95 if run == 503 else 40) * GIB, available_bytes=5 * GIB)
        for run, record in enumerate(records)
    ]
    found = view(a_journal(records), now=NOON + _at(1000), thresholds=THRESHOLDS)
    assert len(found.used_percent) <= 200
    assert max(sample.value for sample in found.used_percent) == 95


def test_a_run_that_did_not_know_used_bytes_says_so() -> None:
    found = view(a_journal([a_record(0, used_bytes=None)]), now=NOON, thresholds=THRESHOLDS)
    assert found.reason == "used bytes are not known"
    assert found.crossings == ()


def test_a_look_back_takes_every_run_of_a_week_and_samples_of_the_weeks_before(tmp_path: Path) -> None:
    begin = NOON.replace(hour=0) - timedelta(days=30)
    for day in range(31):
        path = tmp_path / f"{begin + timedelta(days=day):%Y-%m-%d}.md"
        runs = [
            replace(_growing(day * DAY_RUNS + run, 100), at=begin + _at(day * DAY_RUNS + run))
            for run in range(DAY_RUNS)
        ]
        path.write_text("".join(encode(replace(run, uptime_s=None), None) + "\n" for run in runs))
    now = begin + _at(31 * DAY_RUNS)
    trend, journal, _ = look_back(tmp_path, now=now, thresholds=THRESHOLDS)
    assert len(journal.records) == 8 * DAY_RUNS
    assert trend.oldest is not None
    assert timedelta(days=28) < now - trend.oldest <= timedelta(days=31)
    assert trend.growth[0].bytes_per_day == pytest.approx(0.72 * GIB, rel=0.02)


def test_a_look_back_can_be_kept_to_one_filesystem(tmp_path: Path) -> None:
    append(a_folder(tmp_path), a_record(0, filesystem="ours"), [])
    append(a_folder(tmp_path), a_record(1, filesystem="another host's"), [])
    _, near, month = look_back(tmp_path, now=NOON + _at(2), thresholds=THRESHOLDS)
    trend = view(only(month, "ours"), now=NOON + _at(2), thresholds=THRESHOLDS)
    assert trend.runs == len(only(near, "ours").records) == 1


def test_supervisors_figures_draw_the_sparkline_before_the_first_run_of_ours() -> None:
    journal = replace(a_journal([]), foreign=tuple(UsedPoint(NOON + _at(run), 50 + run) for run in range(5)))
    found = view(journal, now=NOON + _at(9), thresholds=THRESHOLDS)
    assert [sample.value for sample in found.used_percent] == [50, 51, 52, 53, 54]
