"""Stopped containers: small ones by themselves, large ones only through a person, since that may be somebody's data.

A container that was created and never started is left alone: somebody is about to start it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from collectors.model.engine import Container
from collectors.model.owner import Owner, OwnerKind
from collectors.model.plan import Risk
from collectors.model.reading import Exact
from collectors.model.sums import ceiling
from collectors.remediation.plan import commands, explain
from collectors.remediation.plan.case import Case
from collectors.remediation.plan.draft import Draft, Found, Rank
from collectors.remediation.plan.keep import has_label, matches

ENDED = frozenset({"exited", "dead"})


def containers(case: Case) -> Found:
    """One step for each container that ended long enough ago."""
    listed = case.containers()
    if listed is None:
        return Found(left_out=(explain.unread("Containers", case.engine.containers),))
    drafts: list[Draft] = []
    count: defaultdict[str, int] = defaultdict(int)
    for container in listed:
        if container.state not in ENDED:
            continue
        if kept(case, container):
            count["kept"] += 1
            continue
        idle = _idle_s(case, container)
        if idle is None or idle < case.rules.container_age_s:
            count["young"] += 1
            continue
        drafts.append(_draft(case, container, idle))
    sentences = []
    if count["kept"]:
        sentences.append(explain.kept(count["kept"], _plural(count["kept"]), "label or pattern"))
    if count["young"]:
        sentences.append(explain.too_young(count["young"], _plural(count["young"])))
    return Found(tuple(drafts), tuple(sentences))


def kept(case: Case, container: Container) -> bool:
    """Does a rule keep this container, and with it its log?"""
    return bool(
        has_label(container.labels, case.rules) or matches((container.name, container.id), case.rules.containers)
    )


def removed_by(found: Found) -> Mapping[str, str]:
    """Container id → the step that removes it by itself."""
    return {
        target.id: draft.id
        for draft in found.drafts
        if draft.automatic
        for target in draft.targets
        if target.kind is OwnerKind.CONTAINER
    }


def _idle_s(case: Case, container: Container) -> float | None:
    ended = container.finished_at.value if isinstance(container.finished_at, Exact) else None
    who = Owner(OwnerKind.CONTAINER, container.id)
    return case.idle_s(who, [ended]) if ended is not None else None


def _draft(case: Case, container: Container, idle_s: float) -> Draft:
    most = ceiling(container.writable)
    small = most is not None and most <= case.rules.container_small_bytes
    return Draft(
        id=Owner(OwnerKind.CONTAINER, container.id).text(),
        action="container.remove",
        title=f"Remove the stopped container {container.name}",
        command=commands.line(case.tool, "container", "rm", container.name or container.id[:12]),
        targets=(Owner(OwnerKind.CONTAINER, container.id), Owner(OwnerKind.LOG, container.id)),
        rank=Rank.CONTAINER if small else Rank.LARGE_CONTAINER,
        within=(-idle_s, container.id),
        risk=Risk.CAREFUL if small else Risk.DESTRUCTIVE,
        needs="it is still stopped" if small else "it is still stopped; somebody who knows what it wrote",
        costs="its log and what it wrote outside volumes are lost; its volumes stay",
        undo="none; create it again from its image",
        automatic=small,
        rules=("stopped-containers",),
        claimed=container.writable,
    )


def _plural(count: int) -> str:
    return "stopped container" if count == 1 else "stopped containers"
