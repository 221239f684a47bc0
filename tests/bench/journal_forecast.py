"""`python -m tests.bench.journal_forecast [HOSTS]`: the forecast against the simulated fleet, HOSTS (400) of each kind.

Seeds are neither those that anything was tuned on nor those of the tests. Takes about half an hour with 400.
"""

from __future__ import annotations

import sys

from tests.forecast import fleet
from tests.forecast.judging import escalated, false_alarm, four_hours_before, score

FIRST = 50_000
RUNS_WATCHED = 72


def main(arguments: list[str]) -> int:
    """Print three tables."""
    seeds = range(FIRST, FIRST + int(arguments[0] if arguments else 400))
    print("| growing | foretold | interval holds | crossed before it | nothing foretold |\n|---|--:|--:|--:|--:|")
    for kind in fleet.GROWING:
        found = score(kind, seeds)
        held, early = (f"{100 * count / found.told:.1f} %" for count in (found.held, found.early))
        print(f"| {kind.__name__} | {found.told} | {held} | {early} | {found.silent} |", flush=True)
    print(f"\n| harmless, the last {RUNS_WATCHED} runs | hosts | with a false alarm |\n|---|--:|--:|")
    for kind in fleet.HARMLESS:
        said = [false_alarm(kind(seed), RUNS_WATCHED) for seed in seeds]
        watched = sum(alarm is not None for alarm in said)
        print(f"| {kind.__name__} | {watched} | {sum(map(bool, said))} |", flush=True)
    print("\n| four hours before 80 % | hosts | escalated | by the forecast alone |\n|---|--:|--:|--:|")
    for kind in (fleet.steady_ramp, fleet.noisy_ramp, fleet.stepped_ramp):
        hosts = [kind(seed) for seed in seeds]
        outcomes = [escalated(host, four_hours_before(host)) for host in hosts]
        by_any, foreseen = (sum(outcome[which] for outcome in outcomes) for which in (0, 1))
        print(f"| {kind.__name__} | {len(hosts)} | {by_any} | {foreseen} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
