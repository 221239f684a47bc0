"""One interleaving: a victim, a plan, a run that somebody disturbs once, and what is there afterwards.

What has to hold, whatever was done and whenever: everything that was there and not planned, or that was made, named or
used meanwhile, is there and whole; what the run says is gone is gone, and what it says it left is as it was; nobody's
act is undone; and nothing of the run's own is left lying about.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

from collectors.engine import endpoint
from collectors.model.plan import Plan, Risk
from collectors.reclaim import ReclaimOutcome, engine_and_disk
from collectors.reclaim.run import apply
from collectors.reclaim.tools import RunContext
from tests.adversary.acts import ACTS, HINDERING, Act
from tests.adversary.boundaries import Boundary, Gate, Where, disk, proxy
from tests.adversary.scenarios import Scenario, Victim
from tests.adversary.world import World, settings_of, walks_as_urgent_as_the_rest
from tests.reclaim.reclaiming import NO_AGES, Reclaiming, never

PARTLY = "a part of "  # what a run says that stopped half way through a tree


@dataclass(frozen=True, slots=True)
class Interleaving:
    scenario: Scenario
    boundary: Boundary
    act: Act

    @property
    def words(self) -> str:
        at = self.boundary
        return f"{self.scenario.name}: {self.act.name} at {at.where} {at.number} ({at.name})"


@dataclass(frozen=True, slots=True)
class Seen:
    """`violations` in words, none where all held. `fired` False: the run never came to the boundary."""

    fired: bool
    removed: bool
    reason: str
    violations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Disturbed:
    """Facts when the plan was made, right before and after the act, and at the end."""

    victim: Victim
    before: frozenset[str]
    made: frozenset[str]
    took: frozenset[str]
    claimed: bool
    after: frozenset[str]
    removed: bool
    reason: str

    def _taken_whole(self) -> bool:
        """Somebody removed the image itself, and with it whatever still named it."""
        return f"image {self.victim.owner.id}" in self.took

    def violations(self) -> Iterator[str]:
        planned = self.victim.about(self.before)
        # What somebody laid into the victim's own tree, or in its place, goes with it.
        own = self.victim.about(self.made) if self.victim.path else frozenset()
        # A name that somebody gave to another image is not the victim's any more, even where it had lost it already.
        given = {line.split()[1] for line in self.made if line.startswith("tag ")}
        took = self.took | {line for line in planned if line.startswith("tag ") and line.split()[1] in given}
        took -= self.made
        must = ((self.before - planned) | self.made - own) - took
        if not self.removed and PARTLY not in self.reason and not self._taken_whole():
            must |= planned - took
        if self.claimed and self.removed:
            yield f"it was used meanwhile, and went: {self.reason}"
        yield from (f"lost: {line}" for line in sorted(must - self.after))
        yield from (f"came back: {line}" for line in sorted(took & self.after - self.made))
        # What was made of a name in the moment when it meant a stand-in keeps that.
        using = self.made if any(line.startswith(("container ", "tag adversary/built")) for line in self.made) else ()
        nothing = {line for line in self.after if using and line.startswith("image ")}
        yield from (f"left behind: {line}" for line in sorted(self.after - self.before - self.made - nothing))
        if self.removed and (still := planned & self.after - self.made):
            yield f"said to be gone: {sorted(still)}"


class Adversary:
    """On one lab. `state` is the state folder of the runs."""

    def __init__(self, world: World, state: Path) -> None:
        self.world = world
        self._state = state

    def boundaries(self, scenario: Scenario) -> tuple[Boundary, ...]:
        """All of a run that nobody disturbs. Raises RuntimeError where that does not remove its victim."""
        gate = Gate()
        seen = self._run(scenario, gate, None)
        if not seen.removed or seen.violations:
            raise RuntimeError(f"{scenario.name}, undisturbed: {seen}")
        return tuple(gate.passed)

    def interleavings(self, scenario: Scenario) -> Iterator[Interleaving]:
        """Each boundary with each act that can be done there."""
        for boundary in self.boundaries(scenario):
            for act in ACTS:
                if boundary.where in act.where and (scenario.on_disk or not act.on_path):
                    yield Interleaving(scenario, boundary, act)

    def run(self, one: Interleaving) -> Seen:
        """Do it, and look."""
        return self._run(one.scenario, Gate(at=one.boundary), one.act)

    def _run(self, scenario: Scenario, gate: Gate, act: Act | None) -> Seen:
        with walks_as_urgent_as_the_rest():
            return self._seen(scenario, gate, act)

    def _seen(self, scenario: Scenario, gate: Gate, act: Act | None) -> Seen:
        world = self.world
        world.reset()
        world.with_records = scenario.with_records
        victim = scenario.make(world)
        reclaiming = Reclaiming(world.lab, self._state, rules=replace(NO_AGES, **settings_of(**scenario.rules)))
        looked = reclaiming.look()
        if not _planned(looked.report.plan, victim):  # on a busy machine a look may end early
            looked = reclaiming.look()
        plan = _only(looked.report.plan, victim)
        chosen = frozenset(step.id for step in plan.steps)
        before = world.facts()
        passed: list[int] = []
        change: list[tuple[frozenset[str], frozenset[str], bool]] = []

        def disturb() -> bool:
            assert act is not None
            earlier = world.facts()
            passed.append(len(gate.passed))
            claimed = act.do(world, victim)
            later = world.facts()
            change.append((later - earlier, earlier - later, claimed))
            return act.cuts

        gate.act = disturb
        context = reclaiming.context(looked, Risk.DESTRUCTIVE, named=chosen)
        context = replace(
            context, request_timeout_s=20.0, engine_return_s=2.0
        )  # an engine that is killed is back by then
        outcome = self._apply(scenario, gate, plan, context)
        world.alive()
        if act is not None and (act.cuts or act.name in HINDERING):
            # The next run puts right what this one could not.
            apply(plan, frozenset(), context, on_event=lambda event: None, cancelled=never)
        made, took, claimed = change[0] if change else (frozenset(), frozenset(), False)
        if act is not None and act.seen_by and passed:
            claimed = claimed and any(one.name == act.seen_by for one in gate.passed[passed[0] :])
        removed, reason = _said(outcome, victim)
        end = _Disturbed(victim, before, made, took, claimed, world.facts(), removed, reason)
        return Seen(gate.fired, removed, reason, (*end.violations(), *world.broken()))

    def _apply(self, scenario: Scenario, gate: Gate, plan: Plan, context: RunContext) -> ReclaimOutcome:
        chosen = frozenset(step.id for step in plan.steps)
        seen_on_disk = gate.at is None or gate.at.where is Where.DISK
        with (
            patch.object(
                engine_and_disk, "settle", lambda *_: ""
            ),  # how long bytes take to come back is not the subject
            proxy(self.world, gate) as server,
            disk(gate) if seen_on_disk else nullcontext(),
        ):
            host = f"{server.url}.none" if scenario.engine_down else server.url
            told = replace(context, endpoint=endpoint(host, {}, Path("/nonexistent")))
            return apply(plan, chosen, told, on_event=lambda event: None, cancelled=never)


def _planned(plan: Plan, victim: Victim) -> bool:
    return any(victim.owner in step.targets for step in plan.every_step)


def _only(plan: Plan, victim: Victim) -> Plan:
    """The plan with nothing but the victim in it. Raises RuntimeError where it is not in the plan."""
    steps = tuple(
        replace(step, targets=tuple(t for t in step.targets if t.id == victim.owner.id))
        for step in plan.every_step
        if victim.owner in step.targets
    )
    if not steps:
        raise RuntimeError(f"{victim.owner.text()} is in no step of {[step.id for step in plan.steps]}")
    return replace(plan, steps=steps[:1], for_person=())


def _said(outcome: ReclaimOutcome, victim: Victim) -> tuple[bool, str]:
    told = [t for result in outcome.steps for t in result.targets if t.target == victim.owner]
    if not told:
        return False, outcome.reason
    return told[-1].removed, told[-1].reason or outcome.reason


def sample(all_of_them: Sequence[Interleaving], count: int) -> list[Interleaving]:
    """One of each pair of action and act first, then evenly spread over the rest; always the same ones."""
    ordered = sorted(all_of_them, key=lambda one: zlib.crc32(one.words.encode()))
    firsts: dict[tuple[str, str], Interleaving] = {}
    for one in ordered:
        firsts.setdefault((one.scenario.name, one.act.name), one)
    rest = [one for one in ordered if firsts[one.scenario.name, one.act.name] is not one]
    return [*firsts.values(), *rest][:count]
