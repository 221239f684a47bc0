"""Faults of the journal and of the clock: a run is never lost in silence, and what is there is never rewritten."""

from __future__ import annotations

import fcntl
import itertools
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.faults.conftest import Told
from tests.faults.room import Room
from tests.faults.running import Ended, preflight, start
from tests.hostile import check_journal

MACHINE = re.compile(rb"^<!-- ullage \{.*\} -->$", re.MULTILINE)
DAY_S = 86_400.0


@pytest.fixture
def run(room: Room, tmp_path: Path) -> Callable[..., Ended]:
    """A run with a journal in `tmp_path`; `shift_s` sets its clock."""

    def go(shift_s: float = 0.0, **how: object) -> Ended:
        shifted = {"program": ("-m", "tests.faults.shifted", str(shift_s))} if shift_s else {}
        words = ("--host", room.absent, "--docker-root", room.root, "--journal", tmp_path / "journal")
        return preflight(*words, **shifted, **how)  # type: ignore[arg-type]

    return go


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "journal").glob("*.md"))


def entries(tmp_path: Path) -> int:
    """Whole machine lines in all files."""
    return sum(len(MACHINE.findall(path.read_bytes())) for path in files(tmp_path))


def history(tmp_path: Path) -> Ended:
    """`--history` of the last three days, as JSON."""
    words = ("--history", "--since", "3d", "--format", "json", "--journal", tmp_path / "journal")
    ended = start(*words).end(30)
    assert "Traceback" not in ended.stderr
    return ended


def points(ended: Ended) -> int:
    return len(ended.document["series"]["used_percent"])


@pytest.mark.fault(15)
def test_runs_at_once_leave_one_whole_entry_each(room: Room, tmp_path: Path, told: Told) -> None:
    words = ("--preflight", "--no-state", "--host", room.absent, "--docker-root", room.root, "--deadline", "20")
    together = [start(*words, "--journal", tmp_path / "journal") for _ in range(4)]
    ended = [one.end(40).check() for one in together]
    (path,) = files(tmp_path)
    told(f"{len(ended)} runs, {entries(tmp_path)} whole entries", ended[-1])
    assert [one.status for one in ended] == [3] * 4
    assert {one.stderr.count("\n") for one in ended} <= {0, 1}  # the one that made the folder says so
    check_journal(path.read_text(), 4)


@pytest.mark.fault(15)
def test_a_lock_that_somebody_holds_is_waited_for_but_not_for_ever(
    run: Callable[..., Ended], tmp_path: Path, told: Told
) -> None:
    run()
    with files(tmp_path)[0].open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ended = run()
    told(f"waited, then wrote: {entries(tmp_path)} whole entries", ended)
    assert ended.status == 3
    assert "another run holds the journal's lock" in ended.stderr
    assert 5 < ended.took_s < 12
    assert entries(tmp_path) == 2


@pytest.mark.fault(14)
def test_a_journal_torn_at_any_byte_is_read_and_the_next_entry_starts_clean(
    run: Callable[..., Ended], tmp_path: Path, told: Told
) -> None:
    run()
    whole = files(tmp_path)[0].read_bytes()
    run()
    path = files(tmp_path)[0]
    both = path.read_bytes()
    assert both.startswith(whole)
    cuts = range(len(whole), len(both) + 1)
    ended = start(tmp_path / "journal", str(len(whole)), program=("-m", "tests.faults.torn")).end(100)
    assert ended.stderr == ""
    assert ended.status == 0
    assert ended.stdout.split() == [f"{len(cuts)}"]
    # And the whole program, cut where it hurts: in the header, a bullet, the comment, before its end, after it.
    for cut in (len(whole) + 3, len(whole) + 60, len(both) - 200, len(both) - 3, len(both) - 1):
        path.write_bytes(both[:cut])
        before = len(MACHINE.findall(both[:cut]))
        again = run()
        assert (again.status, again.stderr) == (3, "")
        after = path.read_bytes()
        assert after.startswith(both[:cut])
        assert len(MACHINE.findall(after)) >= before + 1
        assert points(history(tmp_path)) == before + 1
        told(f"{len(cuts)} places to be killed at: torn tails skipped, the next entry whole", again)


@pytest.mark.fault(14)
def test_a_run_that_is_killed_leaves_a_journal_that_the_next_one_can_use(
    room: Room, run: Callable[..., Ended], tmp_path: Path, told: Told
) -> None:
    run()
    for delay_s in (0.1, 0.3, 0.5, 0.7, 0.9):
        words = ("--preflight", "--no-state", "--host", room.absent, "--docker-root", room.root)
        killed = start(*words, "--journal", tmp_path / "journal")
        time.sleep(delay_s)
        killed.kill()
        killed.end(10)
    before = entries(tmp_path)
    ended = run()
    told("five runs killed (SIGKILL); the next one writes its entry", ended)
    assert (ended.status, ended.stderr) == (3, "")
    assert entries(tmp_path) == before + 1


@pytest.mark.fault(16)
def test_a_clock_a_day_ahead_and_back_costs_no_run(run: Callable[..., Ended], tmp_path: Path, told: Told) -> None:
    statuses = [run().status, run(DAY_S).status, run(-DAY_S).status]
    ended = run()
    assert [*statuses, ended.status] == [3] * 4
    assert ended.stderr == ""
    assert entries(tmp_path) == 4
    found = history(tmp_path)
    told(f"4 runs in {len(files(tmp_path))} files, {points(found)} of them placed in time", ended)
    assert found.status == 0
    assert points(found) >= 3
    assert len(files(tmp_path)) == 3


@pytest.mark.fault(16)
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Pacific/Kiritimati"])
def test_the_journal_knows_no_time_zone_and_so_no_dst(
    zone: str, run: Callable[..., Ended], tmp_path: Path, told: Told
) -> None:
    now = datetime.now(UTC)
    # 2027-03-28 01:30 UTC: in Berlin the hour that does not exist has just been skipped.
    shift_s = (datetime(2027, 3, 28, 1, 30, tzinfo=UTC) - now).total_seconds()
    runs = [run(shift_s + 60 * minutes, environ={"TZ": zone}) for minutes in (-60, -20, 0)]
    assert [(ended.status, ended.stderr.count("\n")) for ended in runs] == [(3, 1), (3, 0), (3, 0)]
    told("entries in UTC, 40 and 20 minutes apart as they were", runs[-1])
    (path,) = files(tmp_path)
    assert path.name == "2027-03-28.md"
    headers = [line for line in path.read_text().splitlines() if line.startswith("## ")]
    starts = [datetime.strptime(header[-9:-4], "%H:%M") for header in headers]  # noqa: DTZ007
    assert [later - sooner for sooner, later in itertools.pairwise(starts)] == [
        pytest.approx(timedelta(minutes=40), abs=timedelta(minutes=1)),
        pytest.approx(timedelta(minutes=20), abs=timedelta(minutes=1)),
    ]


@pytest.mark.fault(16)
def test_midnight_starts_a_file_and_loses_no_run(run: Callable[..., Ended], tmp_path: Path, told: Told) -> None:
    now = datetime.now(UTC)
    midnight_s = (now.replace(hour=0, minute=0, second=0, microsecond=0) - now).total_seconds()
    runs = [run(midnight_s + at_s) for at_s in (-1200, -600, 5, 600)]
    assert [ended.status for ended in runs] == [3] * 4
    told("two files, four runs", runs[-1])
    assert [len(MACHINE.findall(path.read_bytes())) for path in files(tmp_path)] == [2, 2]
    assert points(history(tmp_path)) == 4


@pytest.mark.fault(17)
def test_missing_doubled_and_reordered_samples_are_put_in_order(
    run: Callable[..., Ended], tmp_path: Path, told: Told
) -> None:
    for minutes in (100, 80, 60, 40, 20, 5):
        assert run(-60 * minutes).status == 3
    paths = files(tmp_path)
    for path in paths:
        blocks = re.split(r"(?m)^(?=## )", path.read_text())
        head, entries_ = blocks[0], blocks[1:]
        keep = [one for number, one in enumerate(entries_) if number != 1] if len(entries_) > 2 else entries_
        path.write_text(head + "".join(reversed(keep)) + (keep[0] if keep else ""))
    left = points(history(tmp_path))
    ended = run()
    runs = ended.document["trend"]["runs"]
    told(f"{runs} different runs left of 6, and read as such", ended)
    assert (ended.status, ended.stderr) == (3, "")
    assert left == runs
    assert 3 <= runs <= 5


JUNK = {
    "edited by hand": b"## Docker storage \xe2\x80\x94 soon\n\n- a note\n<!-- ullage {\"v\":1,\"at\":\"now\"} -->\n",
    "binary": bytes(range(256)) * 40,
    "a zeroed block": bytes(4096),
    "somebody else's comment, left open": b"<!-- to do\n",
    "a version of tomorrow": b"<!-- ullage {\"v\":99,\"t\":{}} -->\n",
    "deep": b"<!-- ullage " + b'{"v":' * 5000 + b"1" + b"}" * 5000 + b" -->\n",
}  # fmt: skip


@pytest.mark.fault(18)
@pytest.mark.parametrize("name", JUNK)
def test_what_others_left_in_a_journal_is_kept_skipped_and_written_behind(
    name: str, run: Callable[..., Ended], tmp_path: Path, told: Told
) -> None:
    run(-1200)
    path = files(tmp_path)[-1]
    with path.open("ab") as file:
        file.write(JUNK[name])
    before = path.read_bytes()
    ended = run()
    after = files(tmp_path)[-1].read_bytes()
    found = history(tmp_path)
    told(f"{ended.document['trend']['runs']} earlier run read, {points(found)} with this one", ended)
    assert (ended.status, ended.stderr) == (3, "")
    assert after.startswith(before) or len(files(tmp_path)) == 2
    assert ended.document["trend"]["runs"] == 1
    assert points(found) == 2


@pytest.mark.fault(18)
def test_a_journal_with_windows_line_ends_is_skipped_counted_and_written_on(
    run: Callable[..., Ended], tmp_path: Path, told: Told
) -> None:
    run(-1200)
    path = files(tmp_path)[-1]
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    before = path.read_bytes()
    ended = run()
    trend = ended.document["trend"]
    told(f"{trend['skipped_lines']} lines skipped and counted, the next entry written after them", ended)
    assert (ended.status, ended.stderr) == (3, "")
    assert path.read_bytes().startswith(before) or len(files(tmp_path)) == 2
    assert trend["skipped_lines"] >= 1
    assert (trend["runs"], points(history(tmp_path))) == (0, 1)
