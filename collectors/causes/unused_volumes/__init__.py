"""Volumes that no container mounts. Proposed one by one, by name, to a person; never removed by themselves."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.causes import commands
from collectors.causes.base import Cause, Draft, Proposal
from collectors.causes.commands import unread
from collectors.causes.finding_context import FindingContext, count, largest, owners
from collectors.causes.holders import holders
from collectors.causes.plan_context import PlanContext
from collectors.model.engine import Volume
from collectors.model.finding import Finding, Severity
from collectors.model.ledger import Category
from collectors.model.owner import Owner, OwnerKind
from collectors.model.plan import Harm, Risk
from collectors.model.reading import Exact, charged
from collectors.model.settings import has_label, matches

ID = "unused-volumes"


def detect(context: FindingContext) -> Iterable[Finding]:
    """Volumes that no container refers to: data, never deleted automatically."""
    unused = [i for i in context.items(Category.VOLUMES) if i.state.startswith("unused")]
    freed = context.freed(owners(unused))
    if unused and context.notable(charged(freed)):
        claim = f"{count(len(unused), 'volume')} that no container refers to"
        remedy = "data: inspect each, then docker volume rm by name"
        yield Finding(ID, Severity.P4, claim, freed, largest(unused), remedy, owners(unused), True)


def propose(context: PlanContext) -> Proposal:
    """One step for each unreferenced volume; anonymous ones first."""
    if not isinstance(context.engine.volumes, Exact):
        return Proposal(left_out=(unread("Volumes", context.engine.volumes),))
    use = context.once(holders)
    if not use.known:
        return Proposal(left_out=(unread("Volumes", context.engine.containers),))
    drafts = [
        _draft(context, volume)
        for volume in context.engine.volumes.value
        if not use.of_volume(volume.name)
        and not (isinstance(volume.references, Exact) and volume.references.value > 0)
        and not has_label(volume.labels, context.rules)
        and not matches((volume.name,), context.rules.volumes)
    ]
    return Proposal(tuple(drafts))


def _draft(context: PlanContext, volume: Volume) -> Draft:
    made = context.idle_s(Owner(OwnerKind.VOLUME, volume.name), [volume.created_at.value]) if isinstance(
        volume.created_at, Exact
    ) else None  # fmt: skip
    return Draft(
        id=Owner(OwnerKind.VOLUME, volume.name).text(),
        action="volume.remove",
        title=f"Remove the {'anonymous ' if volume.anonymous else ''}volume {volume.name}",
        command=commands.line(context.tool, "volume", "rm", volume.name),
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


LINE = "volumes that no container refers to"
REMOVER = "collectors.causes.unused_volumes.remove:Volumes"
CAUSE = Cause(ID, Category.VOLUMES, OwnerKind.VOLUME, Harm.DATA, LINE, detect, propose, REMOVER)
