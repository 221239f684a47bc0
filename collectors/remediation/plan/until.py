"""The shortest safest plan that reaches a target: no step riskier than it must be, no risk that can be spared."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from collectors.model.filesystem import FsSpace
from collectors.remediation.plan.draft import Draft
from collectors.remediation.plan.order import risk_rank


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


def choose(drafts: Sequence[Draft], needed_bytes: int, freed: Callable[[frozenset[str]], int]) -> Chosen:
    """The first steps, safest first, that free enough; then, from the last on, without those that can be spared.

    Only steps of the riskiest kind that is needed are spared: whoever runs just the safer tiers of this plan gets all
    that those can do. A step that others require goes only together with them. Steps whose point is not bytes stay.
    """
    kept: list[Draft] = []
    for draft in drafts:
        if freed(_ids(kept)) >= needed_bytes:
            break
        kept.append(draft)
    reaches = freed(_ids(kept)) >= needed_bytes
    kept += [draft for draft in drafts if draft.frees_elsewhere and draft not in kept]
    if reaches:
        riskiest = max((_kind(draft) for draft in kept), default=(0, False))
        for draft in reversed(tuple(kept)):
            without = [d for d in kept if d.id not in _dependents(draft, kept)]
            spare = _kind(draft) == riskiest and not draft.frees_elsewhere
            if spare and freed(_ids(without)) >= needed_bytes:
                kept = without
    order = {draft.id: index for index, draft in enumerate(drafts)}
    kept.sort(key=lambda draft: order[draft.id])
    return Chosen(tuple(kept), freed(_ids(kept)), reaches)


def _kind(draft: Draft) -> tuple[int, bool]:
    return risk_rank(draft.risk), not draft.automatic


def _dependents(draft: Draft, drafts: Sequence[Draft]) -> frozenset[str]:
    """The step and everything that requires it."""
    gone = {draft.id}
    changed = True
    while changed:
        more = {d.id for d in drafts if d.requires & gone} - gone
        gone |= more
        changed = bool(more)
    return frozenset(gone)


def _ids(drafts: Sequence[Draft]) -> frozenset[str]:
    return frozenset(draft.id for draft in drafts)
