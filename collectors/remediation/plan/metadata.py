"""How much btrfs metadata each step frees: the sharing table's metadata column, by the same sets as data."""

from __future__ import annotations

from collections.abc import Sequence

from collectors.model.ids import OwnerId
from collectors.model.ledger import Release
from collectors.model.reading import Exact
from collectors.remediation.plan.case import Case
from collectors.remediation.plan.draft import Draft


def releases(case: Case) -> tuple[Release, ...]:
    """Logical metadata bytes by the owners that all have to go; empty where the trees were not walked."""
    sharing = case.btrfs.sharing if case.btrfs else None
    if not isinstance(sharing, Exact):
        return ()
    owners_of = {unit.id: unit.owners for unit in case.units}
    found = []
    for row in sharing.value.rows:
        held = [owners_of.get(holder, frozenset[OwnerId]()) for holder in row.holders]
        if row.metadata_bytes and held and all(held):
            found.append(Release(frozenset().union(*held), row.metadata_bytes))
    return tuple(found)


def place_for(order: Sequence[Draft], frees: Sequence[int], lacking_bytes: int) -> int | None:
    """The index before which the steps have freed `lacking_bytes` of metadata; None where they never do."""
    total = 0
    if lacking_bytes <= 0:
        return 0
    for index, (draft, freed) in enumerate(zip(order, frees, strict=True)):
        if draft.automatic:
            total += freed
        if total >= lacking_bytes:
            return index + 1
    return None
