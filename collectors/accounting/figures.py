"""Figures per owner, looked up many times: referenced, exclusive, apparent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from collectors.accounting.books import Held, held
from collectors.model.filesystem import Occupancy
from collectors.model.ledger import Books
from collectors.model.owner import Owner, OwnerKind
from collectors.model.reading import Exact, Origin, Size, Unavailable, Why
from collectors.model.store import Unit
from collectors.model.sums import total


@dataclass(frozen=True, slots=True)
class Figures:
    """The three sizes of an owner. An owner without any measured unit has none of them, and they say so."""

    units: Mapping[Owner, tuple[Unit, ...]]
    occupancy: Occupancy | None
    bytes: Held | None
    absent: Unavailable
    origin: Origin

    def referenced(self, owner: Owner) -> Size:
        """Every byte that the owner holds, shared ones too."""
        return self._measured(owner, self.bytes.referenced_bytes.get(owner, 0)) if self.bytes else self.absent

    def exclusive(self, owner: Owner) -> Size:
        """What comes free when the owner alone goes; a container takes its log along."""
        if self.bytes is None:
            return self.absent
        count = self.bytes.exclusive_bytes.get(owner, 0)
        if owner.kind is OwnerKind.CONTAINER:
            count += self.bytes.exclusive_bytes.get(Owner(OwnerKind.LOG, owner.id), 0)
        return self._measured(owner, count)

    def apparent(self, owner: Owner) -> Size:
        """Σ st_size of everything that the owner holds."""
        mine = self.units.get(owner)
        if self.occupancy is None or not mine:
            return self.absent
        usages = self.occupancy.usages
        return total((usages[u.id].apparent if u.id in usages else self.absent for u in mine), self.origin)

    def _measured(self, owner: Owner, count: int) -> Size:
        mine = self.units.get(owner)
        if self.occupancy is None or not mine:
            return self.absent
        usages = self.occupancy.usages
        gaps: list[Size] = []
        for unit in mine:
            usage = usages.get(unit.id)
            if usage is None:
                gaps.append(self.absent)
            elif not isinstance(usage.allocated, Exact):
                gaps.extend(_gap(usage.allocated))
        return total([Exact(count, self.origin), *gaps], self.origin)


def figures(units: Iterable[Unit], occupancy: Occupancy | None, books: Books | None, origin: Origin) -> Figures:
    """Index units by owner and work out what each owner holds."""
    everything = tuple(units)
    index: defaultdict[Owner, list[Unit]] = defaultdict(list)
    for unit in everything:
        for owner in unit.owners:
            index[owner].append(unit)
    known = held(everything, occupancy.shares, books) if occupancy and books else None
    absent = Unavailable(Why.NOT_REACHABLE, "its directory was not found or not read", origin)
    return Figures({o: tuple(mine) for o, mine in index.items()}, occupancy, known, absent, origin)


def _gap(allocated: Size) -> list[Size]:
    missing = getattr(allocated, "missing", None)
    if missing is not None:
        return list(missing)
    return [allocated] if isinstance(allocated, Unavailable) else []
