"""Stopped containers: small ones by themselves, large ones only through a person, since that may be somebody's data.

A container that was created and never started is left alone: somebody is about to start it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from collectors.causes import commands
from collectors.causes.base import Cause, Draft, Proposal
from collectors.causes.commands import kept as kept_by_rule
from collectors.causes.commands import too_young, unread
from collectors.causes.finding_context import FindingContext, count, largest, owners
from collectors.causes.plan_context import PlanContext
from collectors.model.engine import Container
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category
from collectors.model.owner import Owner, OwnerKind
from collectors.model.plan import Harm, Risk
from collectors.model.reading import Exact, ceiling, charged
from collectors.model.settings import has_label, matches

ID = "stopped-containers"
ENDED = frozenset({"exited", "dead"})


def detect(context: FindingContext) -> Iterable[Finding]:
    """All of them together, as far as they are notable."""
    stopped = context.in_state(Category.CONTAINERS, *ENDED)
    freed = context.freed(owners(stopped))
    if stopped and context.notable(charged(freed)):
        claim = f"writable layers and logs of {count(len(stopped), 'stopped container')}"
        remedy = "check whether their data is needed, then docker rm"
        yield Finding(ID, Severity.P4, claim, freed, largest(stopped), remedy, owners(stopped), True)


def propose(context: PlanContext) -> Proposal:
    """One step for each container that ended long enough ago."""
    listed = context.containers()
    if listed is None:
        return Proposal(left_out=(unread("Containers", context.engine.containers),))
    drafts: list[Draft] = []
    number: defaultdict[str, int] = defaultdict(int)
    for container in listed:
        if container.state not in ENDED:
            continue
        if kept(context, container):
            number["kept"] += 1
            continue
        idle = _idle_s(context, container)
        if idle is None or idle < context.rules.container_age_s:
            number["young"] += 1
            continue
        drafts.append(_draft(context, container, idle))
    sentences = []
    if number["kept"]:
        sentences.append(kept_by_rule(number["kept"], _plural(number["kept"]), "label or pattern"))
    if number["young"]:
        sentences.append(too_young(number["young"], _plural(number["young"])))
    return Proposal(tuple(drafts), tuple(sentences))


def kept(context: PlanContext, container: Container) -> bool:
    """Does a rule keep this container, and with it its log?"""
    return bool(
        has_label(container.labels, context.rules) or matches((container.name, container.id), context.rules.containers)
    )


def removed_by(context: PlanContext) -> Mapping[str, str]:
    """Container id → the step that removes it without a person."""
    return {
        target.id: draft.id
        for draft in context.once(propose).drafts
        if draft.automatic
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
    return Draft(
        id=Owner(OwnerKind.CONTAINER, container.id).text(),
        action="container.remove",
        title=f"Remove the stopped container {container.name}",
        command=commands.line(context.tool, "container", "rm", container.name or container.id[:12]),
        targets=(Owner(OwnerKind.CONTAINER, container.id), Owner(OwnerKind.LOG, container.id)),
        rank=50 if small else 170,
        within=(-idle_s, container.id),
        harm=Harm.STATE,
        risk=Risk.CAREFUL if small else Risk.DESTRUCTIVE,
        needs="it is still stopped" if small else "it is still stopped; a person who knows what it wrote",
        costs="its log and what it wrote outside volumes are lost; its volumes stay",
        undo="none; create it again from its image",
        automatic=small,
        claimed=container.writable,
    )


def _plural(count: int) -> str:
    return "stopped container" if count == 1 else "stopped containers"


LINE = "containers that have ended and keep their writable layers and logs"
REMOVER = "collectors.causes.stopped_containers.remove:Containers"
CAUSE = Cause(ID, Category.CONTAINERS, OwnerKind.CONTAINER, Harm.STATE, LINE, detect, propose, REMOVER)
