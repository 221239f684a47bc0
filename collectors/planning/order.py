"""The order of a plan: least harm first; within a harm what may run unasked before what is young or needs a person.

Within these by the `rank` that each cause gives its drafts, for these reasons:

1. What is already deleted only needs waiting for.
2. A balance changes no file; it stands first only where it can work, else after what frees metadata.
3. Old build cache makes itself again; cache mounts need a network for it.
4. Forgotten downloads and build contexts are copies of what somebody else has; dangling images may be a way back;
   tagged images, longest unused first, may have to be built or pulled; cache that images shared frees its bytes only
   after them.
5. Logs are evidence, and end where a person still reads them.
6. Stopped containers take what they wrote with them, and make their images removable; orphans with proof are referred
   to by nothing. The rule never to touch orphans is about unproved ones, and those are never here.
7. Volumes, snapshots and a process that must end are somebody's data or work: a person names each.

A step that only frees something together with a worse one takes that one's harm and place, and what frees nothing by
itself stands behind what does.

While btrfs metadata is full, what frees metadata comes first, by the same sets as data: then the balance, then
everything else. A balance that must fail is refused: it stands where enough was freed for it, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from graphlib import TopologicalSorter
from heapq import heappop, heappush

from collectors.causes.base import Draft
from collectors.causes.plan_context import PlanContext
from collectors.model import Owner, dataclass
from collectors.model.btrfs import Btrfs
from collectors.model.ledger import Release
from collectors.model.plan import Harm, Risk, Unlock
from collectors.model.reading import Between, Exact
from collectors.planning.unlocks import Aliases, alone, closures, in_turn, reduce

_RISKS = tuple(Risk)


def asks(draft: Draft) -> bool:
    """Does it wait for a person, or for its age?"""
    return not draft.automatic or draft.young_s > 0


@dataclass(frozen=True, slots=True, order=True)
class Cost:
    """What a set of steps costs at worst: the worst of each of them. Ordered as plans are."""

    harm: Harm
    asks: bool
    risk: int
    by_hand: bool
    young_s: float
    rank: int

    def worse_than(self, one: Cost) -> bool:
        """In anything but the place?"""
        return self.harm > one.harm or self.risk > one.risk or self.by_hand > one.by_hand or self.young_s > one.young_s


def cost(drafts: Iterable[Draft]) -> Cost:
    """Of all of these together; there is at least one."""
    group = tuple(drafts)
    return Cost(
        harm=max(draft.harm for draft in group),
        asks=any(asks(draft) for draft in group),
        risk=max(draft.risk.rank for draft in group),
        by_hand=any(not draft.automatic for draft in group),
        young_s=max(draft.young_s for draft in group),
        rank=max(draft.rank for draft in group),
    )


def promote(drafts: Iterable[Draft], unlocks: Iterable[Unlock]) -> tuple[Draft, ...]:
    """Each step with the harm, risk and place of the mildest set of steps in which it frees anything."""
    by_id = {draft.id: draft for draft in drafts}
    own = {draft.id: cost((draft,)) for draft in by_id.values()}

    def of(steps: frozenset[str]) -> Cost:
        return own[next(iter(steps))] if len(steps) == 1 else cost(by_id[step] for step in steps)

    best = {step: of(needed) for step, needed in closures(by_id.values()).items()}
    seen: set[str] = set()
    for unlock in unlocks:
        together = of(unlock.steps)
        for step in unlock.steps:
            best[step] = min(best[step], together) if step in seen else together
        seen |= unlock.steps
    return tuple(_promoted(draft, own[draft.id], best[draft.id]) for draft in by_id.values())


def ordered(
    drafts: Iterable[Draft], place: Mapping[str, int] | None = None, last: frozenset[str] = frozenset()
) -> tuple[Draft, ...]:
    """Least harm first; a step never stands before one that it requires.

    `place` overrides ranks inside a harm; `last` are steps that free nothing by themselves.
    """
    places = place or {}

    def key(draft: Draft) -> tuple[Harm, bool, bool, int, int, list[tuple[bool, float | str]], str]:
        return (
            draft.harm,
            asks(draft),
            draft.id in last,
            places.get(draft.id, 0),
            draft.rank,
            [(isinstance(part, str), part) for part in draft.within],  # causes of one rank may order by other things
            draft.id,
        )

    return _required_first(sorted(drafts, key=key))


def _required_first(wanted: Sequence[Draft]) -> tuple[Draft, ...]:
    """These as near to their order as what they require allows. Raises ValueError where steps require each other."""
    place_of = {draft.id: index for index, draft in enumerate(wanted)}
    graph = TopologicalSorter[int]()
    for index, draft in enumerate(wanted):
        graph.add(index, *(place_of[before] for before in draft.requires & place_of.keys()))
    graph.prepare()
    ready: list[int] = []
    result: list[Draft] = []
    while graph.is_active():
        for index in graph.get_ready():
            heappush(ready, index)
        first = heappop(ready)
        result.append(wanted[first])
        graph.done(first)
    return tuple(result)


def _promoted(draft: Draft, own: Cost, together: Cost) -> Draft:
    if draft.only_waits or not together.worse_than(own):
        return draft
    return replace(
        draft,
        harm=together.harm,
        risk=_RISKS[max(draft.risk.rank, together.risk)],
        automatic=draft.automatic and not together.by_hand,
        young_s=max(draft.young_s, together.young_s),
        rank=max(together.rank, draft.rank),
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


def order_with_balance(drafts: Sequence[Draft], preparation: Preparation, last: frozenset[str]) -> Order:
    """Least harm first; while metadata is lacking, what frees most of it first in its harm, and the balance after that.

    What was kept for its metadata alone and stands behind the balance is taken out again.
    """
    balance = preparation.balance
    if balance is None:
        return Order(ordered(drafts, last=last), "")
    if not preparation.lacking_bytes:
        return Order(ordered((*drafts, balance), last=last), "")
    return _after_metadata(drafts, balance, preparation, last)


def _after_metadata(drafts: Sequence[Draft], balance: Draft, preparation: Preparation, last: frozenset[str]) -> Order:
    """The balance where enough metadata has been freed for it; refused where the steps never free as much."""
    order = ordered(drafts, {step: -count for step, count in preparation.alone.items()}, last)
    frees = in_turn(preparation.unlocks, [draft.id for draft in order])
    index = _place_for(order, [frees[draft.id] for draft in order], preparation.lacking_bytes)
    if index is None:
        return Order(tuple(d for d in order if not _only_metadata(d)), preparation.refusal)
    worst = cost((*order[:index], balance))
    needs = f"the steps before it, which free metadata; {balance.needs}"
    first = replace(balance, harm=worst.harm, risk=_RISKS[worst.risk], young_s=worst.young_s, needs=needs)
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
