"""Everything under the Docker root that is neither a layer nor its database: containers' files and logs, volumes,
plugins, temporary files, other drivers, and the engine's own files. So that no byte under the root is without a name.

Refuses to look inside any of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from collectors.drivers import logs
from collectors.drivers.layout import Family, Layout
from collectors.drivers.listing import entries, entries_if_there, unit, unit_at
from collectors.drivers.volumes import volume_units
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
        *volume_units(root),
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
    podman = layout.family is Family.PODMAN
    folder = layout.root / (f"{layout.driver}-containers" if podman else "containers")
    for one in entries_if_there(folder):
        if not one.is_folder:
            continue
        owner = frozenset({Owner(OwnerKind.CONTAINER, one.name)})
        yield unit(one, UnitKind.CONTAINER_FILES, owners=owner)
        found = logs.podman_paths_of(Path(one.path)) if podman else logs.paths_of(Path(one.path))
        yield from _logs(one.name, found, owner)


def _logs(container: str, paths: Iterable[str], owner: frozenset[Owner]) -> Iterator[Unit]:
    for path in paths:
        yield from unit_at(Path(path), UnitKind.LOG, name=container, owners=owner)


def _plugins(root: Path) -> Iterator[Unit]:
    """Each installed plugin; `storage` and `tmp` are the plugin store's own."""
    for one in entries_if_there(root / "plugins"):
        if one.is_folder and one.name not in ("storage", "tmp"):
            yield unit(one, UnitKind.PLUGIN, owners=frozenset({Owner(OwnerKind.PLUGIN, one.name)}))


def _below(root: Path, path: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
