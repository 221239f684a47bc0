"""Appending: nothing that is there is touched, and no run is lost in silence."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import threading
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from collectors.journal import appending
from collectors.journal.appending import Place, append
from collectors.journal.reading import read
from collectors.system.folders import Folder
from tests.journal.build import NOON, RUN, a_folder, a_record

LATER = NOON + timedelta(days=1)


def test_a_run_reads_back_as_it_was_written(tmp_path: Path) -> None:
    wrote = append(a_folder(tmp_path), a_record(3), ["logs grew by 1 GiB"])
    assert (wrote.place, wrote.path, wrote.notes) == (Place.JOURNAL, tmp_path / "2026-11-23.md", ())
    (record,) = read(tmp_path, now=LATER).records
    assert record == a_record(3, tags={"shop/app:latest": "0000000000000003"})


def test_an_entry_is_a_header_bullets_and_one_machine_line(tmp_path: Path) -> None:
    append(a_folder(tmp_path), a_record(), ["first", "second"])
    text = (tmp_path / "2026-11-23.md").read_text()
    assert text.startswith("\n## Docker storage — 12:00 UTC\n\n- first\n- second\n\n<!-- ullage {")
    assert text.endswith(" -->\n")
    assert text.count("\n") == 7


def test_cut_at_any_byte_of_the_last_entry_earlier_runs_are_read_and_the_next_one_starts_clean(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    for run in range(3):
        append(folder, a_record(run), ["a bullet — with a dash"])
    path = tmp_path / "2026-11-23.md"
    before = path.read_bytes()
    append(folder, a_record(3), ["a bullet — with a dash"])
    whole = path.read_bytes()
    for cut in range(len(before), len(whole)):
        path.write_bytes(whole[:cut])
        torn = read(tmp_path, now=LATER)
        ours = [record.used_bytes for record in torn.records]
        assert ours[:3] == [a_record(run).used_bytes for run in range(3)], cut
        assert torn.skipped_lines <= 2, cut  # the torn line, and the header that it leaves without its record
        append(folder, a_record(4), ["next"])
        content = path.read_bytes()
        assert content.startswith(whole[:cut])  # nothing is rewritten
        assert b"\n## Docker storage \xe2\x80\x94 13:20 UTC\n" in content[cut:]
        after = read(tmp_path, now=LATER)
        assert [record.used_bytes for record in after.records if record.at <= NOON + 2 * RUN] == ours[:3]
        assert after.records[-1] == a_record(4, tags={"shop/app:latest": "0000000000000004"}), cut
        assert content.count(b"<!--") == content.count(b"-->"), cut  # no comment swallows what follows


def _append_many(path: Path, worker: int) -> None:
    for run in range(50):
        at = NOON + timedelta(seconds=50 * worker + run)
        append(
            a_folder(path), a_record(run, at=at, uptime_s=None, used_bytes=worker * 1000 + run), [f"worker {worker}"]
        )


def test_eight_processes_of_fifty_runs_lose_none(tmp_path: Path) -> None:
    context = get_context("fork")
    workers = [context.Process(target=_append_many, args=(tmp_path, worker)) for worker in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    found = read(tmp_path, now=LATER)
    expected = {worker * 1000 + run for worker in range(8) for run in range(50)}
    assert {record.used_bytes for record in found.records} == expected
    assert len(found.records) == 400
    assert found.skipped_lines == 0
    assert all(record.tags is not None for record in found.records)  # each change found its base


def test_a_foreign_writer_that_only_appends_is_not_disturbed(tmp_path: Path) -> None:
    path, done = tmp_path / "2026-11-23.md", threading.Event()

    def supervise() -> None:
        for minute in range(60):
            with path.open("ab", buffering=0) as file:
                file.write(f"\n## Supervisor run — 11:{minute:02d} UTC\n\n- Disk: {minute}%\n".encode())
        done.set()

    other = threading.Thread(target=supervise)
    other.start()
    runs = 0
    while not done.is_set() or runs < 20:
        append(a_folder(tmp_path), a_record(runs), ["ours"])
        runs += 1
    other.join()
    found = read(tmp_path, now=NOON + timedelta(days=30))
    assert len(found.records) == runs
    assert [point.used_percent for point in found.foreign] == list(range(60))
    assert found.skipped_lines == 0


def test_a_foreign_line_without_its_newline_is_ended_first(tmp_path: Path) -> None:
    (tmp_path / "2026-11-23.md").write_text("## Supervisor run — 11:40 UTC\n- Disk: 71%")
    append(a_folder(tmp_path), a_record(), [])
    found = read(tmp_path, now=LATER)
    assert [point.used_percent for point in found.foreign] == [71.0]
    assert len(found.records) == 1


def test_a_missing_folder_is_made_and_that_is_said(tmp_path: Path) -> None:
    wrote = append(a_folder(tmp_path / "journal" / "supervisor"), a_record(), [])
    assert wrote.place is Place.JOURNAL
    assert wrote.notes == (f"made the folder {tmp_path}/journal/supervisor",)


def test_a_full_disk_sends_the_run_to_the_fallback_and_both_are_read_as_one_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = a_folder(tmp_path / "journal", tmp_path / "run")
    append(folder, a_record(0), [])
    real = os.write

    def short(fd: int, content: bytes) -> int:
        if "/journal/" not in os.readlink(f"/proc/self/fd/{fd}"):
            return real(fd, content)
        if len(content) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, content[: len(content) - 50])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", short)
        wrote = append(folder, a_record(1), ["the run at which it was full"])
    assert wrote.place is Place.FALLBACK
    assert wrote.path == tmp_path / "run" / "2026-11-23.md"
    assert wrote.notes[0] == f"cannot write {tmp_path}/journal/2026-11-23.md: No space left on device"
    append(folder, a_record(2), [])  # there is room again
    found = read(folder, now=LATER)
    assert [record.used_bytes for record in found.records] == [a_record(run).used_bytes for run in range(3)]
    assert found.skipped_lines == 1  # the torn entry


def test_with_nowhere_to_write_the_entry_is_handed_back_to_be_printed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    wrote = append(a_folder(tmp_path / "file", tmp_path / "file" / "below"), a_record(), ["a bullet"])
    assert (wrote.place, wrote.path) == (Place.NOWHERE, None)
    assert "- a bullet\n" in wrote.entry
    assert "<!-- ullage {" in wrote.entry
    assert len(wrote.notes) == 2


@pytest.mark.parametrize("number", [errno.EROFS, errno.EDQUOT, errno.EACCES, errno.EIO])
def test_whatever_the_folder_refuses_with_the_run_is_kept_elsewhere_and_the_reason_named(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refuse(path: Any, *arguments: Any, **options: Any) -> int:
        if str(path).startswith(str(tmp_path / "journal")):
            raise OSError(number, os.strerror(number), str(path))
        return real(path, *arguments, **options)

    (tmp_path / "journal").mkdir()
    monkeypatch.setattr(os, "open", refuse)
    wrote = append(a_folder(tmp_path / "journal", tmp_path / "run"), a_record(), [])
    assert wrote.place is Place.FALLBACK
    assert os.strerror(number) in wrote.notes[0]


def test_a_failed_sync_is_a_failed_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync

    def lost(fd: int) -> None:
        if "/journal/" in os.readlink(f"/proc/self/fd/{fd}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(fd)

    monkeypatch.setattr(os, "fsync", lost)
    folder = a_folder(tmp_path / "journal", tmp_path / "run")
    assert append(folder, a_record(), []).place is Place.FALLBACK
    assert len(read(folder, now=LATER).records) == 1  # in both places, read once


def test_a_file_size_limit_tears_the_entry_and_loses_nothing(tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "journal", tmp_path / "run")
    append(folder, a_record(0), [])
    size = (tmp_path / "journal" / "2026-11-23.md").stat().st_size

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 200, size + 200))
        wrote = append(folder, a_record(1), [])
        os._exit(0 if wrote.place is Place.FALLBACK and "File too large" in wrote.notes[0] else 1)

    child = get_context("fork").Process(target=limited)
    child.start()
    child.join(60)
    assert child.exitcode == 0
    append(folder, a_record(2), [])
    found = read(folder, now=LATER)
    assert [record.at for record in found.records] == [NOON, NOON + RUN, NOON + 2 * RUN]
    assert found.skipped_lines == 1


def test_the_fallback_keeps_a_week(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    folder = a_folder(tmp_path / "file", tmp_path / "run")
    for day in (0, 1, 8, 9):
        append(folder, a_record(at=NOON + timedelta(days=day)), [])
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["2026-12-01.md", "2026-12-02.md"]


@pytest.mark.parametrize(
    ("at", "name", "header"),
    [
        (datetime(2026, 11, 23, 23, 59, 59, 999999, UTC), "2026-11-23.md", "23:59"),
        (datetime(2026, 11, 24, 0, 0, tzinfo=UTC), "2026-11-24.md", "00:00"),
        (datetime.fromisoformat("2026-03-29T03:30:00+02:00"), "2026-03-29.md", "01:30"),  # an hour after DST began
        (datetime.fromisoformat("2026-10-25T02:30:00+01:00"), "2026-10-25.md", "01:30"),  # the hour that comes twice
        (datetime.fromisoformat("2026-11-24T00:30:00+02:00"), "2026-11-23.md", "22:30"),
    ],
)
def test_days_and_hours_are_utc_whatever_the_zone(at: datetime, name: str, header: str, tmp_path: Path) -> None:
    append(a_folder(tmp_path), a_record(at=at), [])
    assert f"## Docker storage — {header} UTC\n" in (tmp_path / name).read_text()
    (record,) = read(tmp_path, now=at).records
    assert record.at == at


def test_a_lock_that_is_held_is_waited_for(tmp_path: Path) -> None:
    append(a_folder(tmp_path), a_record(0), [])
    with (tmp_path / "2026-11-23.md").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        threading.Timer(0.2, fcntl.flock, (other, fcntl.LOCK_UN)).start()
        assert append(a_folder(tmp_path), a_record(1), []).notes == ()


def test_a_lock_that_is_never_given_back_does_not_stop_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appending, "LOCK_WAIT_S", 0.05)
    append(a_folder(tmp_path), a_record(0), [])
    with (tmp_path / "2026-11-23.md").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        wrote = append(a_folder(tmp_path), a_record(1), [])
    assert wrote.notes == ("another run holds the journal's lock: written without it",)
    assert '"owners":{"=":' in wrote.entry  # whole: it cannot know what it would build on
    assert len(read(tmp_path, now=LATER).records) == 2


def test_a_file_that_was_replaced_under_the_lock_is_let_go(tmp_path: Path) -> None:
    path = tmp_path / "2026-11-23.md"
    append(a_folder(tmp_path), a_record(0), [])
    with path.open("ab") as old:
        fcntl.flock(old, fcntl.LOCK_EX)

        def replace() -> None:
            (tmp_path / "new").write_bytes(path.read_bytes())
            (tmp_path / "new").replace(path)
            fcntl.flock(old, fcntl.LOCK_UN)

        threading.Timer(0.2, replace).start()
        append(a_folder(tmp_path), a_record(1), [])
    assert len(read(tmp_path, now=LATER).records) == 2


@pytest.mark.parametrize("kind", ["link", "hard link", "fifo", "folder"])
def test_only_a_regular_file_is_written_to(kind: str, tmp_path: Path) -> None:
    path, target = tmp_path / "2026-11-23.md", tmp_path / "target"
    target.write_text("")
    if kind == "link":
        path.symlink_to(target)
    elif kind == "hard link":
        path.hardlink_to(target)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    assert append(a_folder(tmp_path), a_record(), []).place is Place.NOWHERE
    assert target.read_text() == ""
    assert read(tmp_path, now=LATER).records == ()


def test_runs_on_two_filesystems_in_one_file_do_not_build_on_each_other(tmp_path: Path) -> None:
    folder: Folder = a_folder(tmp_path)
    for run in range(4):
        name = "one" if run % 2 else "other"
        append(folder, a_record(run, filesystem=name, owners={name: run}), [])
    found = read(tmp_path, now=LATER).records
    assert [record.owners for record in found] == [{"other": 0}, {"one": 1}, {"other": 2}, {"one": 3}]
