"""Runs on a changing lab: in one long-lived process, and every tenth as a command of its own, on one memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab import Lab
from tests.longrun import changes, watch
from tests.longrun.watch import Held

COMMAND_EVERY = 10
RUNS_A_DAY = 72  # as a supervisor makes them
_LONGEST_S = 120
_SETTLED_S = 2.0


@dataclass(frozen=True, slots=True)
class Command:
    """One run as a process of its own."""

    peak_bytes: int
    cpu_s: float
    left_behind: int  # entries in its folder for temporary files, and processes


@dataclass
class Course:
    """What was seen, run by run. `troubles`: everything that a run should not have said or done."""

    driver: str
    held: list[Held] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    days_bytes: list[int] = field(default_factory=list)  # of the journal, one after the other; the last may be short
    elapsed_s: float = 0.0

    @property
    def runs(self) -> int:
        return len(self.held) + len(self.commands)

    def held_counts(self, name: str) -> list[int]:
        """One figure of `Held`, run by run."""
        return [getattr(one, name) for one in self.held]


def run(lab: Lab, folder: Path, runs: int, pause: Callable[[], None] = lambda: None) -> Course:
    """`runs` preflights with a change before each; `folder` takes the memory. `pause` is called between two runs."""
    for name in ("tmp", "state", "journal", "vault"):
        (folder / name).mkdir()
    course, began = Course(lab.driver), time.monotonic()
    changes.begin(lab)
    with _worker(lab, folder) as worker:
        for number in range(runs):
            pause()
            if number and number % RUNS_A_DAY == 0:
                course.days_bytes.append(_end_of_day(folder / "journal"))
            changes.step(lab, number)
            if number % COMMAND_EVERY == COMMAND_EVERY - 1:
                course.commands.append(_command(lab, folder, course.troubles))
            else:
                threads = course.held[-1].threads if course.held else 1
                course.held.append(_survey(lab, folder, worker, threads, course.troubles))
        course.days_bytes.append(_end_of_day(folder / "journal"))
    course.elapsed_s = time.monotonic() - began
    return course


def _end_of_day(journal: Path) -> int:
    """Bytes of the day's file. It is taken away, so that the next day's runs recall as much as this one's did."""
    taken = sum(watch.sizes(journal))
    for path in journal.glob("*.md"):
        path.unlink()
    return taken


@contextmanager
def _worker(lab: Lab, folder: Path) -> Iterator[subprocess.Popen[str]]:
    with (folder / "stderr").open("w") as errors:
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.longrun.worker", *_flags(lab, folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=_environment(folder),
        )
        try:
            yield worker
        finally:
            assert worker.stdin is not None
            worker.stdin.close()
            try:
                worker.wait(30)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()


def _survey(lab: Lab, folder: Path, worker: subprocess.Popen[str], threads: int, troubles: list[str]) -> Held:
    assert worker.stdin is not None
    assert worker.stdout is not None
    before = watch.mounts_of(lab.base)
    worker.stdin.write("\n")
    worker.stdin.flush()
    guard = threading.Timer(_LONGEST_S, worker.kill)  # the deadline is half of that
    guard.start()
    line = worker.stdout.readline()
    guard.cancel()
    if not line:
        raise RuntimeError(f"the long-lived process ended: {(folder / 'stderr').read_text()[-2000:]}")
    answer: dict[str, Any] = json.loads(line)
    troubles += [*answer["notes"], *answer["unread"]]
    if answer["status"] == 3:
        troubles.append("a run ended with status 3: something could not be read")
    _settle(worker.pid, threads)
    mounts = watch.mounts_of(lab.base) - before
    return watch.held(
        worker.pid,
        temporary=folder / "tmp",
        state=folder / "state",
        journal=folder / "journal",
        mounts=mounts,
        blocks=answer["blocks"],
    )


def _settle(pid: int, threads: int) -> None:
    """Wait until no more threads than these, and no children, are left: what has answered needs a moment to end."""
    until = time.monotonic() + _SETTLED_S
    while time.monotonic() < until and (len(os.listdir(f"/proc/{pid}/task")) > threads or watch.children(pid)):
        time.sleep(0.02)


def _command(lab: Lab, folder: Path, troubles: list[str]) -> Command:
    with (folder / "command").open("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "collectors", "--preflight", *_flags(lab, folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=_environment(folder),
            start_new_session=True,
        )
        guard = threading.Timer(_LONGEST_S, process.kill)
        guard.start()
        _, status, used = os.wait4(process.pid, 0)
        guard.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        troubles += errors.read().splitlines()
    if process.returncode not in (0, 1, 2):
        troubles.append(f"a command ended with status {process.returncode}")
    left = sum(1 for _ in (folder / "tmp").rglob("*")) + _of_session(process.pid)
    return Command(used.ru_maxrss * 1024, used.ru_utime + used.ru_stime, left)


def _of_session(session: int) -> int:
    """Processes of a session whose leader has ended."""
    found = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            found += int(stat.read_text().rpartition(")")[2].split()[3]) == session
        except OSError:
            continue
    return found


def _flags(lab: Lab, folder: Path) -> list[str]:
    memory = [f"--{name}={folder / name}" for name in ("state", "journal", "vault")]
    return [f"--host={lab.host}", *memory]


def _environment(folder: Path) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "OPS_", "ULLAGE_"))}
    return {**clean, "TMPDIR": str(folder / "tmp"), "XDG_RUNTIME_DIR": str(folder / "tmp")}
