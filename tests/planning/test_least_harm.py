"""The way to a target over thousands of made-up plans, compared with every other choice that there would have been.

Steps of any harm, age and hand; bytes that come free with one step or with several together, and what no step frees;
targets from nothing to more than there is. With up to twelve steps all 4,096 choices are looked at.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import pytest

from collectors.model.plan import Harm, Unlock
from collectors.planning.choice import MOST_COMPARED, Candidate, Chosen, choose
from collectors.planning.unlocks import Tally

PLANS = 2400
_BELOW_DATA = (Harm.NONE, Harm.TIME, Harm.HISTORY, Harm.STATE)


@dataclass(frozen=True, slots=True)
class Made:
    """One host's steps, the unlocks among them, and how many bytes are to go."""

    steps: tuple[Candidate, ...]
    unlocks: tuple[Unlock, ...]
    needed_bytes: int

    def freed(self, ids: frozenset[str]) -> int:
        return sum(unlock.bytes for unlock in self.unlocks if unlock.steps <= ids)

    def chosen(self) -> Chosen:
        return choose(self.steps, self.needed_bytes, Tally(self.unlocks, {}))

    @property
    def can(self) -> int:
        return self.freed(frozenset(step.id for step in self.steps))


def made(seed: int, most: int = MOST_COMPARED) -> Made:
    """As planning hands them over: what is freed only together has the harm of the worst of them, and asks as it."""
    dice = random.Random(seed)
    names = [f"s{number:02}" for number in range(dice.randint(1, most))]
    harm = {name: dice.choice(_BELOW_DATA) for name in names}
    asks = {name: dice.random() < 0.3 for name in names}
    unlocks = [Unlock(frozenset({name}), dice.randint(1, 1000)) for name in names if dice.random() < 0.85]
    for _ in range(dice.randint(0, 8)):
        together = frozenset(dice.sample(names, min(len(names), dice.randint(2, 4))))
        unlocks.append(Unlock(together, dice.randint(1, 2000)))
    alone = {name for unlock in unlocks if len(unlock.steps) == 1 for name in unlock.steps}
    for name in set(names) - alone:
        sets = [unlock.steps for unlock in unlocks if name in unlock.steps]
        worst = min(((max(harm[s] for s in one), any(asks[s] for s in one)) for one in sets), default=None)
        harm[name], asks[name] = max(worst, (harm[name], asks[name])) if worst else (harm[name], asks[name])
    steps = tuple(Candidate(name, harm[name], asks[name]) for name in names)
    whole = Made(steps, tuple(unlocks), 0)
    return Made(steps, tuple(unlocks), dice.randint(1, max(1, whole.can * 11 // 10)))


def best(plan: Made, worst: Harm) -> tuple[int, int, int]:
    """Of all choices that have every milder step and reach: fewest that ask, fewest, most bytes (negative)."""
    milder = frozenset(step.id for step in plan.steps if step.harm < worst)
    mine = [step for step in plan.steps if step.harm is worst]
    found = []
    for count in range(len(mine) + 1):
        for some in combinations(mine, count):
            freed = plan.freed(milder | {step.id for step in some})
            if freed >= plan.needed_bytes:
                found.append((sum(step.asks for step in some), count, -freed))
    return min(found)


def laws(plan: Made) -> None:
    chosen = plan.chosen()
    assert chosen.freed == plan.freed(chosen.ids)
    assert chosen.reaches == (plan.can >= plan.needed_bytes)
    if not chosen.reaches:
        assert chosen.ids == {step.id for step in plan.steps}
        return
    worst = max(step.harm for step in chosen.steps)
    served = {step.id for step in plan.steps if step.harm < worst}
    assert served <= chosen.ids, "a milder step was left out"
    assert plan.freed(frozenset(served)) < plan.needed_bytes, "what is milder would have done"
    mine = [step for step in chosen.steps if step.harm is worst]
    asking, count, freed = best(plan, worst)
    assert (sum(step.asks for step in mine), len(mine)) == (asking, count)
    assert chosen.freed >= 0.99 * -freed
    assert chosen.exact


@pytest.mark.parametrize("part", range(8))
def test_no_harm_could_be_spared_and_no_better_choice_exists(part: int) -> None:
    each = PLANS // 8
    for seed in range(part * each, (part + 1) * each):
        laws(made(seed))


@pytest.mark.parametrize("seed", range(60))
def test_of_many_steps_the_choice_is_bounded_and_says_so_and_still_spares_every_harm(seed: int) -> None:
    plan = made(100_000 + seed, most=120)
    chosen = plan.chosen()
    assert chosen.freed == plan.freed(chosen.ids)
    if not chosen.reaches or not chosen.steps:
        return
    worst = max(step.harm for step in chosen.steps)
    assert {step.id for step in plan.steps if step.harm < worst} <= chosen.ids
    mine = [step for step in plan.steps if step.harm is worst]
    for step in mine:
        if step.id in chosen.ids:
            assert plan.freed(chosen.ids - {step.id}) < plan.needed_bytes, "a step that could be spared"
    assert chosen.exact or len(mine) > MOST_COMPARED


def test_of_many_steps_that_share_nothing_the_largest_are_the_fewest() -> None:
    sizes = [random.Random(7).randint(1, 1000) for _ in range(200)]
    steps = [Candidate(f"s{number}", Harm.TIME, asks=False) for number in range(len(sizes))]
    unlocks = [Unlock(frozenset({step.id}), size) for step, size in zip(steps, sizes, strict=True)]
    for needed in (1, 1000, 5000, sum(sizes)):
        chosen = choose(steps, needed, Tally(unlocks, {}))
        assert len(chosen.steps) == _fewest(sizes, needed)


def _fewest(sizes: Sequence[int], needed: int) -> int:
    total, ordered = 0, sorted(sizes, reverse=True)
    for count, size in enumerate(ordered, 1):
        total += size
        if total >= needed:
            return count
    raise ValueError("they do not suffice")
