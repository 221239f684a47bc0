"""Whole runs of the installed program on a host with thousands of processes: root, 2 GB.

`python -m tests.bench.processes --program PATH` looks at the lab of a real engine with a leftover in its tmp, first
with the processes that are there, then with 4,000; of these the run has four seconds. It writes the table to
processes.md, next to this file. Each figure is the best of several runs.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.walk import Time, children_s
from tests.lab import Lab

HERE = Path(__file__).parent
MANY = 4000
RUNS = 9
STORES = (("overlay2", "ext4"), ("overlay2", "xfs"), ("btrfs", "btrfs"))
MOST = 1.5  # times the run with few


def there() -> int:
    return sum(name.isdecimal() for name in os.listdir("/proc"))


@contextmanager
def processes(count: int) -> Iterator[None]:
    """As many as that, idle."""
    idle = [subprocess.Popen(["sleep", "600"]) for _ in range(count - there())]
    time.sleep(1.0)
    try:
        yield
    finally:
        for one in idle:
            one.kill()
        for one in idle:
            one.wait()


def best(lab: Lab, program: str, state: str, *options: str) -> Time:
    """Of several runs; fails where one does not tell the fill and every category."""
    words = [program, "--preflight", "--no-journal", "--host", lab.host, "--state", state, *options]
    found = []
    for _ in range(RUNS):
        before, began = children_s(), time.perf_counter()
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        found.append(Time(time.perf_counter() - began, children_s() - before))
        assert "Explained: " in done.stdout, done.stdout + done.stderr
        assert "GetImageBlob123" in done.stdout, done.stdout
        assert "not finished" not in done.stdout, done.stdout
    return min(found, key=lambda took: took.elapsed_s)


def row(driver: str, fs: str, program: str) -> tuple[str, float]:
    with Lab.up(driver=driver, fs=fs, mess="everyday", size_mib=1024) as lab, tempfile.TemporaryDirectory() as state:
        left = lab.docker_root / "tmp" / "GetImageBlob123"
        left.parent.mkdir(exist_ok=True)
        left.write_bytes(b"x" * 5_000_000)
        os.utime(left, (1, 1))
        few, count = best(lab, program, state), there()
        with processes(MANY):
            many = best(lab, program, state, "--deadline", "4")
    ratio = many.elapsed_s / few.elapsed_s
    cells = (driver, fs, count, f"{few.elapsed_s:.3f} s", f"{few.cpu_s:.3f} s")
    more = (f"{many.elapsed_s:.3f} s", f"{many.cpu_s:.3f} s", f"{ratio:.2f}")
    return "| " + " | ".join(map(str, (*cells, *more))) + " |", ratio


def main() -> int:
    """1 where a host with many takes longer than it may."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True, help="the installed ullage")
    program = parser.parse_args().program
    rows = [row(driver, fs, program) for driver, fs in STORES]
    head = f"| driver | on | processes | elapsed | processor time | with {MANY:,} | processor time | × |"
    lines = [
        f"# {MANY:,} processes on the host",
        "",
        f"`python -m tests.bench.processes`, Linux {platform.release()}, Python {platform.python_version()}, "
        f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}. Whole runs, second and later, a leftover in tmp.",
        "",
        head,
        "|---|---|--:|--:|--:|--:|--:|--:|",
        *(line for line, _ in rows),
    ]
    (HERE / "processes.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return int(any(ratio > MOST for _, ratio in rows))


if __name__ == "__main__":
    raise SystemExit(main())
