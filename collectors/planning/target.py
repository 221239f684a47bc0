"""A plan trimmed to its target: no step riskier than it must be, no risk that can be spared; and what is said of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from collectors.causes.base import Draft
from collectors.model.filesystem import FsSpace, most_used_bytes
from collectors.planning import left_out
from collectors.planning.order import risk_rank
from collectors.planning.unlocks import Sizes, Tally, reached


@dataclass(frozen=True, slots=True)
class Chosen:
    """`freed_bytes` is what `steps` free together; `reaches` whether that is enough."""

    steps: tuple[Draft, ...]
    freed_bytes: int
    reaches: bool


@dataclass(frozen=True, slots=True)
class TrimmedPlan:
    """The steps that stay, in their order, and the sentences about the target."""

    steps: tuple[Draft, ...]
    left_out: tuple[str, ...]


def trim_to_target(space: FsSpace | None, percent: float, order: tuple[Draft, ...], sizes: Sizes) -> TrimmedPlan:
    """The shortest safest steps: those that may run by themselves if they suffice, else all that a person may add."""
    target = f"{percent:g}"
    if space is None:
        return TrimmedPlan(order, (left_out.target_unknown(target),))
    needed = to_free_bytes(space, percent)
    if needed <= 0:
        stay = tuple(d for d in order if d.frees_elsewhere)
        return TrimmedPlan(stay, (left_out.target_reached(target, str(space.used_percent)),))
    alone = choose([draft for draft in order if draft.automatic], needed, sizes.tally(order))
    if alone.reaches:
        return TrimmedPlan(alone.steps, ())
    everything = choose(order, needed, sizes.tally(order))
    if everything.reaches:
        return TrimmedPlan(everything.steps, (left_out.target_needs_person(target),))
    reachable = space.used_percent_after(everything.freed_bytes)
    return TrimmedPlan(everything.steps, (left_out.target_missed(target, str(reachable)),))


def to_free_bytes(space: FsSpace, percent: float) -> int:
    """How much has to go until used is `percent` or less of what users may use. At or below 0: it is so already.

    That is when the used % shows it.
    """
    return space.used_bytes - most_used_bytes(percent, space.usable_bytes)


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
