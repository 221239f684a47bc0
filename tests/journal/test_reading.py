"""Reading: from the end, only what is needed, and nothing that cannot be trusted."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collectors.forecast import keys, only, series
from collectors.journal.appending import append
from collectors.journal.encoding import encode
from collectors.journal.reading import read, sample
from tests.journal.build import GIB, NOON, RUN, a_folder, a_journal, a_record

LATER = NOON + timedelta(days=1)
DAY = "2026-11-23.md"


def _days(path: Path, count: int, a_day: int = 3) -> None:
    for day in range(count):
        for run in range(a_day):
            at = NOON - timedelta(days=day) + run * RUN
            append(a_folder(path), a_record(run, at=at, uptime_s=None, used_bytes=day * 100 + run), [])


def test_a_missing_folder_is_an_empty_journal(tmp_path: Path) -> None:
    found = read(tmp_path / "nowhere", now=LATER)
    assert (found.records, found.foreign, found.skipped_lines, found.bytes_read) == ((), (), 0, 0)


def test_other_files_of_the_folder_are_left_alone(tmp_path: Path) -> None:
    _days(tmp_path, 1)
    for name in ("2026-11-23.md.bak", "notes.md", "2026-13-40.md", "2026-11-23.txt"):
        (tmp_path / name).write_bytes((tmp_path / DAY).read_bytes())
    assert len(read(tmp_path, now=LATER).records) == 3


def test_the_newest_runs_are_read_without_touching_older_days(tmp_path: Path) -> None:
    _days(tmp_path, 10)
    found = read(tmp_path, limit=2, now=LATER)
    assert [record.used_bytes for record in found.records] == [1, 2]
    assert found.bytes_read == (tmp_path / DAY).stat().st_size
    assert found.records[-1].owners == {"container:api-1": 2 * GIB}  # with their maps


def test_a_limit_that_one_day_does_not_fill_takes_from_the_day_before(tmp_path: Path) -> None:
    _days(tmp_path, 10)
    assert [record.used_bytes for record in read(tmp_path, limit=5, now=LATER).records] == [101, 102, 0, 1, 2]


def test_a_window_reads_its_days_and_one_before(tmp_path: Path) -> None:
    _days(tmp_path, 10)
    found = read(tmp_path, since=NOON - timedelta(days=1), now=LATER)
    assert [record.used_bytes for record in found.records] == [100, 101, 102, 0, 1, 2]
    assert found.bytes_read <= sum(path.stat().st_size for path in sorted(tmp_path.iterdir())[-3:])


def test_what_lies_after_now_is_not_read(tmp_path: Path) -> None:
    _days(tmp_path, 2)
    assert [record.used_bytes for record in read(tmp_path, now=NOON + RUN).records] == [100, 101, 102, 0, 1]


@pytest.mark.parametrize("jump", [timedelta(days=1), -timedelta(days=1), timedelta(minutes=10)])
def test_a_clock_that_was_set_and_put_right_moves_no_run(jump: timedelta, tmp_path: Path) -> None:
    for run in range(9):
        wrong = jump if 3 <= run < 6 else timedelta()
        append(a_folder(tmp_path), a_record(run, at=NOON + run * RUN + wrong), [])
    found = read(tmp_path, since=NOON - RUN, now=NOON + 9 * RUN)
    assert [record.at for record in found.records] == [NOON + run * RUN for run in range(9)]
    assert [record.used_bytes for record in found.records] == [a_record(run).used_bytes for run in range(9)]


def test_without_uptimes_times_stand_as_written(tmp_path: Path) -> None:
    for run, at in enumerate((NOON, NOON - timedelta(hours=3), NOON + RUN)):
        append(a_folder(tmp_path), a_record(run, at=at, uptime_s=None, boot_id=None), [])
    times = [record.at for record in read(tmp_path, now=LATER).records]
    assert times == sorted(times) == [NOON - timedelta(hours=3), NOON, NOON + RUN]


def test_edited_lines_are_skipped_and_counted(tmp_path: Path) -> None:
    _days(tmp_path, 1)
    path = tmp_path / DAY
    text = path.read_text()
    path.write_text(text.replace('"used":1,', '"used":7,'))
    found = read(tmp_path, now=LATER)
    assert [record.used_bytes for record in found.records] == [0, 2]
    assert found.skipped_lines == 1
    assert found.records[1].owners is None  # its base was the edited one
    assert found.records[1].categories == a_record(2).categories


def test_after_a_broken_chain_the_next_run_is_whole_again(tmp_path: Path) -> None:
    _days(tmp_path, 1)
    path = tmp_path / DAY
    path.write_text(path.read_text().replace('"used":2,', '"used":7,'))
    append(a_folder(tmp_path), a_record(3), [])
    append(a_folder(tmp_path), a_record(4), [])
    assert read(tmp_path, now=LATER).records[-1].owners == {"container:api-1": 4 * GIB}


@pytest.mark.parametrize(
    "junk",
    [
        b"\x00\x01\x02\xff\xfe\n",
        b"<!-- ullage {} -->\n",
        b'<!-- ullage {"v":1} -->\n',
        b"<!-- ullage " + b"[" * 100_000 + b" -->\n",
        b'<!-- ullage {"v":1,"at":"2026-11-23T12:0\n',
        b"<!-- ullage \xf0\x9f\x92\xa9 -->\n",
        b"\x89PNG\r\n",
    ],
)
def test_junk_between_runs_costs_one_line_and_no_run(junk: bytes, tmp_path: Path) -> None:
    _days(tmp_path, 1)
    path = tmp_path / DAY
    first, second, third = re.findall(rb"\n## .*?-->\n", path.read_bytes(), re.DOTALL)
    path.write_bytes(first + junk + second + third)
    found = read(tmp_path, now=LATER)
    assert [record.used_bytes for record in found.records] == [0, 1, 2]
    assert found.skipped_lines == 1


def test_a_record_of_another_version_is_skipped_and_counted(tmp_path: Path) -> None:
    import json
    import zlib

    body = json.dumps({"v": 2, "at": "2026-11-23T12:00:00Z"})[:-1]
    line = f'<!-- ullage {body},"crc":"{zlib.crc32(body.encode()):08x}"}} -->\n'
    (tmp_path / DAY).write_text(line)
    found = read(tmp_path, now=LATER)
    assert (found.records, found.skipped_lines) == ((), 1)


def test_carriage_returns_are_skipped_and_counted(tmp_path: Path) -> None:
    _days(tmp_path, 1)
    path = tmp_path / DAY
    with path.open("a") as file:
        file.write("## Supervisor run — 10:00 UTC\n- Disk: 70%\n## Supervisor run — 10:20 UTC\n\n- Disk: 71%\n")
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"\n", b"\r\n"))
    found = read(tmp_path, now=LATER)
    assert (found.records, found.foreign) == ((), ())
    assert found.skipped_lines >= 5
    append(a_folder(tmp_path), a_record(7), [])
    assert [record.used_bytes for record in read(tmp_path, now=LATER).records] == [57 * GIB]


def test_used_percent_of_supervisors_is_taken_from_their_sections_and_from_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / DAY).write_text(
        "# 2026-11-23\n"
        "- Disk: 11%\n"
        "## Supervisor run — 08:00 UTC\n\n### Host\n- Load: 3\n- Disk: 70% used on /\n- Disk: 12%\n"
        "## Supervisor run - 08:20 UTC\n- Disk: 70.5 %\n"
        "## Supervisor run — 08:40 UTC\n## Something else\n- Disk: 13%\n"
        "## Supervisor run — 25:00 UTC\n- Disk: 14%\n"
        "## Supervisor run — 09:00 UTC\n- Disk: 980%\n"
        "## Supervisor run — 09:20 UTC\n- Disk: full\n"
    )
    found = read(tmp_path, now=LATER)
    assert [(point.at.strftime("%H:%M"), point.used_percent) for point in found.foreign] == [
        ("08:00", 70),
        ("08:20", 71),
    ]
    assert found.skipped_lines == 3


def test_a_day_that_others_filled_is_read_from_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from collectors.journal import reading

    monkeypatch.setattr(reading, "DAY_BYTES", 20_000)
    path = tmp_path / DAY
    path.write_text("".join(f"a foreign line {number}\n" for number in range(100_000)))
    _days(tmp_path, 1)
    found = read(tmp_path, now=LATER)
    assert [record.used_bytes for record in found.records] == [0, 1, 2]
    assert found.bytes_read <= 20_000


def test_samples_spread_over_the_window_and_read_a_fraction_of_it(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    owners = {f"container:{name:030d}": name * GIB for name in range(60)}
    for day in range(40):
        for run in range(72):
            at = NOON.replace(hour=0) - timedelta(days=day) + run * RUN
            entry = encode(a_record(at=at, uptime_s=None, used_bytes=day * 100 + run, owners=owners), None)
            path = folder.path / f"{at:%Y-%m-%d}.md"
            path.parent.mkdir(exist_ok=True)
            with path.open("a") as file:
                file.write(entry + "\n")
    now = NOON.replace(hour=23, minute=59)
    found = sample(folder, since=now - timedelta(days=30), count=60, now=now)
    assert 45 <= len(found.records) <= 75
    gaps = [(b.at - a.at).total_seconds() / 3600 for a, b in zip(found.records, found.records[1:], strict=False)]
    assert max(gaps) <= 24
    whole = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert found.bytes_read < whole / 5
    few = sample(folder, since=now - timedelta(days=40), count=4, now=now)
    assert 3 <= len(few.records) <= 5


def test_a_sample_finds_the_record_of_a_day_with_a_single_huge_line(tmp_path: Path) -> None:
    tags = {f"registry.example/team/app-{number:04d}:latest": f"{number:016x}" for number in range(2000)}
    append(a_folder(tmp_path), a_record(tags=tags), [])
    (record,) = sample(tmp_path, since=NOON - timedelta(days=3), count=3, now=LATER).records
    assert record.used_bytes == 50 * GIB


def test_a_sample_takes_foreign_points_too(tmp_path: Path) -> None:
    for day in range(20, 24):
        (tmp_path / f"2026-11-{day}.md").write_text(f"## Supervisor run — 10:00 UTC\n- Disk: {day}%\n")
    found = sample(tmp_path, since=NOON - timedelta(days=30), count=10, now=LATER)
    assert [point.used_percent for point in found.foreign] == [20, 21, 22, 23]


def test_a_series_is_one_figure_over_time_without_the_runs_that_did_not_know_it() -> None:
    journal = a_journal([a_record(0), a_record(1, used_bytes=None), a_record(2)])
    assert [point.value for point in series(journal, "used")] == [50 * GIB, 52 * GIB]
    assert [point.value for point in series(journal, "used_percent")] == [50, 52]
    assert [point.value for point in series(journal, "logs")] == [0, GIB, 2 * GIB]
    assert [point.value for point in series(journal, "owner:container:api-1")] == [0, GIB, 2 * GIB]
    assert series(journal, "unattributed") == series(journal, "owner:nobody") == series(journal, "nonsense") == ()
    assert keys(journal) == ("used", "images", "logs", "owner:container:api-1")


def test_a_root_that_moved_to_another_disk_is_no_drop() -> None:
    journal = a_journal([a_record(0, filesystem="old"), a_record(1), a_record(2)])
    assert len(series(journal, "used")) == 2
    assert [record.filesystem for record in only(journal, "old").records] == ["old"]


def test_used_percent_reaches_back_to_before_the_first_run_of_ours(tmp_path: Path) -> None:
    (tmp_path / DAY).write_text(
        "## Supervisor run — 11:00 UTC\n- Disk: 47.2%\n## Supervisor run — 12:02 UTC\n- Disk: 99%\n"
    )
    append(a_folder(tmp_path), a_record(0), [])
    found = series(read(tmp_path, now=LATER), "used_percent")
    assert [(datetime.fromtimestamp(point.at_s, UTC).strftime("%H:%M"), point.value) for point in found] == [
        ("11:00", 48),
        ("12:00", 50),
    ]
