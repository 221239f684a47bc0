"""The exact walk beside the least that any walk must do, and beside other tools, on one large filesystem made for it.

The least: all chunks of metadata read once, in order. Beside it a walk that reads all, and what a look costs after a
change: one file in a hundred, a snapshot, a deleted subvolume. Every look tells what a walk of all tells, and the last
one what the kernel counts for its quotas, to the byte.

Both read past the filesystem's cache. Warm, the loop file lies in memory, as it was written; cold, the loop device is
set to direct I/O, so that they read from the disk below, as on a host. To drop the loop file's cache alone would not
tell: the same 1.5 GiB in order then took from 0.55 to 2.5 s, by where the kernel finds memory for them.

`python -m tests.bench.btrfs_walk` (root, loop devices, about 8 GiB below /tmp, less than eight minutes, of which three
for the other tools; `--alone` leaves them out) prints two tables and writes them to btrfs_walk.md beside this file.
`--python VENV/bin/python` measures the program as it is installed there. `--image FILE` measures one of ten million
extents that btrfs_large.py made, and writes btrfs_large.md. Each measurement is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.bench import btrfs_filesystem, btrfs_large
from tests.machine.btrfs_lab import qgroups

HERE = Path(__file__).parent
MIB = 1 << 20
ROUNDS = 3
BARE, ALL, FILES, SNAPSHOT, DELETED, SAME = (
    "all metadata chunks, read in order",
    "a look that reads all",
    "a look after 1 % of the files changed",
    "a look after a snapshot was made",
    "a look after a subvolume was deleted",
    "a look when nothing has changed",
)
COLD = ", cold"
# × the bare read, warm or cold as they are.
LIMITS = {ALL: 6.0, FILES: 2.5, SNAPSHOT: 2.5, DELETED: 2.5, ALL + COLD: 1.5}

Look = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """One process: wall time, its own CPU time, its largest resident size."""

    wall_s: float
    cpu_s: float
    peak_mib: int


def measured(*words: str) -> tuple[Run, str]:
    """Run one command, and what it says. Its memory is its own: wait4 tells of this child alone."""
    began = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen(words, stdout=output, env=environment, cwd="/")
        _, status, used = os.wait4(child.pid, 0)
        wall = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise RuntimeError(f"{words[0]} ended with {child.returncode}")
        output.seek(0)
        return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss // 1024), output.read()


@dataclass(frozen=True, slots=True)
class Bench:
    """The filesystem, and who looks at it."""

    python: Path
    at: Path
    image: Path
    device: str
    base: Path
    maker: ModuleType  # changes it

    def bare(self) -> Look:
        return self._asked("bare", self.device)

    def look(self, state: Path) -> Look:
        """With what the last look left in this folder."""
        found = self._asked("look", str(state))
        assert (found["method"], found["residuals"], found["memory_lost"]) == ("device trees", [0, 0], ""), found
        return found

    def kept(self, state: Path) -> Look:
        """How much the last look left in this folder."""
        return self._asked("kept", str(state))

    def anew(self) -> Look:
        """With nothing that was left."""
        shutil.rmtree(self.base / "new", ignore_errors=True)
        return self.look(self.base / "new")

    def _asked(self, what: str, other: str) -> Look:
        _, said = measured(str(self.python), "-P", str(HERE / "btrfs_look.py"), what, str(self.at), other)
        found: Look = json.loads(said)
        return found

    @contextmanager
    def cold(self) -> Iterator[None]:
        """Meanwhile nothing of the loop file is in memory, and nothing gets there; other files are left as they are."""
        os.sync()
        subprocess.run(["losetup", "--direct-io=on", self.device], check=True)
        try:
            with self.image.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            yield
        finally:
            subprocess.run(["losetup", "--direct-io=off", self.device], check=True)


def looks(bench: Bench, state: Path) -> dict[str, list[Look]]:
    """Some looks of each kind; the bare read beside them. The others go on from what the last one left in `state`."""
    found: dict[str, list[Look]] = {}
    maker = bench.maker

    def enter(name: str, answer: Look) -> Look:
        found.setdefault(name, []).append(answer)
        return answer

    changes: tuple[tuple[str, Callable[[Path, int], None]], ...] = (
        (FILES, maker.changed_again),
        (SNAPSHOT, maker.snapshot_again),
        (DELETED, maker.deleted_again),
    )
    bench.look(state)
    for number in range(ROUNDS):
        enter(SAME, bench.look(state))
        enter(BARE, bench.bare())
        enter(ALL, bench.anew())
        for name, change in changes:
            change(bench.at, number)
            enter(name, bench.look(state))
    with bench.cold():
        for _ in range(ROUNDS):
            enter(BARE + COLD, bench.bare())
            whole, last = enter(ALL + COLD, bench.anew()), found[DELETED][-1]
            assert (whole["held"], whole["rows"]) == (last["held"], last["rows"])
    return found


def counted(bench: Bench, last: Look) -> tuple[int, float]:
    """How many subvolumes hold what the kernel counts for quotas, all of them; and how long the kernel counted."""
    began = time.monotonic()
    truth = {last["units"][str(number)]: list(counts) for number, counts in qgroups(bench.at).items()}
    took_s = time.monotonic() - began
    assert last["held"] == truth
    return len(truth), took_s


def looked(found: dict[str, list[Look]]) -> str:
    """The table of looks: the quickest of each kind."""
    best = {name: min(runs, key=lambda one: one["took_s"]) for name, runs in found.items()}
    lines = ["| | s | CPU s | peak MiB | × bare read | limit | blocks read |", "|---|--:|--:|--:|--:|--:|--:|"]
    for name in (BARE, ALL, FILES, SNAPSHOT, DELETED, SAME, BARE + COLD, ALL + COLD):
        one = best[name]
        times = one["took_s"] / best[BARE + COLD * name.endswith(COLD)]["took_s"]
        limit = LIMITS.get(name)
        told = "" if limit is None else f"{limit}" if times <= limit else f"{limit} (missed)"
        figures = f"{one['took_s']:.3f} | {one['cpu_s']:.2f} | {one['peak_mib']} | {times:.2f}"
        lines.append(f"| {name} | {figures} | {told} | {one['blocks_read']:,} |")
    return "\n".join([*lines, ""])


def others(bench: Bench) -> str:
    """The table of tools: whole processes, caches warm; ours one after the other, the others at the same time."""
    words = (str(bench.python), "-P", str(HERE / "btrfs_look.py"), "look", str(bench.at), str(bench.base / "beside"))
    subvolumes = sorted(str(path) for path in bench.at.iterdir() if path.is_dir())
    runs = {
        "ullage, exact walk": measured(*words)[0],
        "ullage, again, nothing changed": measured(*words)[0],
    }
    # They take minutes, each of one processor.
    others = {
        "compsize": ("compsize", str(bench.at)),
        "btrfs filesystem du -s": ("btrfs", "filesystem", "du", "-s", *subvolumes),
    }
    with ThreadPoolExecutor() as pool:
        runs |= {
            name: run for name, (run, _) in zip(others, pool.map(lambda w: measured(*w), others.values()), strict=True)
        }
    walk = runs["ullage, exact walk"]
    lines = ["| whole process | wall s | CPU s | peak MiB | × wall | × CPU |", "|---|--:|--:|--:|--:|--:|"]
    for name, run in runs.items():
        times = f"{run.wall_s / walk.wall_s:.1f} | {run.cpu_s / walk.cpu_s:.1f}"
        lines.append(f"| {name} | {run.wall_s:.2f} | {run.cpu_s:.2f} | {run.peak_mib} | {times} |")
    return "\n".join([*lines, ""])


def page(bench: Bench, beside: bool, quotas: bool) -> str:
    """All that is written down."""
    table, state = "" if not beside else others(bench), bench.base / "looks"
    found = looks(bench, state)
    first, last, kept = found[ALL][0], found[ALL + COLD][-1], bench.kept(state)
    blocks = first["metadata_bytes"] // first["node_bytes"]
    held = kept["extents"] + kept["references"]
    kernel = platform.release().split("-")[0]
    head = (
        f"{kernel}, {os.cpu_count()} CPUs, one loop device. {kept['extents']:,} data extents; {kept['references']:,} "
        f"references in {kept['leaves']:,} leaves, {len(first['held'])} subvolumes, {first['rows']:,} sets of them; "
        f"{first['metadata_bytes'] // MIB:,} MiB of tree blocks ({blocks:,}) in "
        f"{found[BARE][0]['bytes'] // MIB:,} MiB of chunks. Residual 0 bytes in every look. "
        f"Load of the machine: {os.getloadavg()[0]:.1f}."
    )
    peak = min(look["peak_mib"] for look in found[ALL]) * MIB
    memory = (
        f"Kept for the next look: {kept['bytes'] / MIB:.0f} MiB, {kept['bytes'] / held:.1f} bytes for each extent and "
        f"reference. A look that reads all takes {peak / held:.0f} bytes of memory for each."
    )
    note = f"The quickest of {ROUNDS}. Seconds of the answer itself, the loading of numpy included. {memory}"
    truth = ""
    if quotas:
        equal, counted_s = counted(bench, last)
        truth = (
            f"In the end all {equal} subvolumes hold, referenced and exclusive, what a rescan of quotas counts in "
            f"{counted_s:.0f} s."
        )
    parts = ("# Exact walk of btrfs, side by side", head, truth, looked(found).rstrip(), note, table.rstrip())
    return "\n\n".join(part for part in parts if part) + "\n"


@contextmanager
def made(base: Path, image: Path | None, files: int, depth: int) -> Iterator[tuple[Path, Path, ModuleType]]:
    """(the filesystem's file, where it is mounted, who changes it): one that is there, or one that is made."""
    if image is not None:
        with btrfs_large.mounted(image) as at:
            yield image, at, btrfs_large
        return
    image, at = base / "disk.img", base / "mnt"
    btrfs_filesystem.mounted(image, at, 24)
    try:
        btrfs_filesystem.filled(at, files=files, depth=depth)
        yield image, at, btrfs_filesystem
    finally:
        btrfs_filesystem.unmounted(image, at)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--python", type=Path, default=Path(sys.executable), help="the interpreter of a venv")
    words.add_argument("--alone", action="store_true", help="without the other tools")
    words.add_argument("--print", action="store_true", help="leave the page as it is")
    words.add_argument("--files", type=int, default=150_000)
    words.add_argument("--depth", type=int, default=26)
    words.add_argument("--image", type=Path, help="what btrfs_large made; neither other tools nor quotas")
    given = words.parse_args()
    small = given.image is None
    with (
        tempfile.TemporaryDirectory(prefix="ullage-bench-") as folder,
        made(Path(folder), given.image, given.files, given.depth) as (image, at, maker),
    ):
        device = btrfs_filesystem.run("findmnt", "-no", "SOURCE", str(at)).split("[")[0].strip()
        bench = Bench(given.python.absolute(), at, image, device, Path(folder), maker)
        text = page(bench, small and not given.alone, small)
    print(text)
    if not given.print:
        (HERE / ("btrfs_walk.md" if small else "btrfs_large.md")).write_text(text)


if __name__ == "__main__":
    main()
