"""`python -m tests.longrun [--runs 500] [DRIVER ...]`: preflights in a row on a changing lab; writes table.md.

Needs root, as the lab does. Half an hour for 500 runs on each of overlay2 and btrfs. Exit status 1 where something
grows that must not (verdict.py). `--lock FILE`: hold a shared lock on it while running, released every few minutes so
that others may measure.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from pathlib import Path

from tests.lab import Lab
from tests.longrun import course, watch
from tests.longrun.turns import pauses
from tests.longrun.verdict import failures, table

PATH = Path(__file__).with_name("table.md")


def main(argv: list[str]) -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("drivers", nargs="*", default=["overlay2", "btrfs"])
    words.add_argument("--runs", type=int, default=500)
    words.add_argument("--lock", type=Path)
    words.add_argument("--print", action="store_true", help="leave table.md as it is")
    given = words.parse_args(argv)
    pause = pauses(given.lock)
    courses = []
    for driver in given.drivers:
        with tempfile.TemporaryDirectory(prefix="ullage-long-") as name:
            with Lab.up(driver=driver, mess="everyday", size_mib=2048) as lab:
                base = lab.base
                courses.append(course.run(lab, Path(name), given.runs, pause))
            if left := watch.mounts_of(base):
                courses[-1].troubles.append(f"{left} mounts of the lab are left")
        print(f"{driver}: {'; '.join(failures(courses[-1])) or 'nothing grows'}", flush=True)
    text = table(courses, _head(given.runs))
    print(text)
    if not given.print:
        PATH.write_text(text)
    return 1 if any(map(failures, courses)) else 0


def _head(runs: int) -> str:
    return (
        f"# {runs} runs in a row on a lab that changes between them\n\n"
        f"`python -m tests.longrun --runs {runs}`, Linux {platform.release().partition('-')[0]}, "
        f"Python {platform.python_version()}. One process makes nine of ten\n"
        "runs as the dashboard would, each tenth is a command of its own on the same journal, state and vault. Before\n"
        "each run something is built, imported, run, written, snapshotted or removed. Bounds: `verdict.py`. Counts\n"
        "are taken after a run: at 20 % of the runs, after the last one, and the most there were. A day has 72 runs;\n"
        "at its end the journal's file is taken away, since what a run recalls is a week's, not a day's of 500 runs."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
