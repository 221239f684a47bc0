"""`python -m tests.fuzz [TARGET ...] [--cases N | --seconds S]`: run the fuzzers and write `table.md`.

Exits 1 where there is a find; each is printed small, with its trace. With `--engine both`, targets that can be guided
run twice.
"""

from __future__ import annotations

import argparse
import resource
import sys

from tests.fuzz import guided, run, table
from tests.fuzz.run import Outcome
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

_CASES = 20_000
_ROOM_BYTES = 4 << 30  # of address space: a reader that believes a length must not take the machine with it


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all where none is named"
    )
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--cases", type=int, help=f"for each target ({_CASES:,})")
    amount.add_argument("--seconds", type=float, help="of processor time, for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=("best", run.RANDOM, guided.ENGINE, "both"), default="best")
    chosen = parser.parse_args(arguments)
    unknown = set(chosen.targets) - TARGETS.keys()
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    if chosen.engine in (guided.ENGINE, "both") and not guided.there():
        parser.error("atheris is not installed (the `fuzz` extra)")
    cases = _CASES if chosen.cases is None and chosen.seconds is None else chosen.cases
    held, finds = table.rows(), 0
    for name in chosen.targets or TARGETS:
        target = TARGETS[name]
        for engine in _engines(chosen.engine, target):
            work = guided.under_atheris if engine == guided.ENGINE else _at_random
            outcome = work(target, chosen.seed, cases, chosen.seconds)
            held = table.entered(held, target, outcome)
            finds += len(outcome.finds)
            _tell(target, outcome)
    print(table.write(held, list(TARGETS)))
    return 1 if finds else 0


def _engines(wanted: str, target: Target) -> tuple[str, ...]:
    if not target.guided or wanted == run.RANDOM:
        return (run.RANDOM,)
    if wanted == "both":
        return (run.RANDOM, guided.ENGINE)
    return (guided.ENGINE,) if wanted == guided.ENGINE or guided.there() else (run.RANDOM,)


def _at_random(target: Target, seed: int, cases: int | None, seconds: float | None) -> Outcome:
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_ROOM_BYTES, before[1]))
    try:
        return run.at_random(target, seed, cases, seconds)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _tell(target: Target, outcome: Outcome) -> None:
    print(f"{target.name} ({outcome.engine}): {outcome.cases:,} cases in {outcome.took_s:.0f} s")
    for find in outcome.finds.values():
        print(f"  find: {find.signature}\n  {find.case[:2000]!r}\n{find.trace}")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
