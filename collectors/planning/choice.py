"""The steps of least harm that free enough: every milder one, and of the worst harm as few as will do.

Within a harm what may run unasked is taken before what is young or needs a person; then the fewest steps count, then
the most bytes. What steps free together is a set, never a sum, so up to `MOST_COMPARED` steps of one harm are compared
in every combination; of more, the largest are taken first and what turns out to be needless is taken out again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from collectors.model import dataclass
from collectors.model.plan import Harm
from collectors.planning.unlocks import Tally, closures, reached

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
class ChosenWay:
    """Steps towards a target: what they free for certain, and as far as one can guess (None: nothing is a guess)."""

    ids: frozenset[str]
    sure: int
    likely: int | None
    reaches: bool  # for certain, or at least if the guesses hold
    exact: bool


def way(steps: Sequence[Candidate], count: int, sure: Tally, likely: Tally | None) -> ChosenWay:
    """The least harm that is certain to free so much; else that which would if estimates hold; else all steps.

    The tallies have none of the steps in them yet.
    """
    certain = choose(steps, count, sure)
    if certain.reaches or likely is None:
        return ChosenWay(certain.ids, certain.freed, None, certain.reaches, certain.exact)
    guessed = choose(steps, count, likely)
    sure.drop_all(step for step in certain.steps if step.id not in guessed.ids)
    return ChosenWay(guessed.ids, sure.freed_bytes, guessed.freed, guessed.reaches, guessed.exact)


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
        mine, compared = _of_one_harm(by_harm[harm], always, needed_bytes, tally)
        kept.update(step.id for step in mine)
        exact &= compared
    reaches = tally.freed_bytes >= needed_bytes
    return Chosen(tuple(step for step in steps if step.id in kept), tally.freed_bytes, reaches, exact)


def _of_one_harm(
    steps: list[Candidate], always: frozenset[str], needed_bytes: int, tally: Tally
) -> tuple[list[Candidate], bool]:
    """What of these is taken; added to `tally`. And whether all choices were compared where there was one."""
    if tally.freed_bytes >= needed_bytes:
        mine = [step for step in steps if step.id in always]
        tally.add_all(mine)
        return mine, True
    tally.add_all(steps)
    if tally.freed_bytes < needed_bytes:
        return steps, True
    tally.drop_all(steps)
    return _cover(steps, always, needed_bytes, tally)


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
    requiring = _requiring(kept.values())
    for step in sorted(kept.values(), key=lambda d: (not d.asks, share.get(d.id, 0.0))):
        gone = [kept[one] for one in reached((step.id,), requiring) if one in kept]
        if step.id not in kept or always.intersection(one.id for one in gone):
            continue
        tally.drop_all(gone)
        if tally.freed_bytes >= needed_bytes:
            for one in gone:
                del kept[one.id]
        else:
            tally.add_all(gone)


def _requiring(steps: Iterable[Candidate]) -> Mapping[str, list[str]]:
    """By step, those that require it."""
    table: defaultdict[str, list[str]] = defaultdict(list)
    for step in steps:
        for before in step.requires:
            table[before].append(step.id)
    return table
