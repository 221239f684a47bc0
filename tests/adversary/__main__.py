"""`python -m tests.adversary [--drivers overlay2,btrfs] [--most N] [--action WORDS]`: a table, and what broke.

Needs root. Without `--most` all interleavings are run, some thousands; the status is 1 where one was violated.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

from tests.adversary.interleave import Adversary, Interleaving, sample
from tests.adversary.scenarios import SCENARIOS
from tests.adversary.world import World
from tests.lab import Lab

ENGINES = {"overlay2": "20.10", "btrfs": "20.10", "containerd": "28.5"}


def main() -> int:
    """The exit status."""
    asked = argparse.ArgumentParser(prog="python -m tests.adversary", description=__doc__)
    asked.add_argument("--drivers", default=",".join(ENGINES))
    asked.add_argument("--most", type=int, default=sys.maxsize, help="interleavings of each driver, evenly spread")
    asked.add_argument("--action", default="", help="only those whose name contains this")
    asked.add_argument("--act", default="")
    options = asked.parse_args()
    bad = 0
    for driver in options.drivers.split(","):
        with (
            Lab.up(driver=driver, engine=ENGINES[driver], mess="empty", size_mib=512) as lab,
            tempfile.TemporaryDirectory() as state,
        ):
            bad += against(Adversary(World(lab), Path(state)), driver, options)
    return bool(bad)


def against(adversary: Adversary, driver: str, options: argparse.Namespace) -> int:
    """One driver's table on stdout; how many were violated."""
    every: list[Interleaving] = []
    for scenario in SCENARIOS:
        if driver in scenario.drivers and options.action in scenario.name:
            every += adversary.interleavings(scenario)
    every = [one for one in every if options.act in one.act.name]
    began, counts, broken = time.monotonic(), Counter[tuple[str, str]](), 0
    spent = defaultdict[str, float](float)
    for one in sample(every, options.most):
        start = time.monotonic()
        try:
            seen = adversary.run(one)
        except RuntimeError as error:
            print(f"{driver}, {one.words}, not run: {error}", flush=True)
            counts[one.scenario.name, "not run"] += 1
            continue
        word = (
            "violated" if seen.violations else "not reached" if not seen.fired else "gone" if seen.removed else "stayed"
        )
        counts[one.scenario.name, word] += 1
        spent[one.act.name] += time.monotonic() - start
        broken += bool(seen.violations)
        for violation in seen.violations:
            print(
                f"{driver}, {one.words}: {violation} [{'gone' if seen.removed else 'stayed'}: {seen.reason}]",
                flush=True,
            )
    slowest = sorted(spent.items(), key=lambda one: -one[1])[:6]
    print(f"\nslowest acts: {', '.join(f'{name} {seconds:.0f} s' for name, seconds in slowest)}")
    words = ("gone", "stayed", "not reached", "not run", "violated")
    print(f"\n{driver}: {sum(counts.values())} of {len(every)} interleavings in {time.monotonic() - began:.0f} s")
    print(f"{'':<18}" + "".join(f"{word:>13}" for word in words))
    for name in dict.fromkeys(one.scenario.name for one in every):
        print(f"{name:<18}" + "".join(f"{counts[name, word]:>13}" for word in words), flush=True)
    return broken


if __name__ == "__main__":
    sys.exit(main())
