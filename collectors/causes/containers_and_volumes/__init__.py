"""Containers that have ended, and volumes that no container mounts: what may be somebody's data.

Small stopped containers go by themselves, large ones only through a person. Volumes include those of builders that run
in containers, which no prune of the engine covers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from collectors.causes import base
from collectors.causes.base import KEPT, Cause, Draft, Proposal, because, unread
from collectors.causes.base import kept as kept_by_rule
from collectors.causes.finding_context import FindingContext, count, largest, mostly, owners
from collectors.causes.plan_context import PlanContext, holders, large_logs
from collectors.model import Owner, OwnerKind
from collectors.model.engine import Container, Volume
from collectors.model.ledger import Category
from collectors.model.plan import Finding, Harm, Risk, Severity
from collectors.model.reading import Exact, ceiling, charged
from collectors.model.settings import has_label, matches

ID = "stopped-containers"
ENDED = frozenset({"exited", "dead"})
_NO_END = "without a time at which it ended, so that nobody can tell whether it is about to go on"


def detect(context: FindingContext) -> Iterable[Finding]:
    """All of them together, as far as they are notable."""
    stopped = context.in_state(Category.CONTAINERS, *ENDED)
    freed = context.freed(owners(stopped))
    if stopped and context.notable(charged(freed)):
        claim = f"writable layers and logs of {count(len(stopped), 'stopped container')}{mostly(stopped)}"
        remedy = f"check whether their data is needed, then {context.tool} rm"
        yield Finding(ID, Severity.P4, claim, freed, largest(stopped), remedy, owners(stopped), True)


def propose(context: PlanContext) -> Proposal:
    """One step for each container that has ended, young ones marked."""
    listed = context.containers()
    if listed is None:
        return Proposal((), unread("Containers", context.engine.containers), reason="containers could not be listed")
    drafts: list[Draft] = []
    stay: Counter[str] = Counter()
    for container in listed:
        if container.state not in ENDED:
            continue
        idle = _idle_s(context, container)
        if kept(context, container):
            stay[KEPT] += 1
        elif idle is None:
            stay[_NO_END] += 1
        else:
            drafts.append(_draft(context, container, idle))
    said = (kept_by_rule(stay[KEPT], _plural(stay[KEPT]), "label or pattern"),) if stay[KEPT] else ()
    return Proposal(tuple(drafts), said, reason=because(stay, "the engine lists none any more"))


def kept(context: PlanContext, container: Container) -> bool:
    """Does a rule keep this container, and with it its log?"""
    return bool(
        has_label(container.labels, context.rules) or matches((container.name, container.id), context.rules.containers)
    )


def removed_by(context: PlanContext) -> Mapping[str, str]:
    """Container id → the step that removes it, also where that waits for its age or a person: so do its images then."""
    return {
        target.id: draft.id
        for draft in context.once(propose).drafts
        for target in draft.targets
        if target.kind is OwnerKind.CONTAINER
    }


def _idle_s(context: PlanContext, container: Container) -> float | None:
    ended = container.finished_at.value if isinstance(container.finished_at, Exact) else None
    who = Owner(OwnerKind.CONTAINER, container.id)
    return context.idle_s(who, [ended]) if ended is not None else None


def _draft(context: PlanContext, container: Container, idle_s: float) -> Draft:
    most = ceiling(container.writable)
    small = most is not None and most <= context.rules.container_small_bytes
    me, log = Owner(OwnerKind.CONTAINER, container.id), Owner(OwnerKind.LOG, container.id)
    cut_first = container.id in context.once(large_logs)  # a log's history is less than what only this container holds
    return Draft(
        id=me.text(),
        action="container.remove",
        title=f"Remove the stopped container {container.name}",
        command=base.ask_engine(context, "container", "rm", container.name or container.id[:12]),
        targets=(me,) if cut_first else (me, log),
        rank=50 if small else 170,
        within=(-idle_s, container.id),
        harm=Harm.STATE,
        risk=Risk.CAREFUL if small else Risk.DESTRUCTIVE,
        needs="it is still stopped" if small else "it is still stopped; a person who knows what it wrote",
        costs="its log and what it wrote outside volumes are lost; its volumes stay",
        undo="none; create it again from its image",
        automatic=small,
        requires=frozenset({log.text()} if cut_first else ()),
        claimed=container.writable,
        young_s=max(0.0, context.rules.least_s(context.rules.container_age_s) - idle_s),
    )


def _plural(count: int) -> str:
    return "stopped container" if count == 1 else "stopped containers"


LINE = "containers that have ended and keep their writable layers and logs"
REMOVER = "collectors.causes.containers_and_volumes.remove:Containers"
CONTAINERS = Cause(ID, Category.CONTAINERS, OwnerKind.CONTAINER, Harm.STATE, LINE, detect, propose, REMOVER)


VOLUMES_ID = "unused-volumes"


def detect_volumes(context: FindingContext) -> Iterable[Finding]:
    """Volumes that no container refers to: data, never deleted automatically."""
    unused = [i for i in context.items(Category.VOLUMES) if i.state.startswith("unused")]
    freed = context.freed(owners(unused))
    if unused and context.notable(charged(freed)):
        claim = f"{count(len(unused), 'volume')} that no container refers to{mostly(unused)}"
        remedy = f"data: inspect each, then {context.tool} volume rm by name"
        yield Finding(VOLUMES_ID, Severity.P4, claim, freed, largest(unused), remedy, owners(unused), True)


def propose_volumes(context: PlanContext) -> Proposal:
    """One step for each unreferenced volume; anonymous ones first."""
    if not isinstance(context.engine.volumes, Exact):
        return Proposal((), unread("Volumes", context.engine.volumes), reason="volumes could not be listed")
    use = context.once(holders)
    if not use.known:
        return Proposal((), unread("Volumes", context.engine.containers), reason="containers could not be listed")
    drafts: list[Draft] = []
    stay: Counter[str] = Counter()
    for volume in context.engine.volumes.value:
        if use.of_volume(volume.name) or (isinstance(volume.references, Exact) and volume.references.value > 0):
            stay["mounted by a container by now"] += 1
        elif has_label(volume.labels, context.rules) or matches((volume.name,), context.rules.volumes):
            stay[KEPT] += 1
        else:
            drafts.append(_volume_draft(context, volume))
    return Proposal(tuple(drafts), reason=because(stay, "the engine lists none any more"))


def _volume_draft(context: PlanContext, volume: Volume) -> Draft:
    made = context.idle_s(Owner(OwnerKind.VOLUME, volume.name), [volume.created_at.value]) if isinstance(
        volume.created_at, Exact
    ) else None  # fmt: skip
    return Draft(
        id=Owner(OwnerKind.VOLUME, volume.name).text(),
        action="volume.remove",
        title=f"Remove the {'anonymous ' if volume.anonymous else ''}volume {volume.name}",
        command=base.ask_engine(context, "volume", "rm", volume.name),
        targets=(Owner(OwnerKind.VOLUME, volume.name),),
        rank=180 if volume.anonymous else 190,
        within=(-(made or 0.0), volume.name),
        harm=Harm.DATA,
        risk=Risk.DESTRUCTIVE,
        needs="a person who knows what is in it; a copy of it",
        costs="its data is lost; databases live in volumes, in anonymous ones too",
        undo="none; only from a copy made before",
        automatic=False,
        claimed=volume.size,
    )


VOLUMES_LINE = "volumes that no container refers to"
VOLUME_REMOVER = "collectors.causes.containers_and_volumes.remove:Volumes"
VOLUMES = Cause(
    VOLUMES_ID,
    Category.VOLUMES,
    OwnerKind.VOLUME,
    Harm.DATA,
    VOLUMES_LINE,
    detect_volumes,
    propose_volumes,
    VOLUME_REMOVER,
)


BUILDER_ID = "builder-volumes"
_BUILDER_VOLUME = re.compile(r"buildx_buildkit_.+_state")
_BUILDER_CONTAINER = "buildx_buildkit_"


def detect_builder(context: FindingContext) -> Iterable[Finding]:
    """All of them together, as far as they are notable."""
    volumes = context.items(Category.VOLUMES)
    # One without its container is a volume that nothing uses, like any other: told as that alone.
    states = [i for i in volumes if _BUILDER_VOLUME.fullmatch(i.name) and not i.state.startswith("unused")]
    amount = context.sum(item.referenced for item in states)
    if states and context.notable(charged(amount)):
        claim = f"{count(len(states), 'container builder')} with a cache of its own in a volume{mostly(states)}"
        remedy = "docker buildx prune --builder NAME, or docker buildx rm NAME"
        yield Finding(
            BUILDER_ID, context.severity(amount), claim, amount, largest(states), remedy, owners(states), True
        )


def propose_builder(context: PlanContext) -> Proposal:
    """One proposal for each builder whose container still holds its cache; without one the volume is like any other."""
    use = context.once(holders)
    if not isinstance(context.engine.volumes, Exact) or not use.known:
        return Proposal(reason="volumes or containers could not be listed")
    # What is removed as a stopped container, each by the step of its name.
    gone = frozenset(target for draft in context.once(propose).drafts for target in draft.targets)
    drafts, keeps = [], 0
    for volume in context.engine.volumes.value:
        users = use.of_volume(volume.name)
        if not _is_builder(volume, users):
            continue
        if _kept_builder(context, volume, users):
            keeps += 1
            continue
        drafts.append(_draft_builder(context, volume, users, gone))
    said = (kept_by_rule(keeps, "container builders", "label or pattern"),) if keeps else ()
    stay = {KEPT: keeps}
    return Proposal(tuple(drafts), said, reason=because(stay, "something that is no builder mounts their volumes too"))


def _is_builder(volume: Volume, users: Sequence[Container]) -> bool:
    """Do builders, and nobody else, have it mounted?"""
    if not _BUILDER_VOLUME.fullmatch(volume.name) or not users:
        return False
    return all(user.name.startswith(_BUILDER_CONTAINER) for user in users)


def _kept_builder(context: PlanContext, volume: Volume, users: tuple[Container, ...]) -> bool:
    mine = has_label(volume.labels, context.rules) or matches((volume.name,), context.rules.volumes)
    return bool(mine) or any(kept(context, user) for user in users)


def _draft_builder(context: PlanContext, volume: Volume, users: tuple[Container, ...], gone: frozenset[Owner]) -> Draft:
    node = volume.name.removeprefix(_BUILDER_CONTAINER).removesuffix("_state")
    both = [(Owner(OwnerKind.CONTAINER, user.id), Owner(OwnerKind.LOG, user.id)) for user in users]
    earlier = frozenset(container.text() for container, _ in both if container in gone)
    mine = [who for pair in both if pair[0] not in gone for who in pair]
    remove = base.ask_engine(context, "container", "rm", "--force", *(user.name for user in users))
    return Draft(
        id=f"builder:{node}",
        action="builder.remove",
        title=f"Remove the container builder {node} with its build cache",
        command=f"{remove} && {base.ask_engine(context, 'volume', 'rm', volume.name)}",
        targets=(*mine, Owner(OwnerKind.VOLUME, volume.name)),
        rank=150,
        within=(node,),
        harm=Harm.TIME,
        risk=Risk.DESTRUCTIVE,
        needs="no build running in it; docker buildx rm NAME does the same and forgets the builder too, "
        "docker buildx prune --builder NAME empties it and keeps it",
        costs="its builds start without a cache; the next build that names it makes it again",
        undo="none needed: builds fill the cache again",
        automatic=False,
        requires=earlier,
        claimed=volume.size,
    )


BUILDER_LINE = "container builders of buildx, with a cache that the engine's prune does not cover"
BUILDER = Cause(
    BUILDER_ID, Category.VOLUMES, OwnerKind.VOLUME, Harm.TIME, BUILDER_LINE, detect_builder, propose_builder
)
