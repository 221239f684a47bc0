"""What a run was to free, by the plan's books: of the steps that were done whole, together."""

from __future__ import annotations

from collectors.model.owner import Owner
from collectors.model.plan import Plan
from collectors.model.reading import AtLeast, Exact, Origin, Size, Unavailable, Why
from collectors.reclaim.outcome import StepResult


def predicted(plan: Plan, results: tuple[StepResult, ...], origin: Origin) -> Size:
    """Exact where every step that removed anything was done whole and measured before; else at least so much."""
    gone: dict[str, set[Owner]] = {}
    for result in results:
        gone.setdefault(result.step, set()).update(result.removed)
    done: set[str] = set()
    gaps: list[Unavailable] = []
    for step in plan.steps:
        removed = gone.get(step.id)
        if removed is None:
            continue
        if removed.issuperset(step.targets):
            done.add(step.id)
            if not isinstance(step.frees, Exact):
                gaps.append(Unavailable(Why.NOT_REPORTED, f"{step.title}: it was not measured before", origin))
        elif removed:
            words = f"{step.title}: {len(removed)} of {len(step.targets)} were removed"
            gaps.append(Unavailable(Why.NOT_APPLICABLE, words, origin))
    count = plan.frees_bytes(frozenset(done))
    return AtLeast(count, tuple(gaps), origin) if gaps else Exact(count, origin)
