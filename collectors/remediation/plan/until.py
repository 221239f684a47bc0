"""The shortest safest plan that reaches a target: no step riskier than it must be, no risk that can be spared."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from collectors.model.filesystem import FsSpace
from collectors.remediation.plan.draft import Draft
from collectors.remediation.plan.order import risk_rank
from collectors.remediation.plan.unlocks import Tally, reached


@dataclass(frozen=True, slots=True)
class Chosen:
    """`freed_bytes` is what `steps` free together; `reaches` whether that is enough."""

    steps: tuple[Draft, ...]
    freed_bytes: int
    reaches: bool


def to_free_bytes(space: FsSpace, percent: float) -> int:
    """How much has to go until used is `percent` or less of what users may use. At or below 0: it is so already.

    For a whole `percent` that is when df prints it, which rounds up.
    """
    usable = space.used_bytes + space.available_bytes
    return space.used_bytes - math.floor(usable * percent / 100)


def percent_after(space: FsSpace, freed_bytes: int) -> int:
    """What df will print, rounded up as df does."""
    usable = space.used_bytes + space.available_bytes
    return max(0, -(-(space.used_bytes - freed_bytes) * 100 // usable)) if usable > 0 else 0


def choose(drafts: Sequence[Draft], needed_bytes: int, tally: Tally) -> Chosen:
    """The first steps, safest first, that free enough; then, from the last on, without those that can be spared.

    `tally` has none of the steps in it yet. Only steps of the riskiest kind that is needed are spared: whoever runs
    just the safer tiers of this plan gets all that those can do. A step that others require goes only together with
    them. Steps whose point is not bytes stay.
    """
    kept: dict[str, Draft] = {}
    for draft in drafts:
        if tally.freed_bytes >= needed_bytes:
            break
        kept[draft.id] = draft
        tally.add(draft.id)
    reaches = tally.freed_bytes >= needed_bytes
    for draft in drafts:
        if draft.frees_elsewhere and draft.id not in kept:
            kept[draft.id] = draft
            tally.add(draft.id)
    if reaches:
        _spare(kept, needed_bytes, tally)
    return Chosen(tuple(draft for draft in drafts if draft.id in kept), tally.freed_bytes, reaches)


def _spare(kept: dict[str, Draft], needed_bytes: int, tally: Tally) -> None:
    """Take out of `kept`, from the last on, what is not needed."""
    riskiest = max((_kind(draft) for draft in kept.values()), default=(0, False))
    requiring: defaultdict[str, list[str]] = defaultdict(list)
    for draft in kept.values():
        for before in draft.requires:
            requiring[before].append(draft.id)
    for draft in reversed(tuple(kept.values())):
        if draft.id not in kept or _kind(draft) != riskiest or draft.frees_elsewhere:
            continue
        gone = reached(draft.id, requiring) & kept.keys()
        for step in gone:
            tally.drop(step)
        if tally.freed_bytes >= needed_bytes:
            for step in gone:
                del kept[step]
        else:
            for step in gone:
                tally.add(step)


def _kind(draft: Draft) -> tuple[int, bool]:
    return risk_rank(draft.risk), not draft.automatic
