"""Volumes that no container mounts. Proposed one by one, by name, to a person; never removed by themselves."""

from __future__ import annotations

from collectors.model.engine import Volume
from collectors.model.owner import Owner, OwnerKind
from collectors.model.plan import Risk
from collectors.model.reading import Exact
from collectors.remediation.plan import commands, explain
from collectors.remediation.plan.case import Case
from collectors.remediation.plan.draft import Draft, Found, Rank
from collectors.remediation.plan.keep import has_label, matches
from collectors.remediation.plan.use import holders


def volumes(case: Case) -> Found:
    """One step for each unreferenced volume; anonymous ones first."""
    if not isinstance(case.engine.volumes, Exact):
        return Found(left_out=(explain.unread("Volumes", case.engine.volumes),))
    use = holders(case)
    if not use.known:
        return Found(left_out=(explain.unread("Volumes", case.engine.containers),))
    drafts = [
        _draft(case, volume)
        for volume in case.engine.volumes.value
        if not use.of_volume(volume.name)
        and not (isinstance(volume.references, Exact) and volume.references.value > 0)
        and not has_label(volume.labels, case.rules)
        and not matches((volume.name,), case.rules.volumes)
    ]
    return Found(tuple(drafts))


def _draft(case: Case, volume: Volume) -> Draft:
    made = case.idle_s(Owner(OwnerKind.VOLUME, volume.name), [volume.created_at.value]) if isinstance(
        volume.created_at, Exact
    ) else None  # fmt: skip
    return Draft(
        id=Owner(OwnerKind.VOLUME, volume.name).text(),
        action="volume.remove",
        title=f"Remove the {'anonymous ' if volume.anonymous else ''}volume {volume.name}",
        command=commands.line(case.tool, "volume", "rm", volume.name),
        targets=(Owner(OwnerKind.VOLUME, volume.name),),
        rank=Rank.ANONYMOUS_VOLUME if volume.anonymous else Rank.NAMED_VOLUME,
        within=(-(made or 0.0), volume.name),
        risk=Risk.DESTRUCTIVE,
        needs="somebody who knows what is in it; a copy of it",
        costs="its data is lost; databases live in volumes, in anonymous ones too",
        undo="none; only from a copy made before",
        automatic=False,
        rules=("unused-volumes",),
        claimed=volume.size,
    )
