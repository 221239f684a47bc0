"""Builders that run in containers: their cache lies in a volume that no prune of the engine's looks at."""

from __future__ import annotations

import re
from collections.abc import Iterable

from collectors.causes import commands, stopped_containers
from collectors.causes.base import Cause, Draft, Proposal
from collectors.causes.commands import kept as kept_by_rule
from collectors.causes.finding_context import FindingContext, count, largest, owners
from collectors.causes.holders import holders
from collectors.causes.plan_context import PlanContext
from collectors.model.engine import Container, Volume
from collectors.model.finding import Finding
from collectors.model.ledger import Category
from collectors.model.owner import Owner, OwnerKind
from collectors.model.plan import Harm, Risk
from collectors.model.reading import Exact, charged
from collectors.model.settings import has_label, matches

ID = "builder-volumes"
_VOLUME = re.compile(r"buildx_buildkit_.+_state")
_CONTAINER = "buildx_buildkit_"


def detect(context: FindingContext) -> Iterable[Finding]:
    """All of them together, as far as they are notable."""
    states = [i for i in context.items(Category.VOLUMES) if _VOLUME.fullmatch(i.name)]
    amount = context.sum(item.referenced for item in states)
    if states and context.notable(charged(amount)):
        claim = f"{count(len(states), 'container builder')} with a cache of its own in a volume"
        remedy = "docker buildx prune --builder NAME, or docker buildx rm NAME"
        yield Finding(ID, context.severity(amount), claim, amount, largest(states), remedy, owners(states), True)


def propose(context: PlanContext) -> Proposal:
    """One proposal for each builder whose container still holds its cache; without one the volume is like any other."""
    use = context.once(holders)
    if not isinstance(context.engine.volumes, Exact) or not use.known:
        return Proposal()
    # What is removed as a stopped container, each by the step of its name.
    gone = frozenset(target for draft in context.once(stopped_containers.propose).drafts for target in draft.targets)
    drafts, keeps = [], 0
    for volume in context.engine.volumes.value:
        users = use.of_volume(volume.name)
        if not _VOLUME.fullmatch(volume.name) or not users:
            continue
        if not all(user.name.startswith(_CONTAINER) for user in users):
            continue
        if _kept(context, volume, users):
            keeps += 1
            continue
        drafts.append(_draft(context, volume, users, gone))
    said = (kept_by_rule(keeps, "container builders", "label or pattern"),) if keeps else ()
    return Proposal(tuple(drafts), said)


def _kept(context: PlanContext, volume: Volume, users: tuple[Container, ...]) -> bool:
    mine = has_label(volume.labels, context.rules) or matches((volume.name,), context.rules.volumes)
    return bool(mine) or any(stopped_containers.kept(context, user) for user in users)


def _draft(context: PlanContext, volume: Volume, users: tuple[Container, ...], gone: frozenset[Owner]) -> Draft:
    node = volume.name.removeprefix(_CONTAINER).removesuffix("_state")
    both = [(Owner(OwnerKind.CONTAINER, user.id), Owner(OwnerKind.LOG, user.id)) for user in users]
    earlier = frozenset(container.text() for container, _ in both if container in gone)
    mine = [who for pair in both if pair[0] not in gone for who in pair]
    remove = commands.line(context.tool, "container", "rm", "--force", *(user.name for user in users))
    return Draft(
        id=f"builder:{node}",
        action="builder.remove",
        title=f"Remove the container builder {node} with its build cache",
        command=f"{remove} && {commands.line(context.tool, 'volume', 'rm', volume.name)}",
        targets=(*mine, Owner(OwnerKind.VOLUME, volume.name)),
        rank=150,
        within=(node,),
        harm=Harm.TIME,
        risk=Risk.DESTRUCTIVE,
        needs="no build running in it; `docker buildx rm NAME` does the same and forgets the builder too, "
        "`docker buildx prune --builder NAME` empties it and keeps it",
        costs="its builds start without a cache; the next build that names it makes it again",
        undo="none needed: builds fill the cache again",
        automatic=False,
        requires=earlier,
        claimed=volume.size,
    )


LINE = "container builders of buildx, with a cache that the engine's prune does not cover"
CAUSE = Cause(ID, Category.VOLUMES, OwnerKind.VOLUME, Harm.TIME, LINE, detect, propose)
