"""`python -m tests.adversary [--drivers overlay2,btrfs] [--most N] [--action WORDS] [--write]`: tables, what broke.

Needs root. Without `--most` all interleavings are run, some ten thousand at about a second each; drivers may be run
beside each other. The status is 1 where one was violated.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from tests.adversary import table
from tests.adversary.acts import ACTS
from tests.adversary.interleave import Adversary, Interleaving, sample
from tests.adversary.scenarios import SCENARIOS
from tests.adversary.table import Counts, Ending
from tests.adversary.world import World
from tests.lab import Lab

ENGINES = {"overlay2": "20.10", "btrfs": "20.10", "containerd": "28.5"}
_OFTEN = 50  # interleavings between two writes of the table: a run that is ended early has said what it saw


def main() -> int:
    """The exit status."""
    asked = argparse.ArgumentParser(prog="python -m tests.adversary", description=__doc__)
    asked.add_argument("--drivers", default=",".join(ENGINES))
    asked.add_argument("--most", type=int, default=sys.maxsize, help="interleavings of each driver, evenly spread")
    asked.add_argument("--action", default="", help="only those whose name contains this")
    asked.add_argument("--act", default="", help="only those whose name contains this")
    asked.add_argument("--write", action="store_true", help=f"each driver's section of {table.HERE.name} anew")
    options = asked.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # its lab goes with it
    return int(any([against(driver, options) for driver in options.drivers.split(",")]))


def against(driver: str, options: argparse.Namespace) -> int:
    """One driver's table on stdout; how many were violated."""
    with (
        Lab.up(driver=driver, engine=ENGINES[driver], mess="empty", size_mib=512) as lab,
        tempfile.TemporaryDirectory() as state,
    ):
        adversary = Adversary(World(lab), Path(state))
        every = [
            one
            for scenario in SCENARIOS
            if driver in scenario.drivers and options.action in scenario.name
            for one in adversary.interleavings(scenario)
            if options.act in one.act.name
        ]
        return _try(adversary, every, options)


def _try(adversary: Adversary, every: list[Interleaving], options: argparse.Namespace) -> int:
    counts = Counts(
        adversary.world.lab.driver,
        str(adversary.world.api.get("/version")["Version"]),
        len(every),
        tuple(dict.fromkeys(one.scenario.name for one in every)),
        tuple(act.name for act in ACTS if any(one.act is act for one in every)),
    )
    began, spent = time.monotonic(), defaultdict[str, float](float)
    for number, one in enumerate(sample(every, options.most), 1):
        start = time.monotonic()
        counts.add(one, _ending(adversary, one))
        spent[one.act.name] += time.monotonic() - start
        if options.write and number % _OFTEN == 0:
            table.write(counts)
    if options.write:
        table.write(counts)
    slowest = sorted(spent.items(), key=lambda one: -one[1])[:6]
    print(f"\nslowest acts: {', '.join(f'{name} {seconds:.0f} s' for name, seconds in slowest)}")
    print(f"\nin {time.monotonic() - began:.0f} s\n{counts.section()}", flush=True)
    return counts.number(Ending.VIOLATED)


def _ending(adversary: Adversary, one: Interleaving) -> Ending:
    """Run it, and say on stdout what broke."""
    driver = adversary.world.lab.driver
    try:
        seen = adversary.run(one)
    except RuntimeError as error:
        print(f"{driver}, {one.words}, not run: {error}", flush=True)
        return Ending.NOT_RUN
    for violation in seen.violations:
        how = "gone" if seen.removed else "stayed"
        print(f"{driver}, {one.words}: {violation} [{how}: {seen.reason}]", flush=True)
    return Ending.of(seen)


if __name__ == "__main__":
    sys.exit(main())
