"""Layers of the graph drivers (overlay2, btrfs, vfs): one folder or subvolume each, named by the layer database.

Refuses to ask the engine: these are files only.
"""

from __future__ import annotations

from pathlib import Path

_FOLDERS = {"overlay2": "overlay2", "btrfs": "btrfs/subvolumes", "vfs": "vfs/dir"}


def folder(docker_root: Path, driver: str) -> Path:
    """Where a driver keeps its layers."""
    return docker_root / _FOLDERS[driver]


def everything(docker_root: Path, driver: str) -> set[Path]:
    """All layer folders there are now, known or not; btrfs makes the place for them with its first one."""
    return {path for path in folder(docker_root, driver).glob("*") if path.name != "l"}


def content(layer_folder: Path, driver: str) -> Path:
    """Where a layer's own files lie; overlay2 keeps its notes beside them."""
    return layer_folder / "diff" if driver == "overlay2" else layer_folder


def layer(docker_root: Path, driver: str, chain_id: str) -> Path:
    """The folder of one layer. Raises OSError if the layer database does not know it."""
    entry = docker_root / "image" / driver / "layerdb" / chain_id.replace(":", "/", 1)
    return folder(docker_root, driver) / (entry / "cache-id").read_text().strip()


def containers(docker_root: Path, driver: str) -> dict[str, list[Path]]:
    """The folders of each container (writable layer, init layer), by container id."""
    found = {}
    for entry in (docker_root / "image" / driver / "layerdb" / "mounts").glob("*"):
        names = [(entry / name).read_text().strip() for name in ("mount-id", "init-id") if (entry / name).exists()]
        found[entry.name] = [folder(docker_root, driver) / name for name in names]
    return found


def known(docker_root: Path, driver: str) -> set[Path]:
    """Every folder that the layer database names, for an image, a build or a container."""
    entries = (docker_root / "image" / driver / "layerdb").glob("sha256/*/cache-id")
    layers = {folder(docker_root, driver) / entry.read_text().strip() for entry in entries}
    return layers | {path for pair in containers(docker_root, driver).values() for path in pair}
