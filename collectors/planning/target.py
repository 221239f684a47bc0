"""The way to a target: the least harm that is certain to reach it; and what a plan leaves out, one sentence each.

Nothing that destroys data is ever on the way. Where only estimates would lead there, the least harm by their best
guesses is taken and the target not called reached. No finding that names bytes stays without an answer; names in it are
foreign text, escaped by who prints them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from collectors import causes
from collectors.causes.base import Cause, Draft, Proposal
from collectors.causes.plan_context import PlanContext
from collectors.model import Owner, OwnerKind, dataclass
from collectors.model.filesystem import FsSpace, most_used_bytes, used_percent
from collectors.model.ledger import Category
from collectors.model.plan import Finding, Harm, Plan, PlanTarget, Unlock
from collectors.model.reading import Between, charged
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
        return TrimmedPlan(steps, persons, None, (target_unknown(words),))
    short = shortage(space, percent, order, sizes)
    if short is None:
        stay = tuple(draft for draft in steps if draft.frees_elsewhere)
        said = (target_reached(words, str(space.used_percent)),)
        return TrimmedPlan(stay, (), PlanTarget(percent, 0, space.used_percent, 0, True, ()), said)
    found = way(_candidates(steps), short.count, short.sure, short.likely)
    kept = tuple(draft for draft in steps if draft.id in found.ids)
    leads = short.target(percent, space, found)
    if found.reaches:
        return TrimmedPlan(kept, (), leads, (*_guessed(words, leads), *_asked(words, kept)))
    return _missed(kept, persons, leads, short)


def _missed(kept: tuple[Draft, ...], persons: tuple[Draft, ...], leads: PlanTarget, short: Shortage) -> TrimmedPlan:
    """All the steps together do not lead there; what a person could add that would is named."""
    closing = choose(_candidates(persons), short.count, short.sure)
    added = closing.ids if closing.reaches else frozenset[str]()
    closes = [draft for draft in persons if draft.id in added]
    target = replace(leads, exact=True, closes=tuple(draft.id for draft in closes))
    said = target_missed(f"{leads.percent:g}", _leads(target), tuple(draft.title for draft in closes))
    return TrimmedPlan(kept, persons, target, (said,))


def _leads(target: PlanTarget) -> str:
    return f"{target.leads_to_percent}%{' of the inodes' if target.inodes else ''}"


def _guessed(percent: str, target: PlanTarget) -> tuple[str, ...]:
    return (target_guessed(percent, _leads(target)),) if target.short_bytes else ()


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
    return (target_asks(percent, young=young, by_hand=by_hand),) if young or by_hand else ()


def to_free_bytes(space: FsSpace, percent: float) -> int:
    """How much has to go until used is `percent` or less of what users may use. At or below 0: it is so already.

    That is when the used % shows it.
    """
    return space.used_bytes - most_used_bytes(percent, space.usable_bytes)


_SHOWN = 3
LIFTS_AGE = "--min-age 0 lifts the age rule"
_KINDS = {
    OwnerKind.IMAGE: Category.IMAGES.words,
    OwnerKind.CONTAINER: "containers",
    OwnerKind.BUILD: Category.BUILD_CACHE.words,
    OwnerKind.VOLUME: Category.VOLUMES.words,
    OwnerKind.LOG: Category.LOGS.words,
    OwnerKind.ORPHAN: Category.ORPHANS.words,
    OwnerKind.SNAPSHOT: Category.SNAPSHOTS.words,
    OwnerKind.DELETED: Category.DELETED_PENDING.words,
    OwnerKind.PLUGIN: "plugins",
    OwnerKind.LEFTOVER: "leftovers",
    OwnerKind.LEASE: "leases of containerd",
    OwnerKind.OPEN: "processes",
}


def unanswered(
    context: PlanContext, drafts: Iterable[Draft], proposals: Mapping[str, Proposal], useless: Mapping[str, str]
) -> Mapping[str, str]:
    """Id of a finding → why, for each with bytes that no step is about; a step for its smaller things is not.

    `proposals` by cause; `useless` maps causes to the sentence on those of their remedies that would free nothing.
    """
    steps, targets = set[str](), set[Owner]()
    for draft in drafts:
        steps.update(draft.causes)
        targets.update(draft.targets)
    return {
        finding.id: useless.get(finding.rule) or _why(finding, proposals.get(finding.rule))
        for finding in context.findings
        if finding.rule not in steps
        and targets.isdisjoint(finding.owners[:1])
        and _owed(context, finding, causes.find(finding.rule), targets)
    }


def _why(finding: Finding, proposal: Proposal | None) -> str:
    if proposal is not None and proposal.answered:
        return " ".join(proposal.left_out)
    cause = causes.find(finding.rule)
    reason = (proposal.reason if proposal else "") or (cause.no_step if cause else "")
    return no_step(finding.claim, reason or "only a person can judge it", finding.remedy)


def _owed(context: PlanContext, finding: Finding, cause: Cause | None, targets: set[Owner]) -> bool:
    """Is it about bytes that could go, and that do not go with something else?"""
    if finding.bytes is None or not charged(finding.bytes):
        return False
    return cause is None or (cause.wants_step and not _goes_along(context, cause, targets))


def _goes_along(context: PlanContext, cause: Cause, targets: set[Owner]) -> bool:
    """Does everything that the cause is about go with what holds it?"""
    inside = [unit for unit in context.units if unit.kind is cause.inside]
    return bool(inside) and all(unit.owners and unit.owners <= targets for unit in inside)


def remote() -> str:
    return "The engine runs on another machine: nothing it removes would free bytes of this filesystem."


def read_only(mountpoint: str) -> str:
    return (
        f"{mountpoint} is read-only: nothing can be removed from it, and every attempt leaves the engine half done. "
        "Stop the engine, read the kernel log (dmesg), and have it mounted for writing again first."
    )


def frees_nothing(titles: tuple[str, ...], why: str) -> str:
    """Several remedies with one reason. `why` starts in lower case."""
    return f"{_titles(titles)}: no step, because it would free nothing: {why}."


def _titles(titles: tuple[str, ...]) -> str:
    rest = f" and {len(titles) - _SHOWN} more" if len(titles) > _SHOWN else ""
    return f"{', '.join(titles[:_SHOWN])}{rest}"


def blocked(holders: frozenset[OwnerKind]) -> str:
    """What kinds of owners else hold the bytes, as a reason in lower case."""
    if not holders:
        return "none of the bytes of this filesystem are held by what it removes alone"
    kinds = sorted({_KINDS.get(kind, "others") for kind in holders})
    words = kinds[0] if len(kinds) == 1 else f"{', '.join(kinds[:-1])} and {kinds[-1]}"
    return f"the bytes are also held by {words} that stay"


def no_step(claim: str, reason: str, remedy: str) -> str:
    """All parts as cause and finding say them: a claim may begin with a foreign name."""
    return f"{claim}: no step, because {reason}; {remedy}."


def target_reached(percent: str, used: str) -> str:
    return f"Used is at {used}%, and the target is {percent}%: there is nothing to do."


def target_missed(percent: str, reached: str, closing: tuple[str, ...]) -> str:
    """`reached` with its unit; `closing` titles of what a person could add that would do it, () where nothing would."""
    more = (
        f"what would close the rest destroys data, for a person to decide: {_titles(closing)}"
        if closing
        else "nothing here, not even what destroys data, would close the rest"
    )
    return f"The target of {percent}% is out of reach: all of this together leads to about {reached}; {more}."


def target_guessed(percent: str, certain: str) -> str:
    """The steps would reach it if what is not measured of them is as large as one can guess."""
    return (
        f"The target of {percent}% is not certain: what some steps free is an estimate; without it {certain} is left."
    )


def not_read(titles: tuple[str, ...]) -> str:
    """What destroys data is not proposed where nobody knows what that would free."""
    why = "what would come free was not read; see Coverage for what could not be read, and why"
    return f"{_titles(titles)}: not proposed, because {why}."


def target_asks(percent: str, *, young: bool, by_hand: bool) -> str:
    """Some of the steps to the target are young, or for somebody to do."""
    why = [f"some are young ({LIFTS_AGE})"] if young else []
    why += ["the last steps need a person"] if by_hand else []
    return f"The target of {percent}% is not reached by steps that may run by themselves: {', and '.join(why)}."


def target_unknown(percent: str) -> str:
    return f"Whether {percent}% is reached cannot be told: the filesystem's size, or what the steps free, is not known."
