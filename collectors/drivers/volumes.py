"""Local volumes: one directory each below `<root>/volumes`. Volumes of other drivers and of `-o device=` lie
elsewhere.
"""

from __future__ import annotations

from pathlib import Path

from collectors.drivers.listing import entries_if_there, unit
from collectors.model.owner import Owner, OwnerKind
from collectors.model.store import Unit, UnitKind


def volume_units(root: Path) -> tuple[Unit, ...]:
    """Every directory below `<root>/volumes`; the volume database beside them is no volume. OSError when unreadable."""
    return tuple(
        unit(one, UnitKind.VOLUME, owners=frozenset({Owner(OwnerKind.VOLUME, one.name)}))
        for one in entries_if_there(root / "volumes")
        if one.is_folder
    )
