"""A plan cut at its target, and what is said about the target."""

from __future__ import annotations

from collectors.model.filesystem import FsSpace
from collectors.remediation.plan import explain
from collectors.remediation.plan.draft import Draft
from collectors.remediation.plan.sizes import Sizes
from collectors.remediation.plan.until import choose, percent_after, to_free_bytes


def cut(
    space: FsSpace | None, percent: float, order: tuple[Draft, ...], sizes: Sizes
) -> tuple[tuple[Draft, ...], tuple[str, ...]]:
    """The shortest safest steps: those that may run by themselves if they suffice, else all that a person may add."""
    target = f"{percent:g}"
    if space is None:
        return order, (explain.target_unknown(target),)
    needed = to_free_bytes(space, percent)
    if needed <= 0:
        return tuple(d for d in order if d.frees_elsewhere), (explain.target_reached(target, str(space.used_percent)),)

    alone = choose([draft for draft in order if draft.automatic], needed, sizes.tally(order))
    if alone.reaches:
        return alone.steps, ()
    everything = choose(order, needed, sizes.tally(order))
    if everything.reaches:
        return everything.steps, (explain.target_needs_person(target),)
    reached = percent_after(space, everything.freed_bytes)
    return everything.steps, (explain.target_missed(target, str(reached)),)
