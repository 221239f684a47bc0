"""What steps free: the release table in terms of steps (which of them, all done, free which bytes), and their sizes.

Sets, never sums. Bytes that something holds which no step removes are never unlocked, however many of their other
holders go. A step's size is measured where the books know its targets, the engine's claim where nobody measured.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Protocol, TypeVar

from collectors.causes.base import Draft
from collectors.causes.plan_context import PlanContext
from collectors.ledger.unlisted import METHOD as CLAIMED
from collectors.model import Owner, OwnerKind, dataclass
from collectors.model.ledger import Release
from collectors.model.plan import Unlock
from collectors.model.reading import AtLeast, Between, Exact, Origin, Size, Unavailable, charged, floor

T = TypeVar("T")
Aliases = Mapping[Owner, frozenset[Owner]]


class Requiring(Protocol):
    """Whatever has an id and requires others by theirs: a draft, or less of one."""

    @property
    def id(self) -> str: ...

    @property
    def requires(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class Reduced:
    """`useful`: owners that some unlock is about; `blockers`: which kinds of owners else hold each step's bytes."""

    unlocks: tuple[Unlock, ...]
    useful: frozenset[Owner]
    blockers: Mapping[str, frozenset[OwnerKind]]


def reduce(releases: Iterable[Release], drafts: Sequence[Draft], aliases: Aliases) -> Reduced:
    """`aliases` maps an owner that goes by itself to the owners that all have to go for that."""
    step_of = {target: draft.id for draft in drafts for target in draft.targets}
    before = closures(drafts)
    cuts = {draft.id for draft in drafts if _only_cuts(draft)}
    table: dict[frozenset[str], Unlock] = {}
    useful: set[Owner] = set()
    blockers: defaultdict[str, set[OwnerKind]] = defaultdict(set)
    for release in releases:
        owners = _expand(release.owners, aliases)
        steps, stays = _parted(owners, step_of)
        if not steps or not release.bytes:
            continue
        if stays:
            for step in steps:
                blockers[step] |= stays
            continue
        useful |= owners
        together = frozenset[str]().union(*(before[step] for step in steps))
        inodes = 0 if steps <= cuts and release.inodes is not None else release.inodes
        table[together] = _more(table.get(together), Unlock(together, release.bytes, inodes))
    unlocks = tuple(sorted(table.values(), key=lambda unlock: (-unlock.bytes, sorted(unlock.steps))))
    return Reduced(unlocks, frozenset(useful), {step: frozenset(kinds) for step, kinds in blockers.items()})


def _only_cuts(draft: Draft) -> bool:
    """Does it free no inode? A log that is cut stays a file."""
    return all(target.kind is OwnerKind.LOG for target in draft.targets)


def _parted(owners: frozenset[Owner], step_of: Mapping[Owner, str]) -> tuple[set[str], set[OwnerKind]]:
    """The steps that remove some of these, and the kinds of those that stay.

    Kinds, not owners: a layer of a thousand images, half of which stay, would else be noted half a million times.
    """
    return {step_of[who] for who in owners if who in step_of}, {who.kind for who in owners if who not in step_of}


def _more(before: Unlock | None, more: Unlock) -> Unlock:
    if before is None:
        return more
    unknown = before.inodes is None or more.inodes is None
    inodes = None if unknown else (before.inodes or 0) + (more.inodes or 0)
    return Unlock(more.steps, before.bytes + more.bytes, inodes)


class Tally:
    """What a set of steps frees together, in bytes, while steps are added to it and taken out again.

    Each change costs as much as the unlocks that it is about, not as all of them. `claims` are the bytes of steps that
    no unlock tells of.
    """

    def __init__(self, unlocks: Iterable[Unlock], claims: Mapping[str, int]) -> None:
        everything = tuple(unlocks)
        self.freed_bytes = sum(unlock.bytes for unlock in everything if not unlock.steps)
        self._unlocks = everything
        self._bytes = [unlock.bytes for unlock in everything]
        self._lacking = [len(unlock.steps) for unlock in everything]
        self._about: defaultdict[str, list[int]] = defaultdict(list)
        for number, unlock in enumerate(everything):
            for step in unlock.steps:
                self._about[step].append(number)
        self._claims = claims

    def add(self, step: str) -> None:
        """A step that is not in the set."""
        self.freed_bytes += self._claims.get(step, 0)
        for number in self._about.get(step, ()):
            self._lacking[number] -= 1
            if not self._lacking[number]:
                self.freed_bytes += self._bytes[number]

    def drop(self, step: str) -> None:
        """A step that is in the set."""
        self.freed_bytes -= self._claims.get(step, 0)
        for number in self._about.get(step, ()):
            if not self._lacking[number]:
                self.freed_bytes -= self._bytes[number]
            self._lacking[number] += 1

    def add_all(self, steps: Iterable[Requiring]) -> None:
        """Steps that are not in the set."""
        for step in steps:
            self.add(step.id)

    def drop_all(self, steps: Iterable[Requiring]) -> None:
        """Steps that are in the set."""
        for step in steps:
            self.drop(step.id)

    def gains(self, steps: Iterable[str]) -> Mapping[frozenset[str], int]:
        """Which of these steps, none of them in the set, would add which bytes to it, only all together."""
        mine = frozenset(steps)
        table: defaultdict[frozenset[str], int] = defaultdict(int)
        for number in {number for step in mine for number in self._about.get(step, ())}:
            together = self._unlocks[number].steps & mine
            if len(together) == self._lacking[number]:
                table[together] += self._bytes[number]
        for step in mine & self._claims.keys():
            table[frozenset({step})] += self._claims[step]
        return table


def alone(unlocks: Iterable[Unlock]) -> Mapping[str, int]:
    """What each step frees by itself, in bytes; without those that free nothing by themselves."""
    sums: defaultdict[str, int] = defaultdict(int)
    for unlock in unlocks:
        if len(unlock.steps) == 1:
            sums[next(iter(unlock.steps))] += unlock.bytes
    return sums


def in_turn(unlocks: Iterable[Unlock], order: Sequence[str]) -> Mapping[str, int]:
    """What each step frees after those before it: the bytes of the unlocks that it completes."""
    frees = dict.fromkeys(order, 0)
    for step, unlock in _completed(unlocks, order):
        frees[step] += unlock.bytes
    return frees


def inodes_in_turn(unlocks: Iterable[Unlock], order: Sequence[str]) -> Mapping[str, int]:
    """As `in_turn`, inodes; a step of which they are not known is left out."""
    frees: dict[str, int] = {}
    unknown: set[str] = set()
    for step, unlock in _completed(unlocks, order):
        frees[step] = frees.get(step, 0) + (unlock.inodes or 0)
        unknown |= {step} if unlock.inodes is None else set()
    return {step: count for step, count in frees.items() if step not in unknown}


def _completed(unlocks: Iterable[Unlock], order: Sequence[str]) -> Iterator[tuple[str, Unlock]]:
    """The unlocks whose steps are all among these, each with the last of its steps."""
    place = {step: index for index, step in enumerate(order)}
    for unlock in unlocks:
        if unlock.steps and unlock.steps <= place.keys():
            yield max(unlock.steps, key=place.__getitem__), unlock


def _expand(owners: frozenset[Owner], aliases: Aliases) -> frozenset[Owner]:
    if not owners & aliases.keys():
        return owners
    return frozenset().union(*(aliases.get(who, frozenset({who})) for who in owners))


def closures(steps: Iterable[Requiring]) -> Mapping[str, frozenset[str]]:
    """Each step with all that it requires, directly or not, of those that there are."""
    by_id = {step.id: step.requires for step in steps}
    requires = {step: needed & by_id.keys() for step, needed in by_id.items()}
    return {step: reached((step,), requires) for step in requires}


def reached(starts: Iterable[T], edges: Mapping[T, Iterable[T]]) -> frozenset[T]:
    """These and everything that `edges` lead to from them, directly or not."""
    seen: set[T] = set()
    todo = list(starts)
    while todo:
        one = todo.pop()
        if one not in seen:
            seen.add(one)
            todo.extend(edges.get(one, ()))
    return frozenset(seen)


@dataclass(frozen=True, slots=True)
class Sizes:
    """The unlocks of a plan and what stands in for them where the books have nothing."""

    context: PlanContext
    unlocks: Sequence[Unlock]
    known: frozenset[Owner] = field(init=False)

    def __post_init__(self) -> None:
        owners = frozenset().union(*(release.owners for release in self.context.books.releases))
        object.__setattr__(self, "known", owners)

    def of(self, draft: Draft, bytes_in_turn: int) -> Size:
        """The step's bytes after the steps before it."""
        origin = self.context.origin(draft.id)
        if draft.estimate is not None:
            return draft.estimate
        unread = self.context.books.unread
        if isinstance(unread, Exact):
            return Exact(bytes_in_turn, origin)
        if not self.measured(draft) and draft.targets:
            return self._claim(draft, unread, origin)
        return AtLeast(bytes_in_turn, (unread,), origin) if draft.targets else Exact(0, origin)

    def measured(self, draft: Draft) -> bool:
        """Do the books know any of its targets?"""
        return isinstance(self.context.books.unread, Exact) or not self.known.isdisjoint(draft.targets)

    def nothing_alone(self, drafts: Iterable[Draft]) -> frozenset[str]:
        """Those that are known to free nothing by themselves, though perhaps together with others."""
        own = alone(self.unlocks)
        return frozenset(
            d.id
            for d in drafts
            if d.estimate is None and not d.frees_elsewhere and self.measured(d) and d.id not in own
        )

    def told(self, draft: Draft) -> bool:
        """Does anything say what it frees: the books, its own estimate or the engine?"""
        claimed = draft.claimed is not None and not isinstance(draft.claimed, Unavailable)
        return claimed or draft.estimate is not None or not draft.targets or self.measured(draft)

    def tally(self, drafts: Sequence[Draft], count: Callable[[Size], int] = floor) -> Tally:
        """Of none of these steps yet; an estimate counts by its least, or with `charged` by its best guess."""
        sizes = ((draft.id, self.of(draft, 0)) for draft in drafts)
        return Tally(self.unlocks, {one: count(size) for one, size in sizes if isinstance(size, Between)})

    def guesses(self, drafts: Iterable[Draft]) -> bool:
        """Is what any of these frees an estimate?"""
        return any(isinstance(self.of(draft, 0), Between) for draft in drafts)

    def _claim(self, draft: Draft, unread: Unavailable, origin: Origin) -> Size:
        if draft.claimed is None or isinstance(draft.claimed, Unavailable):
            return AtLeast(0, (unread,), origin)
        space = self.context.space
        best = charged(draft.claimed)
        return Between(best, 0, max(best, space.used_bytes if space else best), 1.0, CLAIMED, origin)
