"""The way out of full btrfs metadata: first what frees metadata, then the balance, then everything else.

How much metadata a step frees comes from the sharing table's metadata column, by the same sets as data. Refuses a
balance that must fail: it stands where enough has been freed for it, or not in the plan at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from collectors.model.ledger import Release
from collectors.model.owner import Owner
from collectors.model.plan import Unlock
from collectors.model.reading import Between, Exact, Origin
from collectors.remediation.plan import explain
from collectors.remediation.plan.btrfs import compaction
from collectors.remediation.plan.case import Case
from collectors.remediation.plan.draft import Draft
from collectors.remediation.plan.order import ordered, risk_rank
from collectors.remediation.plan.unlocks import Aliases, alone, in_turn, reduce


@dataclass(frozen=True, slots=True)
class Ladder:
    """`balance` None: none is needed, or none can work (`refused` says so). `lacking_bytes` of metadata go first."""

    balance: Draft | None
    lacking_bytes: int
    unlocks: tuple[Unlock, ...]  # in bytes of metadata; empty where nothing is lacking
    useful: frozenset[Owner]
    refused: tuple[str, ...]
    copies: tuple[int, int] = (1, 1)  # what a byte of metadata takes on the devices
    # Steps that free metadata while it is lacking, though perhaps no byte of data; and what each frees by itself.
    helps: frozenset[str] = field(init=False)
    alone: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "helps", frozenset[str]().union(*(unlock.steps for unlock in self.unlocks)))
        object.__setattr__(self, "alone", alone(self.unlocks))


@dataclass(frozen=True, slots=True)
class Order:
    """The steps of a plan; `refused` why the balance is not among them, "" for nothing."""

    steps: tuple[Draft, ...]
    refused: str


def climb(case: Case, drafts: Sequence[Draft], aliases: Aliases) -> Ladder:
    """What the balance needs, if one is asked for."""
    asked = compaction(case)
    if asked is None or isinstance(asked, str):
        return Ladder(None, 0, (), frozenset(), (asked,) if asked else ())
    balance, now = asked
    if not now.lacking_bytes:
        return Ladder(balance, 0, (), frozenset(), ())
    reduced = reduce(_releases(case), drafts, aliases)
    return Ladder(balance, now.lacking_bytes, reduced.unlocks, reduced.useful, (), now.copies)


def for_metadata(draft: Draft, ladder: Ladder, case: Case) -> Draft:
    """A step that is there only for the metadata it frees; an estimate, since the trees that refer to it shrink too."""
    best = ladder.alone.get(draft.id, 0) * ladder.copies[0] // ladder.copies[1]
    origin = Origin("plan", draft.id, case.snapshot.ended_at, 0.0)
    estimate = Between(best, 0, 2 * best, 0.9, "metadata blocks in all their copies", origin)
    return replace(draft, title=f"{draft.title}, which frees metadata", estimate=estimate, frees_elsewhere=True)


def with_balance(drafts: Sequence[Draft], ladder: Ladder) -> Order:
    """Safest first; while metadata is lacking, what frees most of it first in its tier, and the balance after that.

    What was kept for its metadata alone and stands behind the balance is taken out again.
    """
    balance = ladder.balance
    if balance is None:
        return Order(ordered(drafts), "")
    if not ladder.lacking_bytes:
        return Order(ordered((*drafts, balance)), "")
    order = ordered(drafts, {step: -count for step, count in ladder.alone.items()})
    frees = in_turn(ladder.unlocks, [draft.id for draft in order])
    index = _place_for(order, [frees[draft.id] for draft in order], ladder.lacking_bytes)
    if index is None:
        return Order(tuple(d for d in order if not _only_metadata(d)), explain.balance_would_fail())
    risk = max((d.risk for d in order[:index]), key=risk_rank, default=balance.risk)
    first = replace(balance, risk=risk, needs=f"the steps before it, which free metadata; {balance.needs}")
    return Order((*order[:index], first, *(d for d in order[index:] if not _only_metadata(d))), "")


def _only_metadata(draft: Draft) -> bool:
    return draft.frees_elsewhere and bool(draft.targets)


def _releases(case: Case) -> tuple[Release, ...]:
    """Logical metadata bytes by the owners that all have to go; empty where the trees were not walked."""
    sharing = case.btrfs.sharing if case.btrfs else None
    if not isinstance(sharing, Exact):
        return ()
    owners_of = {unit.id: unit.owners for unit in case.units}
    found = []
    for row in sharing.value.rows:
        held = [owners_of.get(holder, frozenset[Owner]()) for holder in row.holders]
        if row.metadata_bytes and held and all(held):
            found.append(Release(frozenset().union(*held), row.metadata_bytes))
    return tuple(found)


def _place_for(order: Sequence[Draft], frees: Sequence[int], lacking_bytes: int) -> int | None:
    """The index before which steps that run by themselves have freed so much metadata; None where they never do."""
    total = 0
    for index, (draft, freed) in enumerate(zip(order, frees, strict=True)):
        if draft.automatic:
            total += freed
        if total >= lacking_bytes:
            return index + 1
    return None
