"""Everything under the Docker root that is neither a layer nor its database: containers' files and logs, volumes,
plugins, temporary files, other drivers, and the engine's own files. So that no byte under the root is without a name.

Refuses to look inside any of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from collectors.drivers.base import Layout
from collectors.drivers.listing import entries, entries_if_there, unit, unit_at
from collectors.model.ids import ContainerId
from collectors.model.owner import Owner, OwnerKind
from collectors.model.store import Store, Unit, UnitKind

_KINDS = {
    "buildkit": UnitKind.BUILD_DATABASE,
    "plugins": UnitKind.PLUGIN,
    "tmp": UnitKind.TEMPORARY,
}


def rest(layout: Layout) -> tuple[Unit, ...]:
    """One unit for each child of the root, and deeper ones for containers, logs, volumes, plugins and other stores."""
    root = layout.root
    return (
        *(unit(one, _KINDS.get(one.name, UnitKind.ENGINE_FILES)) for one in entries(root)),
        *_outside(layout),
        *(one for path in layout.others for one in unit_at(path, UnitKind.OTHER_DRIVER, name=_below(root, path))),
        *_containers(layout),
        *_volumes(root),
        *_plugins(root),
    )


def records_of(store: Store, container: ContainerId) -> tuple[Unit, ...]:
    """What the layer database keeps of one container, apart from the database itself. Empty in other stores."""
    row = Path(store.root, "image", store.driver, "layerdb", "mounts", container)
    owner = frozenset({Owner(OwnerKind.CONTAINER, container)})
    return unit_at(row, UnitKind.CONTAINER_FILES, owners=owner)


def _outside(layout: Layout) -> tuple[Unit, ...]:
    """A containerd root that does not lie under the Docker root."""
    if layout.database.is_relative_to(layout.root):
        return ()
    return unit_at(layout.database, UnitKind.ENGINE_FILES, name="containerd")


def _containers(layout: Layout) -> Iterator[Unit]:
    for one in entries_if_there(layout.driver.containers(layout)):
        if not one.is_folder:
            continue
        owner = frozenset({Owner(OwnerKind.CONTAINER, one.name)})
        yield unit(one, UnitKind.CONTAINER_FILES, owners=owner)
        yield from _logs(one.name, layout.driver.log_paths(Path(one.path)), owner)


def _logs(container: str, paths: Iterable[str], owner: frozenset[Owner]) -> Iterator[Unit]:
    for path in paths:
        yield from unit_at(Path(path), UnitKind.LOG, name=container, owners=owner)


def _volumes(root: Path) -> tuple[Unit, ...]:
    """Each local volume; those of other drivers lie elsewhere. The database beside them is no volume."""
    return tuple(
        unit(one, UnitKind.VOLUME, owners=frozenset({Owner(OwnerKind.VOLUME, one.name)}))
        for one in entries_if_there(root / "volumes")
        if one.is_folder
    )


def _plugins(root: Path) -> Iterator[Unit]:
    """Each installed plugin; `storage` and `tmp` are the plugin store's own."""
    for one in entries_if_there(root / "plugins"):
        if one.is_folder and one.name not in ("storage", "tmp"):
            yield unit(one, UnitKind.PLUGIN, owners=frozenset({Owner(OwnerKind.PLUGIN, one.name)}))


def _below(root: Path, path: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
