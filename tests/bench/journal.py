"""`python -m tests.bench.journal [FOLDER]`: a year of runs, 72 a day, on a host with 500 images: what reading it takes.

Makes the journal in a temporary folder, or in FOLDER if that is given (kept, and used again). Exit status 1 where the
promise is not kept: a year's sparkline in half a second, a day of journal below 1 MB.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from collectors.forecast import USED_PERCENT, series
from collectors.forecast.view import look_back
from collectors.journal import Noted, Record, day
from collectors.journal.appending import append, compose
from collectors.journal.encoding import bounded, budget_bytes, encode
from collectors.journal.reading import read, sample
from collectors.model.filesystem import Allocation
from collectors.model.ledger import Category
from collectors.model.plan import Severity
from collectors.model.settings import Thresholds
from collectors.system.folders import Folder

DAYS, RUNS_A_DAY, IMAGES = 365, 72, 500
RUN = timedelta(days=1) / RUNS_A_DAY
BEGIN = datetime(2025, 11, 23, tzinfo=UTC)
NOW = BEGIN + timedelta(days=DAYS)
GIB = 1 << 30
LIMIT_S = 0.5
BULLETS = ["98% used (913.5 GiB of 931.5 GiB), +1.2 GiB since 20 minutes ago", "Logs of api-1: 62.0 GiB, +0.6 GiB"]


def make(folder: Path) -> None:
    """The year's files: tags that move, logs that grow, a supervisor's section beside each run."""
    rng = random.Random(5)
    ids = {f"registry.example.com/team-{n % 20}/service-{n:03d}:latest": f"{n:016x}" for n in range(IMAGES)}
    sizes = {f"image:registry.example.com/team-{n % 20}/service-{n:03d}": rng.randrange(GIB) for n in range(IMAGES)}
    logs = {f"log:service-{n:03d}": rng.randrange(GIB) for n in range(60)}
    for number in range(DAYS):
        begin = BEGIN + number * timedelta(days=1)
        base: Record | None = None
        lines, machine_bytes = [], 0
        for run in range(RUNS_A_DAY):
            at = begin + run * RUN
            for tag in rng.sample(sorted(ids), 2):
                ids[tag] = f"{rng.getrandbits(64):016x}"
            for log in logs:
                logs[log] += rng.randrange(1 << 20)
            used = 400 * GIB + int((number + run / RUNS_A_DAY) * GIB)
            record = bounded(_record(at, used, sizes | logs, dict(ids), run))
            line = encode(record, base, room_bytes=budget_bytes(run, machine_bytes))
            base, machine_bytes = record, machine_bytes + len(line)
            lines.append(f"\n## Supervisor run — {at:%H:%M} UTC\n\n- Load: 1.2\n- Disk: {used * 100 // (932 * GIB)}%\n")
            lines.append(compose(record, BULLETS, line))
        (folder / day.file_name(begin)).write_text("".join(lines))


def _record(at: datetime, used: int, owners: dict[str, int], tags: dict[str, str], run: int) -> Record:
    return Record(
        at=at,
        boot_id="5b1f",
        uptime_s=None,
        filesystem="btrfs 5f2c",
        total_bytes=932 * GIB,
        used_bytes=used,
        available_bytes=932 * GIB - used,
        severity=Severity.P2,
        categories={category.value: used // 13 for category in Category},
        allocation=Allocation(900 * GIB, used, 20 * GIB, 12 * GIB, 12 * GIB, 12 * GIB, 6 * GIB),
        owners=owners,
        tags=tags,
        dangling={f"registry.example.com/team-{n}/service-{n:03d}": run * GIB for n in range(10)},
        orphans=frozenset(f"{n:064x}" for n in range(41)),
        findings=tuple(Noted(f"rule-{n}", Severity.P2, Severity.P2, GIB) for n in range(8)),
        actions=(),
    )


def timed(what: str, act: Callable[[], str], repeats: int = 5) -> float:
    """The best time of `act` in seconds; prints it, the processor's share of it, and what `act` says."""
    took, said = [], ""
    for _ in range(repeats):
        began, began_cpu = time.perf_counter(), time.process_time()
        said = act()
        took.append((time.perf_counter() - began, time.process_time() - began_cpu))
    best, cpu = min(took)
    print(f"| {what} | {best * 1000:.0f} | {cpu * 1000:.0f} | {said} |")
    return best


def main(arguments: list[str]) -> int:
    """Make the year, read it in the ways that views do."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(arguments[0] if arguments else scratch)
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.iterdir()):
            make(folder)
        sizes = [path.stat().st_size for path in folder.iterdir()]
        print(f"{len(sizes)} days, {sum(sizes) / 1e6:.0f} MB, largest day {max(sizes) / 1e3:.0f} kB\n")
        print("| what | wall ms | CPU ms | |\n|---|--:|--:|---|")
        return _measure(folder, max(sizes))


def _measure(folder: Path, largest: int) -> int:
    def sparkline() -> str:
        found = sample(folder, since=BEGIN, count=200, now=NOW)
        return f"{len(series(found, USED_PERCENT))} points, {found.bytes_read / 1e6:.1f} MB read"

    def window(**span: timedelta) -> Callable[[], str]:
        def act() -> str:
            found = read(folder, since=NOW - timedelta(**{k: v / timedelta(days=1) for k, v in span.items()}), now=NOW)
            return f"{len(found.records)} runs, {found.bytes_read / 1e6:.1f} MB read"

        return act

    def last_two() -> str:
        return f"{read(folder, limit=2, now=NOW).bytes_read / 1e6:.2f} MB read"

    def trend() -> str:
        found, *_ = look_back(folder, now=NOW, thresholds=Thresholds())
        return f"{found.runs} runs, {len(found.growth)} growths, {len(found.crossings)} crossings"

    def another() -> str:
        last = read(folder, limit=1, now=NOW).records[0]
        return append(Folder(folder, "bench", None), replace(last, at=NOW - RUN / 2), BULLETS).place

    year_s = timed("a year's sparkline", sparkline)
    timed("the last two runs", last_two)
    timed("every run of a day", window(days=timedelta(days=1)))
    timed("every run of a week", window(days=timedelta(days=7)))
    timed("what a preflight recalls (5 weeks, trend)", trend, repeats=3)
    timed("one more run appended, synced", another)
    return 0 if year_s < LIMIT_S and largest < 1_000_000 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
