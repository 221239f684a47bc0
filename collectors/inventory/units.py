"""The units of one filesystem that Docker makes: its directories, and bind mounts. A pure join by path.

Owners that only make sense across sources are named here: a log is an owner of its own, so that it can be cut
while its container lives; a proven orphan belongs to itself, and so does what an interrupted write or a former driver
left behind.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace

from collectors.model.engine import Container
from collectors.model.filesystem import Mount
from collectors.model.ids import UnitId
from collectors.model.owner import Owner, OwnerKind
from collectors.model.reading import Exact, Reading
from collectors.model.store import Orphanhood, Store, Unit, UnitKind
from collectors.system.places import Places, within


def docker_units(store: Store, mount: Mount, places: Places) -> tuple[Unit, ...]:
    """The units of the store that lie on `mount`, with their owners completed."""
    if not isinstance(store.units, Exact):
        return ()
    orphans: frozenset[UnitId] = frozenset()
    if isinstance(store.orphans, Exact):
        orphans = frozenset(p.unit for p in store.orphans.value if p.verdict is Orphanhood.ORPHAN)
    here = (unit for unit in store.units.value if places.on(unit.path, mount))
    stays = not store.driver_facts.clears_unfinished
    return tuple(_owned(unit, orphans, stays) for unit in here)


def _owned(unit: Unit, orphans: frozenset[UnitId], stays: bool) -> Unit:
    if unit.kind is UnitKind.LOG:
        names = (owner.id for owner in unit.owners if owner.kind is OwnerKind.CONTAINER)
        return replace(unit, owners=frozenset(Owner(OwnerKind.LOG, name) for name in names))
    if unit.id in orphans:
        return replace(unit, owners=frozenset({Owner(OwnerKind.ORPHAN, unit.path)}))
    if unit.kind is UnitKind.OTHER_DRIVER or (unit.kind is UnitKind.INTERRUPTED_WRITE and stays):
        return replace(unit, owners=frozenset({Owner(OwnerKind.LEFTOVER, unit.path)}))
    return unit


def bind_units(containers: Iterable[Container], docker_root: str, mount: Mount, places: Places) -> tuple[Unit, ...]:
    """Host directories that containers mount, each once, named after their containers.

    They have no owners: removing the container does not remove them. A directory that holds the Docker root, or the
    root of the filesystem, would swallow everything else and is left out.
    """
    users: dict[str, set[str]] = {}
    for container in containers:
        for attached in container.attachments:
            source = os.path.normpath(attached.source) if attached.source.startswith("/") else ""
            if attached.kind != "bind" or not source or within(docker_root, source) or within(source, docker_root):
                continue
            if source != mount.mountpoint and places.on(source, mount):
                users.setdefault(source, set()).add(container.name)
    outer = [path for path in sorted(users) if not any(path != other and within(path, other) for other in users)]
    return tuple(
        Unit(UnitId(path), UnitKind.BIND, path, ", ".join(sorted(users[path])), frozenset(), False, None)
        for path in outer
    )


def listed(reading: Reading[tuple[Container, ...]]) -> tuple[Container, ...]:
    """The containers, or none where they could not be listed."""
    return reading.value if isinstance(reading, Exact) else ()
