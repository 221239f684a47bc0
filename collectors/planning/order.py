"""The order of a plan: safest first; within a risk by the `rank` that each cause gives its drafts, for these reasons.

1. What is already deleted only needs waiting for.
2. A balance changes no file; it stands first only where it can work, else after what frees metadata.
3. Old build cache makes itself again; cache mounts need a network for it.
4. Forgotten downloads and build contexts are copies of what somebody else has; dangling images may be a way back;
   stopped containers take logs and what they wrote with them, and make their images removable; tagged images, longest
   unused first, may have to be built or pulled; cache that images shared frees its bytes only after them.
5. Orphans with proof stand before truncated logs: nothing refers to them, while a log is evidence. The rule never to
   touch orphans is about unproved ones, and those are never here.
6. Interrupted writes come after orphans: they are small, and need the engine stopped.
7. Old journals, a builder's cache, a process that holds deleted files, large stopped containers, volumes, snapshots
   and a former driver's directories may hold somebody's data: a person does, or names, each.

A step that only frees something together with a riskier one takes that one's place and risk.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from heapq import heappop, heappush

from collectors.causes.base import Draft
from collectors.model.plan import Risk, Unlock

RISKS = (Risk.SAFE, Risk.CAREFUL, Risk.DESTRUCTIVE)


def risk_rank(risk: Risk) -> int:
    """0 safe, 1 careful, 2 destructive."""
    return RISKS.index(risk)


def promote(drafts: Iterable[Draft], unlocks: Iterable[Unlock]) -> tuple[Draft, ...]:
    """Each step with the risk and place of the safest set of steps in which it frees anything."""
    by_id = {draft.id: draft for draft in drafts}
    best: dict[str, tuple[int, bool, int]] = {}
    for unlock in unlocks:
        group = [by_id[step] for step in unlock.steps]
        cost = (
            max(risk_rank(d.risk) for d in group),
            any(not d.automatic for d in group),
            max(d.rank for d in group),
        )
        for step in unlock.steps:
            best[step] = min(best.get(step, cost), cost)
    return tuple(_promoted(draft, best.get(draft.id)) for draft in by_id.values())


def ordered(drafts: Iterable[Draft], place: Mapping[str, int] | None = None) -> tuple[Draft, ...]:
    """Safest first; a step never stands before one that it requires. `place` overrides ranks inside a risk."""
    places = place or {}

    def key(draft: Draft) -> tuple[int, bool, int, int, tuple[float | str, ...], str]:
        return (
            risk_rank(draft.risk),
            not draft.automatic,
            places.get(draft.id, 0),
            draft.rank,
            draft.within,
            draft.id,
        )

    wanted = sorted(drafts, key=key)
    place_of = {draft.id: index for index, draft in enumerate(wanted)}
    blocks: defaultdict[str, list[int]] = defaultdict(list)
    lacking = [0] * len(wanted)
    for index, draft in enumerate(wanted):
        for before in draft.requires & place_of.keys():
            blocks[before].append(index)
            lacking[index] += 1
    ready = [index for index, count in enumerate(lacking) if not count]  # in order: a heap already
    result: list[Draft] = []
    while ready:
        draft = wanted[heappop(ready)]
        result.append(draft)
        for index in blocks[draft.id]:
            lacking[index] -= 1
            if not lacking[index]:
                heappush(ready, index)
    if len(result) < len(wanted):
        stuck = (draft.id for draft, count in zip(wanted, lacking, strict=True) if count)
        raise ValueError(f"steps require each other: {', '.join(stuck)}")
    return tuple(result)


def _promoted(draft: Draft, cost: tuple[int, bool, int] | None) -> Draft:
    if cost is None or draft.only_waits:
        return draft
    risk, by_hand, rank = cost
    if (risk, by_hand) <= (risk_rank(draft.risk), not draft.automatic):
        return draft
    return replace(
        draft,
        risk=max(draft.risk, RISKS[risk], key=risk_rank),
        automatic=draft.automatic and not by_hand,
        rank=max(rank, draft.rank),
    )
