"""The release table in terms of steps: which steps, all of them done, free which bytes. Sets, never sums.

Bytes that something holds which no step removes are never unlocked, however many of their other holders go.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from collectors.model.ids import OwnerId
from collectors.model.ledger import Release
from collectors.model.plan import Unlock
from collectors.remediation.plan.draft import Draft

Aliases = Mapping[OwnerId, frozenset[OwnerId]]


@dataclass(frozen=True, slots=True)
class Reduced:
    """`useful` are the owners that some unlock is about; `blockers` what else holds the bytes of each step."""

    unlocks: tuple[Unlock, ...]
    useful: frozenset[OwnerId]
    blockers: Mapping[str, frozenset[OwnerId]]


def reduce(releases: Iterable[Release], drafts: Sequence[Draft], aliases: Aliases) -> Reduced:
    """`aliases` maps an owner that goes by itself to the owners that all have to go for that."""
    step_of = {target: draft.id for draft in drafts for target in draft.targets}
    before = _closures(drafts)
    table: defaultdict[frozenset[str], int] = defaultdict(int)
    useful: set[OwnerId] = set()
    blockers: defaultdict[str, set[OwnerId]] = defaultdict(set)
    for release in releases:
        owners = _expand(release.owners, aliases)
        steps = {step_of[who] for who in owners if who in step_of}
        stays = {who for who in owners if who not in step_of}
        if not steps or not release.bytes:
            continue
        if stays:
            for step in steps:
                blockers[step] |= stays
            continue
        useful |= owners
        table[frozenset().union(*(before[step] for step in steps))] += release.bytes
    unlocks = tuple(Unlock(steps, count) for steps, count in sorted(table.items(), key=lambda i: (-i[1], sorted(i[0]))))
    return Reduced(unlocks, frozenset(useful), {step: frozenset(who) for step, who in blockers.items()})


def freed(unlocks: Iterable[Unlock], done: frozenset[str]) -> int:
    """What these steps free together, in bytes."""
    return sum(unlock.bytes for unlock in unlocks if unlock.steps <= done)


def in_turn(unlocks: Iterable[Unlock], order: Sequence[str]) -> Mapping[str, int]:
    """What each step frees after those before it: the bytes of the unlocks that it completes."""
    place = {step: index for index, step in enumerate(order)}
    frees = dict.fromkeys(order, 0)
    for unlock in unlocks:
        if unlock.steps <= place.keys():
            frees[max(unlock.steps, key=place.__getitem__)] += unlock.bytes
    return frees


def _expand(owners: frozenset[OwnerId], aliases: Aliases) -> frozenset[OwnerId]:
    if not owners & aliases.keys():
        return owners
    return frozenset().union(*(aliases.get(who, frozenset({who})) for who in owners))


def _closures(drafts: Sequence[Draft]) -> Mapping[str, frozenset[str]]:
    """Each step with all that it requires, directly or not."""
    requires = {draft.id: draft.requires for draft in drafts}
    answer: dict[str, frozenset[str]] = {}
    for step in requires:
        seen: set[str] = set()
        todo = [step]
        while todo:
            one = todo.pop()
            if one not in seen:
                seen.add(one)
                todo.extend(requires.get(one, ()))
        answer[step] = frozenset(seen)
    return answer
