"""On terminals that cannot show a full screen the report is printed; others get the dashboard, in their characters."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from collectors.report.text import SECTIONS
from tests.bench.tui import Terminal
from tui import BEFORE_A_REPORT, VIEWS
from tui.__main__ import first_frame, full_screen

FULL_SCREEN, BACK = b"\x1b[?1049h", b"\x1b[?1049l"
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


def opened(tmp_path: Path) -> Terminal:
    """The dashboard of a host whose engine is not there."""
    where = ("--docker-root", str(tmp_path), "--host", f"unix://{tmp_path}/no.sock", "--no-journal")
    return Terminal("-m", "tui", *where, "--state", str(tmp_path), "--deadline", "20")


def test_the_first_frame_stands_before_textual_is_loaded_and_is_not_cleared_for_the_next(tmp_path: Path) -> None:
    terminal = opened(tmp_path)
    terminal.since_exec(BEFORE_A_REPORT.encode())
    first = terminal.seen
    terminal.since_exec(b" full")
    terminal.write(b"q")
    _, status = terminal.end(20)
    assert first.startswith(FULL_SCREEN)
    assert all(f"{number} {title}".encode() in first for number, (_, title) in enumerate(VIEWS, 1))
    assert b"\x1b[?1000h" not in first, "nobody has taken the terminal over yet"
    assert terminal.seen.count(FULL_SCREEN) == 1
    assert (status, terminal.seen.count(BACK)) == (0, 1)


@pytest.mark.parametrize("later_s", [0, 0.1, 0.2, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_is_ended_while_it_is_loaded_gives_the_screen_back(tmp_path: Path, number: int, later_s: float) -> None:
    """By whoever has the terminal by then."""
    terminal = opened(tmp_path)
    terminal.since_exec(BEFORE_A_REPORT.encode())
    time.sleep(later_s)
    os.kill(terminal.pid, number)
    terminal.quiet(1)
    terminal.write(b"q")  # to Textual, Ctrl-C is a key
    terminal.quiet(20)
    _, ended = terminal.end(20)
    # Python itself ends so where an interrupt meets it in an `exec`, as classes are made, whoever catches it.
    assert ended in (-number, 0, 3)
    assert BACK in terminal.seen.rpartition(FULL_SCREEN)[2]


def test_the_first_frame_stands_on_the_ground_that_was_chosen_the_last_time(tmp_path: Path) -> None:
    (tmp_path / "dashboard.json").write_text('{"theme": "ullage-light"}')
    terminal = opened(tmp_path)
    terminal.since_exec(BEFORE_A_REPORT.encode())
    assert b"\x1b[48;2;251;252;254m\x1b[2J" in terminal.seen
    terminal.since_exec(b" full")
    terminal.write(b"q")
    terminal.end(20)


@pytest.mark.parametrize("columns", [1, 9, 20, 80, 200])
def test_the_first_frame_fits_any_width(columns: int) -> None:
    frame = first_frame(columns, "ullage-ansi", {})
    top, below = re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", frame).split("\r\n")
    assert (len(top), len(below)) == (columns, min(columns, len(BEFORE_A_REPORT)))


def test_where_colours_are_not_wanted_or_few_the_first_frame_has_none() -> None:
    for environ in ({}, {"COLORTERM": "truecolor", "NO_COLOR": "1"}):
        assert "\x1b[48" not in first_frame(80, "ullage-dark", environ)
    assert "\x1b[48;2;" in first_frame(80, "", {"COLORTERM": "truecolor"})
