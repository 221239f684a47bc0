"""In a real pseudo-terminal. The limits hold on an idle machine: run them with `-m bench`; the others hold anywhere."""

import statistics
import sys
from pathlib import Path

import pytest

from tests.bench import tui


def test_neither_docker_nor_numpy_nor_plotext_is_loaded_when_the_first_screen_is_drawn(tmp_path: Path) -> None:
    facts = tmp_path / "facts.json"
    terminal = tui.child("slow", facts)
    terminal.until(b"99%", 60)
    terminal.write(b"q")
    _, status = terminal.end(30)
    assert status == 0
    assert facts.read_text() == "[]"


def test_leaving_restores_the_terminal(tmp_path: Path) -> None:
    terminal = tui.child("quick", tmp_path / "facts.json")
    terminal.until(b"312.0", 60)
    terminal.quiet()
    terminal.write(b"q")
    terminal.end(30)
    assert b"\x1b[?1049l" in terminal.seen
    assert b"\x1b[?25h" in terminal.seen


def test_q_ends_it_at_once_while_a_scan_waits_in_threads_that_python_would_wait_for(tmp_path: Path) -> None:
    terminal = tui.child("pooled", tmp_path / "facts.json")
    terminal.until(b"still reading", 60)
    terminal.quiet()
    terminal.write(b"q")
    took_ms, status = terminal.end(25)
    assert status == 0
    assert took_ms < 10_000
    assert b"\x1b[?1049l" in terminal.seen


@pytest.mark.bench
@pytest.mark.skipif("bench" not in " ".join(sys.argv), reason="measures: run with -m bench on an idle machine")
def test_the_dashboard_is_as_quick_as_promised() -> None:
    figures = tui.measure(5)
    for name in ("version", "first frame", "verdict"):
        assert statistics.median(getattr(figures, name.rpartition(" ")[2])) < tui.LIMITS_MS[name]
    assert max(figures.quit) < tui.LIMITS_MS["quit"]
    assert max(figures.cancel) < tui.LIMITS_MS["cancel"]
    for every in (figures.keys, figures.files.keys):
        assert tui.p95(tuple(time for times in every.values() for time in times)) < tui.LIMITS_MS["key p95"]
    assert figures.files.opened < tui.LIMITS_MS["open"]


def test_a_directory_of_a_hundred_thousand_files_is_opened_in_a_second_and_moved_in_at_once(tmp_path: Path) -> None:
    """By the dashboard's processor time, so that it holds on a busy machine."""
    found = tui.many_files(tmp_path, 5)
    assert found.opened_cpu < tui.LIMITS_MS["open"]
    assert found.key_cpu < tui.LIMITS_MS["key p95"]
    assert {name: len(times) for name, times in found.keys.items()} == dict.fromkeys(tui.KEYS, 5)
