"""Layers of Podman's storage: one folder each, tied to images and containers by lists in JSON.

Layers are named by an id of the storage's own, not by a chain id. Refuses to ask the engine: these are files only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FOLDERS = {"overlay2": "overlay", "btrfs": "btrfs/subvolumes", "vfs": "vfs/dir"}


def _listed(docker_root: Path, driver: str, what: str, files: tuple[str, ...]) -> list[dict[str, Any]]:
    folder = docker_root / f"{_FOLDERS[driver].split('/')[0]}-{what}"
    return [entry for name in files if (folder / name).exists() for entry in json.loads((folder / name).read_text())]


def folder(docker_root: Path, driver: str) -> Path:
    """Where the storage keeps its layers."""
    return docker_root / _FOLDERS[driver]


def everything(docker_root: Path, driver: str) -> set[Path]:
    """All layer folders there are now, known or not."""
    known = {"l", "tempdirs"}
    return {path for path in folder(docker_root, driver).glob("*") if path.is_dir() and path.name not in known}


def chains(docker_root: Path, driver: str) -> dict[str, list[str]]:
    """The layers of every image, lowest first, by image id with its `sha256:`."""
    listed = _listed(docker_root, driver, "layers", ("layers.json", "volatile-layers.json"))
    parents: dict[str, str] = {layer["id"]: layer.get("parent", "") for layer in listed}
    found = {}
    for image in _listed(docker_root, driver, "images", ("images.json",)):
        chain: list[str] = []
        layer = image.get("layer", "")
        while layer:
            chain.insert(0, layer)
            layer = parents[layer]
        found[f"sha256:{image['id']}"] = chain
    return found


def containers(docker_root: Path, driver: str) -> dict[str, list[Path]]:
    """The writable layer of each container, by its id."""
    files = ("containers.json", "volatile-containers.json")
    return {
        entry["id"]: [folder(docker_root, driver) / entry["layer"]]
        for entry in _listed(docker_root, driver, "containers", files)
    }


def content(docker_root: Path, driver: str, image: str) -> list[Path]:
    """The folder with an image's manifest and configuration."""
    top = _FOLDERS[driver].split("/")[0]
    return [docker_root / f"{top}-images" / image.removeprefix("sha256:")]
