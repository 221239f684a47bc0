"""Whole runs of the installed program against du, gdu, ncdu, docker and the least that any walk must do: root, 6 GB.

`python -m tests.bench.walk` installs the package into an environment of its own (`--program` names one that is there),
fills an ext4 with 600,000 files under the Docker root of a real engine, lets all tools look at it in turn, and writes
their table to walk.md, next to this file; with `--fs xfs` an XFS, to walk_xfs.md. First: with an empty state folder.
Second: the same again. Warm: everything is in the kernel's caches, each figure is the best of several rounds. Cold: the
filesystem was mounted anew and its disk dropped from the page cache. Memory: of all processes of a tool together
(proportional set size), in a run of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.bench import walk_host
from tests.lab import Lab

HERE = Path(__file__).parent
ROUNDS = 3
MIB = 1 << 20
DU, GDU, NCDU, DOCKER = "du -sx", "gdu -npcx", "ncdu -0xo", "docker system df -v"
LEAST = "getdents64 and statx in C, two threads"
FIRST, SECOND, CHANGED = "ullage, first run", "ullage, second run", "ullage, after 100 changed files"
# As low as our walkers, so that whatever else this machine does slows all alike.
NICE = ("nice", "-n", "10")


@dataclass(frozen=True, slots=True)
class Time:
    """Seconds: on the clock, and of processors by the tool; an engine's own are not among them."""

    elapsed_s: float
    cpu_s: float


class Tools:
    """Every tool as a command, on one lab."""

    def __init__(self, lab: Lab, program: Path, folder: Path) -> None:
        self.state = folder / "state"
        self._lab, self._folder = lab, folder
        # What an XFS keeps for itself it tells within bounds only.
        self._explained = "Explained: 99." if lab.fs == "xfs" else "Explained: 100.0%"
        least = folder / "least_walk"
        subprocess.run(["cc", "-O2", "-pthread", "-o", least, HERE / "least_walk.c"], check=True)
        at = str(lab.mount)
        ours = [str(program), "--preflight", "--no-journal", "--host", lab.host, "--state", str(self.state)]
        self.words = {
            DU: [*NICE, "du", "-sx", at],
            GDU: [*NICE, "gdu", "-npcx", at],
            NCDU: [*NICE, "ncdu", "-0xo", "/dev/null", at],
            LEAST: [*NICE, str(least), at],
            DOCKER: ["docker", "--host", lab.host, "system", "df", "-v"],
            FIRST: ours,
            SECOND: ours,
            CHANGED: ours,
        }

    def timed(self, name: str) -> Time:
        """One run of a tool; fails where ours does not account for every byte."""
        before, began = children_s(), time.perf_counter()
        done = subprocess.run(self.words[name], capture_output=True, text=True, check=False)
        took = Time(time.perf_counter() - began, children_s() - before)
        assert not name.startswith("ullage") or self._explained in done.stdout, done.stdout + done.stderr
        assert done.returncode in (0, 1, 2), done.stderr
        return took

    def peak_bytes(self, name: str) -> int:
        """What all of its processes take together, at most."""
        tool = subprocess.Popen(self.words[name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        most = 0
        while tool.poll() is None:
            most = max(most, sum(map(_set_bytes, _tree(tool.pid))))
            time.sleep(0.005)
        return most

    def forget(self) -> None:
        """The next run is a first one."""
        shutil.rmtree(self.state, ignore_errors=True)

    def check(self) -> None:
        """A quick answer that is wrong is worth nothing: what is remembered has to be what is found anew."""
        self.forget()
        first, second = self._ledger(), self._ledger()
        assert first == second, (first, second)

    def _ledger(self) -> dict[str, int]:
        words = [*self.words[SECOND], "--format", "json"]
        document = json.loads(subprocess.run(words, check=False, capture_output=True).stdout)
        return {row["category"]: row["bytes"] for row in document["ledger"]}


def children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _tree(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _tree(int(child))


def _set_bytes(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


Row = tuple[str, Time]


def warm(lab: Lab, tools: Tools, files: int, rounds: int) -> list[Row]:
    """The tools in turn, so that a change of the machine's load meets all of them."""
    rows: dict[str, Time] = {}

    def enter(name: str, times: int = 1) -> None:
        for _ in range(times):
            took = tools.timed(name)
            rows[name] = min(rows.get(name, took), took, key=lambda one: one.elapsed_s)

    for turn in range(rounds):
        for name in (DU, GDU, NCDU, LEAST, DOCKER):
            enter(name)
        tools.forget()
        enter(FIRST)
        enter(SECOND, 3)
        walk_host.change(lab, files, turn)
        enter(CHANGED)
        walk_host.settle()
        tools.timed(SECOND)  # remembers the changed volume, now that it is quiet
    return list(rows.items())


def linked(lab: Lab, tools: Tools, files: int, links: int) -> list[Row]:
    """With hard links between the volumes."""
    walk_host.link(lab, files, links)
    walk_host.settle()
    tools.check()
    rows = [
        (DU, tools.timed(DU)),
        (SECOND, min((tools.timed(SECOND) for _ in range(3)), key=lambda one: one.elapsed_s)),
    ]
    walk_host.change(lab, files, ROUNDS)
    return [*rows, (CHANGED, tools.timed(CHANGED))]


def cold(lab: Lab, tools: Tools) -> list[Row]:
    """Each after a fresh mount; a first pass counts for nobody: what the disk lies on may have a cache of its own."""
    walk_host.cold(lab)
    tools.timed(DU)
    rows = []
    for name in (DU, GDU, NCDU, LEAST, DOCKER, FIRST, SECOND):
        if name == FIRST:
            tools.forget()
        walk_host.cold(lab)
        rows.append((name, tools.timed(name)))
    return rows


def peaks(tools: Tools) -> dict[str, int]:
    """Bytes, of each tool that can be watched."""
    tools.forget()
    return {name: tools.peak_bytes(name) for name in (DU, GDU, NCDU, LEAST, FIRST, SECOND)}


def table(rows: list[Row], peak_bytes: dict[str, int]) -> list[str]:
    """Markdown. The ratios are to others in the same table."""
    by_name = dict(rows)
    lines = [
        "| | elapsed | processor time | peak memory | × du | × gdu | × docker system df -v | × C |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, took in rows:
        cpu = "" if name == DOCKER else f"{took.cpu_s:.3f} s"
        peak = f"{peak_bytes[name] / MIB:.1f} MiB" if name in peak_bytes else ""
        ratios = [_ratio(took, by_name.get(other)) for other in (DU, GDU, DOCKER, LEAST)]
        lines.append(f"| {' | '.join((name, f'{took.elapsed_s:.3f} s', cpu, peak, *ratios))} |")
    return lines


def _ratio(took: Time, other: Time | None) -> str:
    return "" if other is None or other is took else f"{took.elapsed_s / other.elapsed_s:.2f}"


def installed(folder: Path) -> Path:
    """The program, from the package as a user installs it."""
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    subprocess.run([folder / "venv/bin/pip", "install", "-qq", HERE.parents[1]], check=True)
    return folder / "venv/bin/ullage"


def measured(given: argparse.Namespace, folder: Path) -> str:
    """The page."""
    program = given.program or installed(folder)
    with walk_host.made(given.files + given.links, given.fs) as lab:
        walk_host.fill(lab, given.files)
        walk_host.settle()
        room = os.statvfs(lab.mount)
        tools = Tools(lab, program, folder)
        tools.check()
        lines = [
            f"# {room.f_files - room.f_ffree:,} files under a Docker root",
            "",
            f"`python -m tests.bench.walk --fs {lab.fs}`, Linux {platform.release()}, "
            f"Python {platform.python_version()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, "
            f"{lab.driver} on {lab.fs}, engine {lab.engine}.",
            "Whole runs of an installed program: its start, the engine's answers, the walk, the books, the page.",
            "The walkers run at niceness 10, and so do du, gdu, ncdu and the C program; the engine does not.",
            "",
            f"Warm, the best of {given.rounds}:",
            "",
            *table(warm(lab, tools, given.files, given.rounds), peaks(tools)),
        ]
        if not given.no_cold:
            lines += ["", "Cold:", "", *table(cold(lab, tools), {})]
        if given.links:
            words = f"Warm, with {given.links:,} hard links between volumes:"
            lines += ["", words, "", *table(linked(lab, tools, given.files, given.links), {})]
    return "\n".join([*lines, ""])


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--program", type=Path, help="an installed ullage; else the package is installed for the bench")
    words.add_argument("--fs", default="ext4", choices=("ext4", "xfs"))
    words.add_argument("--files", type=int, default=600_000)
    words.add_argument("--links", type=int, default=200_000, help="hard links between volumes, in a table of their own")
    words.add_argument("--rounds", type=int, default=ROUNDS)
    words.add_argument("--no-cold", action="store_true", help="leave the runs after a fresh mount out")
    words.add_argument("--print", action="store_true", help="leave walk.md as it is")
    given = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="ullage-bench-") as folder:
        text = measured(given, Path(folder))
    print(text)
    if not given.print:
        HERE.joinpath("walk.md" if given.fs == "ext4" else f"walk_{given.fs}.md").write_text(text)


if __name__ == "__main__":
    main()
