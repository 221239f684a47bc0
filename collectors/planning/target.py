"""The least harm that reaches a target: every milder step, and of the worst harm that is needed as few as will do.

Nothing that destroys data is ever on the way to a target. Within a harm what may run unasked is taken before what is
young or needs a person; then the fewest steps count, then the most bytes. What steps free together is a set, never a
sum, so up to `MOST_COMPARED` steps of one harm are compared in every combination; of more, the largest are taken first
and what turns out to be needless is taken out again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from collectors.causes.base import Draft
from collectors.model.filesystem import FsSpace, most_used_bytes, used_percent
from collectors.model.plan import Harm, Plan, PlanTarget, Unlock
from collectors.model.records import dataclass
from collectors.planning import left_out
from collectors.planning.order import asks
from collectors.planning.unlocks import Sizes, Tally, closures, reached

MOST_COMPARED = 12  # 4,096 combinations: milliseconds


@dataclass(frozen=True, slots=True)
class Candidate:
    """A step that may be on the way. `always`: its point is not bytes, so that it stays whatever is needed."""

    id: str
    harm: Harm
    asks: bool  # it waits for a person, or for its age
    requires: frozenset[str] = frozenset()
    always: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """`freed` is what `steps` free together, in bytes or inodes; `exact`: no better choice exists among those of the
    worst harm."""

    steps: tuple[Candidate, ...]
    freed: int
    reaches: bool
    exact: bool

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(step.id for step in self.steps)


@dataclass(frozen=True, slots=True)
class TrimmedPlan:
    """The steps that stay, in their order, those for a person, and what is to be said of the target."""

    steps: tuple[Draft, ...]
    for_person: tuple[Draft, ...]
    target: PlanTarget | None
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shortage:
    """What is above a target: so many bytes, or inodes, are to go; `tally` counts what steps free of them."""

    count: int
    tally: Tally
    inodes: bool

    def target(self, percent: float, space: FsSpace, freed: int, *, exact: bool, closes: Sequence[str]) -> PlanTarget:
        """Where a plan that frees so many of them leads."""
        short = max(0, self.count - freed)
        if not self.inodes:
            leads = space.used_percent_after(freed)
            return PlanTarget(percent, self.count, leads, short, exact, tuple(closes))
        leads = used_percent(max(0, (space.inodes_used or 0) - freed), space.inodes)
        return PlanTarget(percent, 0, leads, 0, exact, tuple(closes), True, self.count, short)


def shortage(space: FsSpace, percent: float, order: Sequence[Draft], sizes: Sizes) -> Shortage | None:
    """Of bytes; of inodes, where bytes are at or below the target and these are not; None where neither is above."""
    if (needed := to_free_bytes(space, percent)) > 0:
        return Shortage(needed, sizes.tally(order), inodes=False)
    used = space.inodes_used
    if used is None or (needed := used - most_used_bytes(percent, space.inodes)) <= 0:
        return None
    counted = (Unlock(unlock.steps, unlock.inodes or 0) for unlock in sizes.unlocks)
    return Shortage(needed, Tally(counted, {}), inodes=True)


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
    chosen = choose(_candidates(steps), short.count, short.tally)
    taken = chosen.ids
    kept = tuple(draft for draft in steps if draft.id in taken)
    if chosen.reaches:
        target = short.target(percent, space, chosen.freed, exact=chosen.exact, closes=())
        return TrimmedPlan(kept, (), target, _asked(words, kept))
    closing = choose(_candidates(persons), short.count, short.tally)
    added = closing.ids if closing.reaches else frozenset[str]()
    closes = tuple(draft for draft in persons if draft.id in added)
    target = short.target(percent, space, chosen.freed, exact=True, closes=[draft.id for draft in closes])
    titles = tuple(draft.title for draft in closes)
    leads = f"{target.leads_to_percent}%{' of the inodes' if short.inodes else ''}"
    said = (left_out.target_missed(words, leads, titles),)
    return TrimmedPlan(kept, persons, target, said)


def way_to(plan: Plan, space: FsSpace, percent: float) -> tuple[PlanTarget, frozenset[str]]:
    """Where the steps of a whole plan could lead, and the ids of those of them that would; all where none do.

    As for a plan that was made for this target, except that what an engine claims of what nobody measured counts 0.
    """
    needed = to_free_bytes(space, percent)
    candidates = [Candidate(step.id, step.harm, not step.unasked) for step in plan.steps]
    chosen = choose(candidates, needed, Tally(plan.unlocks, {}))
    leads_to = space.used_percent_after(chosen.freed)
    short = max(0, needed - chosen.freed)
    return PlanTarget(percent, max(0, needed), leads_to, short, chosen.exact, ()), chosen.ids


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


def choose(steps: Sequence[Candidate], needed_bytes: int, tally: Tally) -> Chosen:
    """The steps of least harm that free enough, in their order; all of them where they do not.

    `tally` has none of them in it yet, and has those that are chosen afterwards. A step comes only together with those
    that it requires. Steps whose point is not bytes stay, with what they require.
    """
    by_harm: defaultdict[Harm, list[Candidate]] = defaultdict(list)
    for step in steps:
        by_harm[step.harm].append(step)
    needed = closures(steps)
    always = frozenset[str]().union(*(needed[step.id] for step in steps if step.always))
    kept: set[str] = set()
    exact = True
    for harm in sorted(by_harm):
        mine = by_harm[harm]
        if tally.freed_bytes >= needed_bytes:
            mine = [step for step in mine if step.id in always]
            tally.add_all(mine)
        else:
            tally.add_all(mine)
            if tally.freed_bytes >= needed_bytes:
                tally.drop_all(mine)
                mine, exact = _cover(mine, always, needed_bytes, tally)
        kept.update(step.id for step in mine)
    reaches = tally.freed_bytes >= needed_bytes
    return Chosen(tuple(step for step in steps if step.id in kept), tally.freed_bytes, reaches, exact)


def _cover(
    steps: Sequence[Candidate], always: frozenset[str], needed_bytes: int, tally: Tally
) -> tuple[list[Candidate], bool]:
    """Of these, which together suffice, the best; added to `tally`. And whether all choices were compared."""
    gains = tally.gains(step.id for step in steps)
    useful = always.union(*gains)
    candidates = [step for step in steps if step.id in useful]
    if len(candidates) <= MOST_COMPARED:
        picked = _best(candidates, always, needed_bytes - tally.freed_bytes, gains)
        tally.add_all(picked)
        return picked, True
    return _largest_first(candidates, always, needed_bytes, gains, tally), False


def _best(
    steps: Sequence[Candidate], always: frozenset[str], missing_bytes: int, gains: Mapping[frozenset[str], int]
) -> list[Candidate]:
    """Every combination compared: fewest that wait for somebody, fewest in all, most bytes, first in the order."""
    bit = {step.id: 1 << number for number, step in enumerate(steps)}

    def mask(ids: Iterable[str]) -> int:
        return sum(bit[one] for one in ids)

    freed = _freed(len(steps), {mask(together): count for together, count in gains.items()})
    waiting, forced = mask(step.id for step in steps if step.asks), mask(always & bit.keys())
    requires = [(bit[step.id], mask(step.requires & bit.keys())) for step in steps]

    def works(choice: int) -> bool:
        whole = all(not choice & one or choice & before == before for one, before in requires)
        return freed[choice] >= missing_bytes and choice & forced == forced and whole

    best = min(
        filter(works, range(len(freed))),
        key=lambda choice: ((choice & waiting).bit_count(), choice.bit_count(), -freed[choice], choice),
    )
    return [step for step in steps if best & bit[step.id]]


def _freed(count: int, gains: Mapping[int, int]) -> list[int]:
    """By every choice among so many steps, one bit each, what it frees: all gains whose steps it has."""
    freed = [gains.get(choice, 0) for choice in range(1 << count)]
    for one in (1 << number for number in range(count)):
        for choice in range(len(freed)):
            if choice & one:
                freed[choice] += freed[choice ^ one]
    return freed


def _largest_first(
    steps: Sequence[Candidate],
    always: frozenset[str],
    needed_bytes: int,
    gains: Mapping[frozenset[str], int],
    tally: Tally,
) -> list[Candidate]:
    """The largest until they suffice, each with what it requires; then, the smallest first, without the needless."""
    share: defaultdict[str, float] = defaultdict(float)
    for together, count in gains.items():
        for one in together:
            share[one] += count / len(together)
    by_id, needed = {step.id: step for step in steps}, closures(steps)
    kept: dict[str, Candidate] = {}

    def take(wanted: Iterable[str]) -> None:
        more = [by_id[one] for one in wanted if one not in kept]
        tally.add_all(more)
        kept.update((step.id, step) for step in more)

    take(always & by_id.keys())
    for step in sorted(steps, key=lambda d: (d.asks, -share[d.id])):
        if tally.freed_bytes >= needed_bytes:
            break
        take(needed[step.id])
    _spare(kept, always, needed_bytes, tally, share)
    return [step for step in steps if step.id in kept]


def _spare(
    kept: dict[str, Candidate], always: frozenset[str], needed_bytes: int, tally: Tally, share: Mapping[str, float]
) -> None:
    """Take out of `kept` what is not needed: those that wait for somebody first, then the smallest."""
    requiring: defaultdict[str, list[str]] = defaultdict(list)
    for step in kept.values():
        for before in step.requires:
            requiring[before].append(step.id)
    for step in sorted(kept.values(), key=lambda d: (not d.asks, share.get(d.id, 0.0))):
        gone = [kept[one] for one in reached(step.id, requiring) if one in kept]
        if step.id not in kept or always.intersection(one.id for one in gone):
            continue
        tally.drop_all(gone)
        if tally.freed_bytes >= needed_bytes:
            for one in gone:
                del kept[one.id]
        else:
            tally.add_all(gone)
