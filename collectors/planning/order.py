"""The order of a plan: safest first; within a risk by the `rank` that each cause gives its drafts, for these reasons.

1. What is already deleted only needs waiting for.
2. A balance changes no file; it stands first only where it can work, else after what frees metadata.
3. Old build cache makes itself again; cache mounts need a network for it.
4. Forgotten downloads and build contexts are copies of what somebody else has; dangling images may be a way back;
   stopped containers take logs and what they wrote with them, and make their images removable; tagged images, longest
   unused first, may have to be built or pulled; cache that images shared frees its bytes only after them.
5. Orphans with proof stand before truncated logs: nothing refers to them, while a log is evidence. The rule never to
   touch orphans is about unproved ones, and those are never here.
6. Interrupted writes come after orphans: they are small, and need the engine stopped.
7. Old journals, a builder's cache, a process that holds deleted files, large stopped containers, volumes, snapshots
   and a former driver's directories may hold somebody's data: a person does, or names, each.

A step that only frees something together with a riskier one takes that one's place and risk.

The way out of full btrfs metadata: first what frees metadata, then the balance, then everything else.

How much metadata a step frees comes from the sharing table's metadata column, by the same sets as data. Refuses a
balance that must fail: it stands where enough has been freed for it, or not in the plan at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush

from collectors.causes.base import Draft
from collectors.causes.plan_context import PlanContext
from collectors.model.btrfs import Btrfs
from collectors.model.ledger import Release
from collectors.model.owner import Owner
from collectors.model.plan import Risk, Unlock
from collectors.model.reading import Between, Exact
from collectors.planning.unlocks import Aliases, alone, in_turn, reduce

RISKS = (Risk.SAFE, Risk.CAREFUL, Risk.DESTRUCTIVE)


def risk_rank(risk: Risk) -> int:
    """0 safe, 1 careful, 2 destructive."""
    return RISKS.index(risk)


def promote(drafts: Iterable[Draft], unlocks: Iterable[Unlock]) -> tuple[Draft, ...]:
    """Each step with the risk and place of the safest set of steps in which it frees anything."""
    by_id = {draft.id: draft for draft in drafts}
    best: dict[str, tuple[int, bool, int]] = {}
    for unlock in unlocks:
        group = [by_id[step] for step in unlock.steps]
        cost = (
            max(risk_rank(d.risk) for d in group),
            any(not d.automatic for d in group),
            max(d.rank for d in group),
        )
        for step in unlock.steps:
            best[step] = min(best.get(step, cost), cost)
    return tuple(_promoted(draft, best.get(draft.id)) for draft in by_id.values())


def ordered(drafts: Iterable[Draft], place: Mapping[str, int] | None = None) -> tuple[Draft, ...]:
    """Safest first; a step never stands before one that it requires. `place` overrides ranks inside a risk."""
    places = place or {}

    def key(draft: Draft) -> tuple[int, bool, int, int, tuple[float | str, ...], str]:
        return (
            risk_rank(draft.risk),
            not draft.automatic,
            places.get(draft.id, 0),
            draft.rank,
            draft.within,
            draft.id,
        )

    wanted = sorted(drafts, key=key)
    place_of = {draft.id: index for index, draft in enumerate(wanted)}
    blocks: defaultdict[str, list[int]] = defaultdict(list)
    lacking = [0] * len(wanted)
    for index, draft in enumerate(wanted):
        for before in draft.requires & place_of.keys():
            blocks[before].append(index)
            lacking[index] += 1
    ready = [index for index, count in enumerate(lacking) if not count]  # in order: a heap already
    result: list[Draft] = []
    while ready:
        draft = wanted[heappop(ready)]
        result.append(draft)
        for index in blocks[draft.id]:
            lacking[index] -= 1
            if not lacking[index]:
                heappush(ready, index)
    if len(result) < len(wanted):
        stuck = (draft.id for draft, count in zip(wanted, lacking, strict=True) if count)
        raise ValueError(f"steps require each other: {', '.join(stuck)}")
    return tuple(result)


def _promoted(draft: Draft, cost: tuple[int, bool, int] | None) -> Draft:
    if cost is None or draft.only_waits:
        return draft
    risk, by_hand, rank = cost
    if (risk, by_hand) <= (risk_rank(draft.risk), not draft.automatic):
        return draft
    return replace(
        draft,
        risk=max(draft.risk, RISKS[risk], key=risk_rank),
        automatic=draft.automatic and not by_hand,
        rank=max(rank, draft.rank),
    )


@dataclass(frozen=True, slots=True)
class Preparation:
    """`balance` None: none is needed, or none can work. `lacking_bytes` of metadata go first, `refusal` where not."""

    balance: Draft | None
    lacking_bytes: int
    unlocks: tuple[Unlock, ...]  # in bytes of metadata; empty where nothing is lacking
    useful: frozenset[Owner]
    copies: tuple[int, int] = (1, 1)  # what a byte of metadata takes on the devices
    refusal: str = ""
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


def prepare(context: PlanContext, drafts: Sequence[Draft], aliases: Aliases) -> Preparation:
    """What the balance among the drafts needs, if there is one."""
    balance = next((draft for draft in drafts if draft.metadata is not None), None)
    if balance is None or balance.metadata is None or not balance.metadata.lacking_bytes:
        return Preparation(balance, 0, (), frozenset())
    need = balance.metadata
    others = [draft for draft in drafts if draft.metadata is None]
    reduced = reduce(_releases(context), others, aliases)
    return Preparation(balance, need.lacking_bytes, reduced.unlocks, reduced.useful, need.copies, need.refusal)


def for_metadata(draft: Draft, preparation: Preparation, context: PlanContext) -> Draft:
    """A step that is there only for the metadata it frees; an estimate, since the trees that refer to it shrink too."""
    best = preparation.alone.get(draft.id, 0) * preparation.copies[0] // preparation.copies[1]
    estimate = Between(best, 0, 2 * best, 0.9, "metadata blocks in all their copies", context.origin(draft.id))
    return replace(draft, title=f"{draft.title}, which frees metadata", estimate=estimate, frees_elsewhere=True)


def order_with_balance(drafts: Sequence[Draft], preparation: Preparation) -> Order:
    """Safest first; while metadata is lacking, what frees most of it first in its tier, and the balance after that.

    What was kept for its metadata alone and stands behind the balance is taken out again.
    """
    balance = preparation.balance
    if balance is None:
        return Order(ordered(drafts), "")
    if not preparation.lacking_bytes:
        return Order(ordered((*drafts, balance)), "")
    order = ordered(drafts, {step: -count for step, count in preparation.alone.items()})
    frees = in_turn(preparation.unlocks, [draft.id for draft in order])
    index = _place_for(order, [frees[draft.id] for draft in order], preparation.lacking_bytes)
    if index is None:
        return Order(tuple(d for d in order if not _only_metadata(d)), preparation.refusal)
    risk = max((d.risk for d in order[:index]), key=risk_rank, default=balance.risk)
    first = replace(balance, risk=risk, needs=f"the steps before it, which free metadata; {balance.needs}")
    return Order((*order[:index], first, *(d for d in order[index:] if not _only_metadata(d))), "")


def _only_metadata(draft: Draft) -> bool:
    return draft.frees_elsewhere and bool(draft.targets)


def _releases(context: PlanContext) -> tuple[Release, ...]:
    """Logical metadata bytes by the owners that all have to go; empty where the trees were not walked."""
    sharing = facts.sharing if (facts := context.facts(Btrfs)) else None
    if not isinstance(sharing, Exact):
        return ()
    owners_of = {unit.id: unit.owners for unit in context.units}
    found = []
    for row in sharing.value.rows:
        held = [owners_of.get(holder, frozenset[Owner]()) for holder in row.holders]
        if row.metadata_bytes and held and all(held):
            found.append(Release(frozenset().union(*held), row.metadata_bytes, row.metadata_bytes, None))
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
