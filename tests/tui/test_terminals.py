"""On terminals that cannot show a full screen the report is printed; others get the dashboard, in their characters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from collectors.report.text import SECTIONS
from tests.bench.tui import Terminal
from tui.__main__ import full_screen

FULL_SCREEN = b"\x1b[?1049h"
DEMO = ("-m", "tui", "--demo")


@pytest.mark.parametrize(
    "term", ["", "dumb", "dumb-emacs-ansi", "unknown", "vt52", "vt100", "vt102", "vt220", "vt320-w", "ansi", "cons25"]
)
def test_a_terminal_that_only_takes_lines_has_no_full_screen(term: str) -> None:
    assert not full_screen(term)


@pytest.mark.parametrize(
    "term",
    ["xterm", "xterm-256color", "linux", "screen", "tmux-256color", "vte-256color", "rxvt", "xterm-kitty", "alacritty",
     "foot", "a-terminal-of-tomorrow"],
)  # fmt: skip
def test_an_emulator_has_one_whether_terminfo_knows_it_or_not(term: str) -> None:
    assert full_screen(term)


def printed(terminal: Terminal) -> str:
    """What a program wrote that ended by itself."""
    terminal.quiet(20)
    return terminal.seen.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("term", ["dumb", "vt100", ""])
def test_a_recording_is_printed_there(term: str) -> None:
    terminal = Terminal(*DEMO, TERM=term)
    said = printed(terminal)
    _, status = terminal.end(20)
    assert tuple(line[3:] for line in said.splitlines() if line.startswith("## ")) == SECTIONS
    assert (status, "\x1b" in said) == (0, False)


def test_the_live_report_is_printed_there_with_its_status(in_memory: Path) -> None:
    where = ("--docker-root", str(in_memory), "--host", f"unix://{in_memory}/no.sock", "--no-journal", "--no-state")
    terminal = Terminal("-m", "tui", *where, "--deadline", "20", TERM="dumb")
    said = printed(terminal)
    _, status = terminal.end(20)
    assert tuple(line[3:] for line in said.splitlines() if line.startswith("## ")) == SECTIONS
    assert (status in (2, 3), "\x1b" in said) == (True, False)


def test_where_the_locale_is_not_utf_8_the_dashboard_is_drawn_in_ascii() -> None:
    terminal = Terminal(*DEMO, PYTHONUTF8="0", PYTHONIOENCODING="latin-1")
    terminal.until(b"Docker", 60)
    terminal.quiet()
    terminal.write(b"q")
    _, status = terminal.end(20)
    assert (status, FULL_SCREEN in terminal.seen, terminal.seen.isascii()) == (0, True, True)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_the_report_is_whole_where_the_locale_is_not_utf_8(encoding: str, in_memory: Path) -> None:
    where = ("--docker-root", str(in_memory), "--host", f"unix://{in_memory}/no.sock", "--no-journal", "--no-state")
    ended = subprocess.run(
        [sys.executable, "-m", "collectors", "--preflight", *where, "--deadline", "20"],
        capture_output=True,
        env={**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": encoding},
        timeout=60,
        check=False,
    )
    said = ended.stdout.decode(encoding)
    assert tuple(line[3:] for line in said.splitlines() if line.startswith("## ")) == SECTIONS
    assert (ended.returncode in (2, 3), ">= 0 B" in said, ended.stderr) == (True, True, b"")
