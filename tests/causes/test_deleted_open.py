"""The line that ends a process, run in real shells: it ends the one that is meant, and no other with its number."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.causes import base
from collectors.causes.deleted_open import ID
from tests.planning.build import MIB, Scene, finding, held_open, step

SHELLS = (("bash", "-c"), ("bash", "-euo", "pipefail", "-c"), ("dash", "-c"), ("busybox", "ash", "-c"))


def started_ticks(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


@pytest.fixture(params=["sleep", ") S 1 (", "a b"])
def process(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One that waits, under such a name."""
    sleep = shutil.which("sleep")
    assert sleep is not None
    program = shutil.copy(sleep, tmp_path / request.param)
    with subprocess.Popen([program, "60"]) as running:
        yield running
        running.kill()


def run_in(shell: tuple[str, ...], line: str) -> int:
    where = shutil.which(shell[0])
    if where is None:
        pytest.skip(f"{shell[0]} is not installed")
    return subprocess.run([where, *shell[1:], line], capture_output=True, timeout=20, check=False).returncode


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_only_the_process_that_started_then_is_ended(shell: tuple[str, ...], process: subprocess.Popen[bytes]) -> None:
    pid, started = process.pid, started_ticks(process.pid)
    for another in (started - 1, started + 1, 0):
        assert run_in(shell, base.end_process(pid, another)) != 0
    assert process.poll() is None
    assert run_in(shell, base.end_process(pid, started)) == 0
    assert process.wait(20) == -signal.SIGTERM
    assert run_in(shell, base.end_process(pid, started)) != 0


def test_the_line_that_a_plan_shows_is_that_one(process: subprocess.Popen[bytes]) -> None:
    opened = (held_open(process.pid, 30 * MIB, inode=1, started=started_ticks(process.pid)),)
    made = Scene(opened=opened, findings=(finding(ID, count=30 * MIB),)).plan()
    line = step(made, f"holder:{process.pid}").command
    assert "\n" not in line
    assert run_in(("bash", "-c"), line) == 0
    assert process.wait(20) == -signal.SIGTERM
