"""Runs one target: seeds changed at random from a given start, judged one by one, finds made small."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from tests.fuzz.minimise import smallest
from tests.fuzz.target import CASE_S, Find, Target, judged, within_time

RANDOM = "random"
_AGAIN = 0.1  # how often a changed case is changed once more
EACH = 64  # cases between two looks at the clock


@dataclass
class Outcome:
    """What became of all cases. `features` is what a coverage-guided fuzzer counted, None without one."""

    engine: str
    seed: int
    cases: int = 0
    took_s: float = 0.0
    ends: Counter[str] = field(default_factory=Counter)
    finds: dict[str, Find] = field(default_factory=dict)
    features: int | None = None

    def take(self, end: str | Find) -> None:
        self.cases += 1
        if isinstance(end, Find):
            self.ends["find"] += 1
            before = self.finds.get(end.signature)
            if before is None or len(end.case) < len(before.case):
                self.finds[end.signature] = end
        else:
            self.ends[end] += 1


def at_random(target: Target, seed: int, cases: int | None, seconds: float | None) -> Outcome:
    """So many cases, or as many as the time allows. The same seed makes the same cases."""
    outcome = Outcome(RANDOM, seed)
    random = Random(f"{target.name} {seed}")
    seeds = target.seeds()
    began = time.process_time()
    while (cases is None or outcome.cases < cases) and (seconds is None or time.process_time() - began < seconds):
        for _ in range(EACH if cases is None else min(EACH, cases - outcome.cases)):
            case = target.mutate(random, random.choice(seeds))
            while random.random() < _AGAIN:
                case = target.mutate(random, case)
            with within_time(CASE_S):
                end = judged(target, case)
            outcome.take(end)
    outcome.took_s = time.process_time() - began
    outcome.finds = {name: smallest(target, find) for name, find in outcome.finds.items()}
    return outcome
