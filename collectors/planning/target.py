"""The way to a target: the least harm that is certain to reach it, and what is to be said where nothing is.

Nothing that destroys data is ever on it. Where only estimates would lead there, the least harm by their best guesses is
taken and the target not called reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from collectors.causes.base import Draft
from collectors.model.filesystem import FsSpace, most_used_bytes, used_percent
from collectors.model.plan import Harm, Plan, PlanTarget, Unlock
from collectors.model.reading import Between, charged
from collectors.model.records import dataclass
from collectors.planning import left_out
from collectors.planning.choice import Candidate, ChosenWay, choose, way
from collectors.planning.order import asks
from collectors.planning.unlocks import Sizes, Tally


@dataclass(frozen=True, slots=True)
class TrimmedPlan:
    """The steps that stay, in their order, those for a person, and what is to be said of the target."""

    steps: tuple[Draft, ...]
    for_person: tuple[Draft, ...]
    target: PlanTarget | None
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shortage:
    """What is above a target: so many bytes, or inodes, are to go.

    `sure` counts what steps free of them for certain, `likely` estimates by their best guess; None: nothing is one.
    """

    count: int
    sure: Tally
    likely: Tally | None
    inodes: bool

    def target(self, percent: float, space: FsSpace, way: ChosenWay) -> PlanTarget:
        """Where such a way leads."""
        short = max(0, self.count - way.sure)
        if not self.inodes:
            leads = space.used_percent_after(way.sure)
            likely = None if way.likely is None else space.used_percent_after(way.likely)
            return PlanTarget(percent, self.count, leads, short, way.exact, (), likely_percent=likely)
        leads = used_percent(max(0, (space.inodes_used or 0) - way.sure), space.inodes)
        return PlanTarget(percent, 0, leads, 0, way.exact, (), True, self.count, short)


def shortage(space: FsSpace, percent: float, order: Sequence[Draft], sizes: Sizes) -> Shortage | None:
    """Of bytes; of inodes, where bytes are at or below the target and these are not; None where neither is above."""
    if (needed := to_free_bytes(space, percent)) > 0:
        likely = sizes.tally(order, charged) if sizes.guesses(order) else None
        return Shortage(needed, sizes.tally(order), likely, inodes=False)
    used = space.inodes_used
    if used is None or (needed := used - most_used_bytes(percent, space.inodes)) <= 0:
        return None
    counted = (Unlock(unlock.steps, unlock.inodes or 0) for unlock in sizes.unlocks)
    return Shortage(needed, Tally(counted, {}), None, inodes=True)


def trim_to_target(space: FsSpace | None, percent: float, order: Sequence[Draft], sizes: Sizes) -> TrimmedPlan:
    """What of `order` leads to `percent` used; all of it, and what a person could add, where nothing does."""
    steps = tuple(draft for draft in order if draft.harm < Harm.DATA)
    persons = tuple(draft for draft in order if draft.harm is Harm.DATA)
    words = f"{percent:g}"
    if space is None:
        return TrimmedPlan(steps, persons, None, (left_out.target_unknown(words),))
    short = shortage(space, percent, order, sizes)
    if short is None:
        stay = tuple(draft for draft in steps if draft.frees_elsewhere)
        said = (left_out.target_reached(words, str(space.used_percent)),)
        return TrimmedPlan(stay, (), PlanTarget(percent, 0, space.used_percent, 0, True, ()), said)
    found = way(_candidates(steps), short.count, short.sure, short.likely)
    kept = tuple(draft for draft in steps if draft.id in found.ids)
    leads = short.target(percent, space, found)
    if found.reaches:
        return TrimmedPlan(kept, (), leads, (*_guessed(words, leads), *_asked(words, kept)))
    closing = choose(_candidates(persons), short.count, short.sure)
    added = closing.ids if closing.reaches else frozenset[str]()
    closes = tuple(draft for draft in persons if draft.id in added)
    target = replace(leads, exact=True, closes=tuple(draft.id for draft in closes))
    titles = tuple(draft.title for draft in closes)
    said = (left_out.target_missed(words, _leads(target), titles),)
    return TrimmedPlan(kept, persons, target, said)


def _leads(target: PlanTarget) -> str:
    return f"{target.leads_to_percent}%{' of the inodes' if target.inodes else ''}"


def _guessed(percent: str, target: PlanTarget) -> tuple[str, ...]:
    return (left_out.target_guessed(percent, _leads(target)),) if target.short_bytes else ()


def way_to(plan: Plan, space: FsSpace, percent: float) -> tuple[PlanTarget, frozenset[str]]:
    """Where the steps of a whole plan could lead, and the ids of those of them that would; all where none do.

    As for a plan that was made for this target.
    """
    needed = to_free_bytes(space, percent)
    candidates = [Candidate(step.id, step.harm, not step.unasked) for step in plan.steps]
    guesses = {step.id: step.frees for step in plan.steps if isinstance(step.frees, Between)}
    sure = Tally(plan.unlocks, {one: guess.low for one, guess in guesses.items()})
    likely = Tally(plan.unlocks, {one: guess.best for one, guess in guesses.items()}) if guesses else None
    found = way(candidates, needed, sure, likely)
    return Shortage(max(0, needed), sure, likely, inodes=False).target(percent, space, found), found.ids


def _candidates(drafts: Iterable[Draft]) -> list[Candidate]:
    return [Candidate(d.id, d.harm, asks(d), d.requires, d.frees_elsewhere) for d in drafts]


def _asked(percent: str, steps: Sequence[Draft]) -> tuple[str, ...]:
    young = any(draft.young_s and draft.automatic for draft in steps)
    by_hand = any(not draft.automatic for draft in steps)
    return (left_out.target_asks(percent, young=young, by_hand=by_hand),) if young or by_hand else ()


def to_free_bytes(space: FsSpace, percent: float) -> int:
    """How much has to go until used is `percent` or less of what users may use. At or below 0: it is so already.

    That is when the used % shows it.
    """
    return space.used_bytes - most_used_bytes(percent, space.usable_bytes)
