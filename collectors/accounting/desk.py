"""The desk on which items are made: one snapshot, one filesystem, its figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from collectors.accounting.figures import Figures
from collectors.accounting.use import Use, uses
from collectors.model.engine import Container
from collectors.model.ids import ContainerId
from collectors.model.ledger import Category, Item
from collectors.model.owner import Owner, OwnerKind
from collectors.model.reading import Exact, Origin, Size, Unavailable, Why
from collectors.model.snapshot import FilesystemStudy, Snapshot


@dataclass(frozen=True, slots=True)
class Desk:
    snapshot: Snapshot
    study: FilesystemStudy
    figures: Figures
    use: Use
    containers: Mapping[ContainerId, Container]
    origin: Origin

    def item(
        self,
        key: Owner,
        category: Category,
        name: str,
        *,
        state: str,
        free: bool | None,
        owner: str = "",
        created: datetime | None = None,
        used: datetime | None = None,
        fallback: Size | None = None,
        own_only: bool = False,
    ) -> Item:
        """The item of one owner.

        `free` says whether it can go now, None where that is not known. `own_only` shows what it alone adds, not what
        it stands on (a container without its image).
        """
        exclusive = self.figures.exclusive(key)
        referenced = exclusive if own_only else self.figures.referenced(key)
        note = ""
        if isinstance(referenced, Unavailable) and fallback is not None and not isinstance(fallback, Unavailable):
            referenced, note = fallback, "size as the engine reports it"
        return Item(
            id=key.id,
            owner_id=key,
            category=category,
            name=name,
            referenced=referenced,
            exclusive=exclusive,
            apparent=self.figures.apparent(key),
            reclaimable=self._reclaimable(key, exclusive, free),
            owner=owner,
            state=state,
            created_at=created,
            last_used_at=used,
            proof=(),
            note=note,
        )

    def _reclaimable(self, key: Owner, exclusive: Size, free: bool | None) -> Size:
        if free is not None:
            return exclusive if free else Exact(0, self.origin)
        if key.kind is OwnerKind.LOG:  # a log can be cut whoever writes it
            return exclusive
        return Unavailable(Why.NOT_REACHABLE, "it is not known whether anything uses it", self.origin)


def desk(snapshot: Snapshot, study: FilesystemStudy, figures: Figures, origin: Origin) -> Desk:
    """Lay out what items are made from."""
    listed = snapshot.engine.containers
    containers = {c.id: c for c in listed.value} if isinstance(listed, Exact) else {}
    return Desk(snapshot, study, figures, uses(snapshot.engine), containers, origin)
