"""What a step frees, as a size: measured where the books know its targets, the engine's claim where nobody measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from collectors.accounting.claims import METHOD as CLAIMED
from collectors.causes.base import Draft
from collectors.causes.plan_context import PlanContext
from collectors.model.owner import Owner
from collectors.model.plan import Unlock
from collectors.model.reading import AtLeast, Between, Exact, Origin, Size, Unavailable
from collectors.model.sums import charged
from collectors.planning.unlocks import Tally


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

    def tally(self, drafts: Sequence[Draft]) -> Tally:
        """Of none of these steps yet; claims count at their best estimate."""
        claims = {d.id: charged(d.claimed) for d in drafts if d.claimed is not None and not self.measured(d)}
        return Tally(self.unlocks, claims)

    def _claim(self, draft: Draft, unread: Unavailable, origin: Origin) -> Size:
        if draft.claimed is None or isinstance(draft.claimed, Unavailable):
            return AtLeast(0, (unread,), origin)
        space = self.context.space
        best = charged(draft.claimed)
        return Between(best, 0, max(best, space.used_bytes if space else best), 1.0, CLAIMED, origin)
