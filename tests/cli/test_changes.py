"""`--changes`: two moments by name, and what it says where there are none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collectors.cli import main
from collectors.journal.appending import append
from tests.journal.build import NOON, RUN, a_folder, a_record

MIB = 1 << 20


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Six runs; the log grows by 2 MiB with each, and with the last one a volume of 40 MiB is there."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))  # or what fell back on this machine is read, too
    for run in range(6):
        things = {"log:1": (100 + 2 * run) * MIB} | ({"volume:v": 40 * MIB} if run == 5 else {})
        record = a_record(
            run,
            used_bytes=sum(things.values()),
            categories={"logs": things["log:1"], "volumes": things.get("volume:v", 0)},
            things=things,
            labels={"log:1": "logs web-1", "volume:v": "volumes v"},
        )
        append(a_folder(tmp_path / "journal"), record, [])
    return str(tmp_path / "journal")


def told(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, int]:
    """Bytes of each named change."""
    assert main(["--changes", "--format", "json", *words]) == 0
    document = json.loads(capsys.readouterr().out)
    assert sum(row["bytes"] for row in document["categories"]) == document["bytes"]
    return {one["name"]: one["bytes"] for row in document["categories"] for one in row["changes"]}


def test_two_runs_are_named_by_their_times(journal: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--journal", journal, "--since", "2026-11-23T12:20", "--to", "2026-11-23T13:00")
    assert told(capsys, *words) == {"web-1": 4 * MIB}
    words = ("--journal", journal, "--since", "2026-11-23T12:30:00Z", "--to", "last")
    assert told(capsys, *words) == {"web-1": 8 * MIB, "v": 40 * MIB}


def test_a_span_goes_back_from_the_later_moment_and_to_the_oldest_run_at_most(
    journal: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(capsys, "--journal", journal, "--since", "1h", "--to", "last") == {"web-1": 6 * MIB, "v": 40 * MIB}
    assert main(["--changes", "--journal", journal, "--to", "last"]) == 0
    page = capsys.readouterr().out
    assert f"From: {NOON:%Y-%m-%dT%H:%M:%SZ} (a run of 1 h 40 min before, the oldest run there is)" in page
    assert "| grew | 10485760 | +10.0 MiB | logs | web-1 | 100.0 MiB | 110.0 MiB |" in page
    assert "| sum | 52428800 | +50.0 MiB |" in page


@pytest.mark.parametrize("since", ["yesterday", "/no/such/recording", "2020-01-01"])
def test_what_names_no_moment_is_said_and_is_not_known(
    journal: str, since: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--changes", "--journal", journal, "--since", since, "--to", f"{NOON + 5 * RUN:%Y-%m-%dT%H:%M}"]) == 3
    assert since in capsys.readouterr().err


def test_a_file_that_is_no_recording_is_said(journal: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.jsonl").write_text("{}\n")
    assert main(["--changes", "--journal", journal, "--since", str(tmp_path / "x.jsonl"), "--to", "last"]) == 3
    assert "not a recording" in capsys.readouterr().err


def test_of_history_only_a_span_is_taken(journal: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--history", "--journal", journal, "--since", "last"]) == 3
    assert "no span" in capsys.readouterr().err
