"""The command line: statuses, streams, what is imported, and no traceback whatever is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from collectors.report.schema import schema
from collectors.report.text import SECTIONS


def run(*arguments: str, module: str = "collectors", **environ: str) -> subprocess.CompletedProcess[str]:
    """The program as a supervisor calls it: no terminal, a clean environment."""
    clean = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**clean, **environ},
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--no-such-flag",),
        ("--preflight", "--format", "xml"),
        ("--preflight", "--deadline", "-3"),
        ("--preflight", "--deadline", "soon"),
        ("--preflight", "--config", "/nonexistent.toml"),
        (),
    ],
)
def test_wrong_usage_is_status_3_and_one_line_on_stderr(arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert ended.returncode == 3
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1
    assert "Traceback" not in ended.stderr


def test_the_dashboard_without_a_terminal_says_what_to_use() -> None:
    ended = run(module="tui")
    assert ended.returncode == 3
    assert "--preflight" in ended.stderr


def test_version_imports_neither_textual_nor_rich_nor_numpy() -> None:
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "collectors", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in ended.stderr.splitlines()}
    assert "collectors" in imported
    assert not imported & {"textual", "rich", "numpy", "docker", "plotext", "requests"}


def test_a_report_without_an_engine_is_whole_and_its_status_is_unknown_or_worse(tmp_path: Path) -> None:
    ended = run(
        "--preflight", "--no-journal", "--no-state", "--docker-root", str(tmp_path / "none"), "--deadline", "20",
        "--host", f"unix://{tmp_path}/no.sock",
    )  # fmt: skip
    assert ended.returncode in (2, 3)
    headers = [line[3:] for line in ended.stdout.splitlines() if line.startswith("## ")]
    assert tuple(headers) == SECTIONS
    assert "Traceback" not in ended.stderr
    assert "not reachable" in ended.stdout


def test_the_document_of_a_bare_machine_validates_against_the_printed_schema(tmp_path: Path) -> None:
    printed = json.loads(run("--print", "schema").stdout)
    assert printed == json.loads(json.dumps(schema()))
    Draft202012Validator.check_schema(printed)
    ended = run(
        "--preflight", "--format", "json", "--no-journal", "--no-state", "--deadline", "5",
        "--host", f"unix://{tmp_path}/no.sock", "--docker-root", str(tmp_path),
    )  # fmt: skip
    document = json.loads(ended.stdout)
    Draft202012Validator(printed).validate(document)
    used = document["filesystem"]["used_bytes"]
    assert sum(row["bytes"] or 0 for row in document["ledger"]) == used
    assert ended.returncode == document["exit_status"]


def test_one_look_is_not_interrupted_by_looking_for_garbage(in_memory: Path) -> None:
    """By default, a million objects are all looked through more than ten times while they are made."""
    program = (
        "import gc; from collectors.cli import main; main();"
        "full = gc.get_stats()[2]['collections']; kept = [[n] for n in range(2_000_000)];"
        "print('\\n', gc.get_stats()[2]['collections'] - full)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, "--preflight", "--no-journal", "--no-state", "--deadline", "20",
         "--host", f"unix://{in_memory}/no.sock", "--docker-root", str(in_memory)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert int(ended.stdout.splitlines()[-1]) == 0


@pytest.mark.parametrize(
    "environ", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_in_the_c_locale_a_report_is_whole(in_memory: Path, environ: dict[str, str]) -> None:
    ended = run(
        "--preflight", "--no-journal", "--no-state", "--docker-root", str(in_memory), "--deadline", "20",
        "--host", f"unix://{in_memory}/no.sock", **environ,
    )  # fmt: skip
    assert ended.stderr == ""
    assert tuple(line[3:] for line in ended.stdout.splitlines() if line.startswith("## ")) == SECTIONS
    assert ended.stdout.isascii() is ("PYTHONUTF8" in environ)


def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [sys.executable, "-m", "collectors", "--print", "schema"], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert b"Traceback" not in ended.stderr
    assert ended.returncode == 3


def test_an_unknown_key_of_the_configuration_is_named(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text("[thresholds]\np9_percent = 3\n")
    ended = run("--preflight", "--config", str(config))
    assert ended.returncode == 3
    assert "p9_percent" in ended.stderr
