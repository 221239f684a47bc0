"""Builders that run in containers: their cache lies in a volume that no prune of the engine's looks at."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.diagnosis.rules.docker import BUILDER_VOLUME
from collectors.model.engine import Container, Volume
from collectors.model.owner import Owner, OwnerKind
from collectors.model.plan import Risk
from collectors.model.reading import Exact
from collectors.remediation.plan import commands, explain
from collectors.remediation.plan.case import Case
from collectors.remediation.plan.containers import kept
from collectors.remediation.plan.draft import Draft, Found, Rank
from collectors.remediation.plan.keep import has_label, matches
from collectors.remediation.plan.use import holders

_CONTAINER = "buildx_buildkit_"


def builders(case: Case, removed: Iterable[Owner]) -> Found:
    """One proposal for each builder whose container still holds its cache; without one the volume is like any other.

    `removed`: what other steps take away already, each by the step of its name.
    """
    use = holders(case)
    if not isinstance(case.engine.volumes, Exact) or not use.known:
        return Found()
    gone = frozenset(removed)
    drafts, keeps = [], 0
    for volume in case.engine.volumes.value:
        users = use.of_volume(volume.name)
        if not BUILDER_VOLUME.fullmatch(volume.name) or not users:
            continue
        if not all(user.name.startswith(_CONTAINER) for user in users):
            continue
        if _kept(case, volume, users):
            keeps += 1
            continue
        drafts.append(_draft(case, volume, users, gone))
    said = (explain.kept(keeps, "container builders", "label or pattern"),) if keeps else ()
    return Found(tuple(drafts), said)


def _kept(case: Case, volume: Volume, users: tuple[Container, ...]) -> bool:
    mine = has_label(volume.labels, case.rules) or matches((volume.name,), case.rules.volumes)
    return bool(mine) or any(kept(case, user) for user in users)


def _draft(case: Case, volume: Volume, users: tuple[Container, ...], gone: frozenset[Owner]) -> Draft:
    node = volume.name.removeprefix(_CONTAINER).removesuffix("_state")
    both = [(Owner(OwnerKind.CONTAINER, user.id), Owner(OwnerKind.LOG, user.id)) for user in users]
    earlier = frozenset(container.text() for container, _ in both if container in gone)
    mine = [who for pair in both if pair[0] not in gone for who in pair]
    remove = commands.line(case.tool, "container", "rm", "--force", *(user.name for user in users))
    return Draft(
        id=f"builder:{node}",
        action="builder.remove",
        title=f"Remove the container builder {node} with its build cache",
        command=f"{remove} && {commands.line(case.tool, 'volume', 'rm', volume.name)}",
        targets=(*mine, Owner(OwnerKind.VOLUME, volume.name)),
        rank=Rank.BUILDER,
        within=(node,),
        risk=Risk.DESTRUCTIVE,
        needs="no build running in it; `docker buildx rm NAME` does the same and forgets the builder too, "
        "`docker buildx prune --builder NAME` empties it and keeps it",
        costs="its builds start cold, and it is made again by the next build that names it",
        undo="none needed: builds fill the cache again",
        automatic=False,
        requires=earlier,
        rules=("builder-volumes",),
        claimed=volume.size,
    )
