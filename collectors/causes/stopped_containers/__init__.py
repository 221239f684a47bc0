"""Stopped containers: small ones by themselves, large ones only through a person, since that may be somebody's data.

A container that was created and never started is left alone: somebody is about to start it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from collectors.causes import commands
from collectors.causes.base import Cause, Draft, Proposal
from collectors.causes.commands import KEPT, because, unread
from collectors.causes.commands import kept as kept_by_rule
from collectors.causes.finding_context import FindingContext, count, largest, mostly, owners
from collectors.causes.holders import large_logs
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
        command=commands.line(context.tool, "container", "rm", container.name or container.id[:12]),
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
REMOVER = "collectors.causes.stopped_containers.remove:Containers"
CAUSE = Cause(ID, Category.CONTAINERS, OwnerKind.CONTAINER, Harm.STATE, LINE, detect, propose, REMOVER)
