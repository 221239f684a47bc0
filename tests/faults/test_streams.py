"""Nobody reads: a run on a closed, full or vanished stdout is journaled all the same, and never ends with 0 or 1."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.conftest import Told
from tests.faults.room import Room
from tests.faults.running import start

pytestmark = pytest.mark.fault(28)


def arguments(room: Room, url: str, tmp_path: Path) -> tuple[str | Path, ...]:
    journal = tmp_path / "journal"
    journal.mkdir()
    return ("--preflight", "--no-state", "--host", url, "--docker-root", room.root, "--journal", journal)


def journaled(tmp_path: Path) -> int:
    return sum(path.read_text().count("<!-- ullage {") for path in (tmp_path / "journal").glob("*.md"))


@pytest.mark.parametrize("form", ["text", "json", "openmetrics"])
def test_a_reader_that_went_away_is_no_error_and_the_run_is_journaled(
    form: str, room: Room, tmp_path: Path, told: Told
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with room.engine() as server:
        ended = start(*arguments(room, server.url, tmp_path), "--format", form, stdout=writer).end(30).check()
    os.close(writer)
    told("journaled, although nobody got the report", ended)
    assert (ended.status, ended.stderr) == (3, "")
    assert journaled(tmp_path) == 1


@pytest.mark.parametrize(
    "closed", [(1,), (1, 2), (0, 1, 2), (2,), (0,)], ids=lambda n: "closed " + " and ".join(map(str, n))
)
def test_closed_streams_change_nothing_but_the_delivery(
    closed: tuple[int, ...], room: Room, tmp_path: Path, told: Told
) -> None:
    with room.engine() as server:
        ended = start(*arguments(room, server.url, tmp_path), close=closed).end(30).check()
    assert journaled(tmp_path) == 1
    if 1 in closed:
        told("journaled", ended)
        assert ended.status == 3
        said = "" if 2 in closed else "ullage: the report could not be written: Bad file descriptor\n"
        assert (ended.stdout, ended.stderr) == ("", said)
    else:
        told("journaled, and the report is whole", ended)
        assert (ended.status, ended.stderr) == (0, "")
        assert ended.stdout.startswith("## Docker Storage\n")


def test_diagnostics_never_get_into_the_report_where_stderr_is_closed(room: Room, tmp_path: Path, told: Told) -> None:
    with room.engine() as server:
        words = ("--preflight", "--no-state", "--host", server.url, "--docker-root", room.root)
        ended = start(*words, "--journal", tmp_path / "not there yet", close=(2,)).end(30).check()
    told("the note on the journal's new folder is nowhere in the report", ended)
    assert ended.status == 0
    assert "made the folder" not in ended.stdout


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_full_disk_behind_stdout_is_said_and_the_run_is_journaled(
    form: str, room: Room, tmp_path: Path, told: Told
) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with room.engine() as server:
        ended = start(*arguments(room, server.url, tmp_path), "--format", form, stdout=full).end(30).check()
    os.close(full)
    told("journaled, although the report could not be written", ended)
    assert (ended.status, ended.stderr) == (3, "ullage: the report could not be written: No space left on device\n")
    assert journaled(tmp_path) == 1


@pytest.mark.parametrize("words", [("--print", "schema"), ("--history", "--journal", "/nonexistent"), ("--version",)])
@pytest.mark.parametrize("how", ["no reader", "full"])
def test_the_other_modes_end_the_same_way(words: tuple[str, ...], how: str, told: Told) -> None:
    if how == "full":
        out = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, out = os.pipe()
        os.close(reader)
    ended = start(*words, stdout=out).end(20).check()
    os.close(out)
    told(words[0], ended)
    assert ended.status == 3
    assert ended.stderr.count("\n") == int(how == "full")


def test_an_output_file_that_cannot_be_made_is_said_by_its_name(room: Room, tmp_path: Path, told: Told) -> None:
    with room.engine() as server:
        ended = start(*arguments(room, server.url, tmp_path), "--output", "/dev/full/report").end(30).check()
    told("journaled, although the report could not be written", ended)
    assert ended.status == 3
    assert ended.stderr == "ullage: the report could not be written: /dev/full/report: Not a directory\n"
    assert journaled(tmp_path) == 1
