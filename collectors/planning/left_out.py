"""Why a remedy is not in the plan: one sentence each. No finding that names bytes stays without an answer.

No sizes; names are foreign text, escaped by who prints them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from collectors import causes
from collectors.causes.base import Cause, Draft, Proposal
from collectors.causes.plan_context import PlanContext
from collectors.model.finding import Finding
from collectors.model.ledger import Category
from collectors.model.owner import Owner, OwnerKind
from collectors.model.reading import charged

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
