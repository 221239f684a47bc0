"""The least harm that reaches a target: every milder step, and of the worst harm that is needed as few as will do.

Nothing that destroys data is ever on the way to a target. Within a harm what may run unasked is taken before what is
young or needs a person; then the fewest steps count, then the most bytes. What steps free together is a set, never a
sum, so up to `MOST_COMPARED` steps of one harm are compared in every combination; of more, the largest are taken first
and what turns out to be needless is taken out again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from collectors.causes.base import Draft
from collectors.model.filesystem import FsSpace, most_used_bytes
from collectors.model.plan import Harm, PlanTarget
from collectors.planning import left_out
from collectors.planning.order import asks
from collectors.planning.unlocks import Sizes, Tally, closures, reached

MOST_COMPARED = 12  # 4,096 combinations: milliseconds


@dataclass(frozen=True, slots=True)
class Chosen:
    """`freed_bytes` is what `steps` free together; `exact`: no better choice exists among those of the worst harm."""

    steps: tuple[Draft, ...]
    freed_bytes: int
    reaches: bool
    exact: bool


@dataclass(frozen=True, slots=True)
class TrimmedPlan:
    """The steps that stay, in their order, those for a person, and what is to be said of the target."""

    steps: tuple[Draft, ...]
    for_person: tuple[Draft, ...]
    target: PlanTarget | None
    left_out: tuple[str, ...]


def trim_to_target(space: FsSpace | None, percent: float, order: Sequence[Draft], sizes: Sizes) -> TrimmedPlan:
    """What of `order` leads to `percent` used; all of it, and what a person could add, where nothing does."""
    steps = tuple(draft for draft in order if draft.harm < Harm.DATA)
    persons = tuple(draft for draft in order if draft.harm is Harm.DATA)
    words = f"{percent:g}"
    if space is None:
        return TrimmedPlan(steps, persons, None, (left_out.target_unknown(words),))
    needed = to_free_bytes(space, percent)
    if needed <= 0:
        stay = tuple(draft for draft in steps if draft.frees_elsewhere)
        said = (left_out.target_reached(words, str(space.used_percent)),)
        return TrimmedPlan(stay, (), PlanTarget(percent, 0, space.used_percent, 0, True, ()), said)
    tally = sizes.tally(order)
    chosen = choose(steps, needed, tally)
    leads_to = space.used_percent_after(chosen.freed_bytes)
    if chosen.reaches:
        target = PlanTarget(percent, needed, leads_to, 0, chosen.exact, ())
        return TrimmedPlan(chosen.steps, (), target, _asked(words, chosen.steps))
    closing = choose(persons, needed, tally)
    closes = tuple(draft.id for draft in closing.steps) if closing.reaches else ()
    titles = tuple(draft.title for draft in closing.steps) if closing.reaches else ()
    target = PlanTarget(percent, needed, leads_to, needed - chosen.freed_bytes, True, closes)
    return TrimmedPlan(chosen.steps, persons, target, (left_out.target_missed(words, str(leads_to), titles),))


def _asked(percent: str, steps: Sequence[Draft]) -> tuple[str, ...]:
    young = any(draft.young_s and draft.automatic for draft in steps)
    by_hand = any(not draft.automatic for draft in steps)
    return (left_out.target_asks(percent, young=young, by_hand=by_hand),) if young or by_hand else ()


def to_free_bytes(space: FsSpace, percent: float) -> int:
    """How much has to go until used is `percent` or less of what users may use. At or below 0: it is so already.

    That is when the used % shows it.
    """
    return space.used_bytes - most_used_bytes(percent, space.usable_bytes)


def choose(drafts: Sequence[Draft], needed_bytes: int, tally: Tally) -> Chosen:
    """The steps of least harm that free enough, in their order; all of them where they do not.

    `tally` has none of them in it yet, and has those that are chosen afterwards. A step comes only together with those
    that it requires. Steps whose point is not bytes stay, with what they require.
    """
    by_harm: defaultdict[Harm, list[Draft]] = defaultdict(list)
    for draft in drafts:
        by_harm[draft.harm].append(draft)
    needed = closures(drafts)
    always = frozenset[str]().union(*(needed[draft.id] for draft in drafts if draft.frees_elsewhere))
    kept: set[str] = set()
    exact = True
    for harm in sorted(by_harm):
        mine = by_harm[harm]
        if tally.freed_bytes >= needed_bytes:
            mine = [draft for draft in mine if draft.id in always]
            tally.add_all(mine)
        else:
            tally.add_all(mine)
            if tally.freed_bytes >= needed_bytes:
                tally.drop_all(mine)
                mine, exact = _cover(mine, always, needed_bytes, tally)
        kept.update(draft.id for draft in mine)
    reaches = tally.freed_bytes >= needed_bytes
    return Chosen(tuple(d for d in drafts if d.id in kept), tally.freed_bytes, reaches, exact)


def _cover(
    drafts: Sequence[Draft], always: frozenset[str], needed_bytes: int, tally: Tally
) -> tuple[list[Draft], bool]:
    """Of these, which together suffice, the best; added to `tally`. And whether all choices were compared."""
    gains = tally.gains(draft.id for draft in drafts)
    useful = always.union(*gains)
    candidates = [draft for draft in drafts if draft.id in useful]
    if len(candidates) <= MOST_COMPARED:
        picked = _best(candidates, always, needed_bytes - tally.freed_bytes, gains)
        tally.add_all(picked)
        return picked, True
    return _largest_first(candidates, always, needed_bytes, gains, tally), False


def _best(
    drafts: Sequence[Draft], always: frozenset[str], missing_bytes: int, gains: Mapping[frozenset[str], int]
) -> list[Draft]:
    """Every combination compared: fewest that wait for somebody, fewest in all, most bytes, first in the order."""
    bit = {draft.id: 1 << number for number, draft in enumerate(drafts)}

    def mask(steps: Iterable[str]) -> int:
        return sum(bit[step] for step in steps)

    freed = _freed(len(drafts), {mask(steps): count for steps, count in gains.items()})
    waiting, forced = mask(draft.id for draft in drafts if asks(draft)), mask(always & bit.keys())
    requires = [(bit[draft.id], mask(draft.requires & bit.keys())) for draft in drafts]

    def works(choice: int) -> bool:
        whole = all(not choice & one or choice & before == before for one, before in requires)
        return freed[choice] >= missing_bytes and choice & forced == forced and whole

    best = min(
        filter(works, range(len(freed))),
        key=lambda choice: ((choice & waiting).bit_count(), choice.bit_count(), -freed[choice], choice),
    )
    return [draft for draft in drafts if best & bit[draft.id]]


def _freed(count: int, gains: Mapping[int, int]) -> list[int]:
    """By every choice among so many steps, one bit each, what it frees: all gains whose steps it has."""
    freed = [gains.get(choice, 0) for choice in range(1 << count)]
    for one in (1 << number for number in range(count)):
        for choice in range(len(freed)):
            if choice & one:
                freed[choice] += freed[choice ^ one]
    return freed


def _largest_first(
    drafts: Sequence[Draft],
    always: frozenset[str],
    needed_bytes: int,
    gains: Mapping[frozenset[str], int],
    tally: Tally,
) -> list[Draft]:
    """The largest until they suffice, each with what it requires; then, the smallest first, without the needless."""
    share: defaultdict[str, float] = defaultdict(float)
    for steps, count in gains.items():
        for step in steps:
            share[step] += count / len(steps)
    by_id, needed = {draft.id: draft for draft in drafts}, closures(drafts)
    kept: dict[str, Draft] = {}

    def take(wanted: Iterable[str]) -> None:
        more = [by_id[step] for step in wanted if step not in kept]
        tally.add_all(more)
        kept.update((draft.id, draft) for draft in more)

    take(always & by_id.keys())
    for draft in sorted(drafts, key=lambda d: (asks(d), -share[d.id])):
        if tally.freed_bytes >= needed_bytes:
            break
        take(needed[draft.id])
    _spare(kept, always, needed_bytes, tally, share)
    return [draft for draft in drafts if draft.id in kept]


def _spare(
    kept: dict[str, Draft], always: frozenset[str], needed_bytes: int, tally: Tally, share: Mapping[str, float]
) -> None:
    """Take out of `kept` what is not needed: those that wait for somebody first, then the smallest."""
    requiring: defaultdict[str, list[str]] = defaultdict(list)
    for draft in kept.values():
        for before in draft.requires:
            requiring[before].append(draft.id)
    for draft in sorted(kept.values(), key=lambda d: (not asks(d), share.get(d.id, 0.0))):
        gone = [kept[step] for step in reached(draft.id, requiring) if step in kept]
        if draft.id not in kept or always.intersection(one.id for one in gone):
            continue
        tally.drop_all(gone)
        if tally.freed_bytes >= needed_bytes:
            for one in gone:
                del kept[one.id]
        else:
            tally.add_all(gone)
