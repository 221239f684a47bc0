"""What a run was to free, by the plan's books: of the steps that were done whole, together."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.model.plan import Plan
from collectors.model.reading import AtLeast, Exact, Origin, Size, Unavailable, Why
from collectors.remediation.apply.outcome import StepResult


def predicted(plan: Plan, results: Iterable[StepResult], origin: Origin) -> Size:
    """Exact where every step that removed anything was done whole and measured before; else at least so much."""
    done: set[str] = set()
    gaps: list[Unavailable] = []
    for result in results:
        gone = [target for target in result.targets if target.removed]
        if len(gone) == len(result.targets):
            done.add(result.step)
            if not isinstance(result.predicted, Exact):
                gaps.append(Unavailable(Why.NOT_REPORTED, f"{result.title}: it was not measured before", origin))
        elif gone:
            words = f"{result.title}: {len(gone)} of {len(result.targets)} were removed"
            gaps.append(Unavailable(Why.NOT_APPLICABLE, words, origin))
    count = plan.frees_bytes(frozenset(done))
    return AtLeast(count, tuple(gaps), origin) if gaps else Exact(count, origin)
