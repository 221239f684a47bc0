"""Which folders under a graph driver's root belong to images, containers, build cache.

This is the lab's own reading of Docker's files, kept apart from the product's on purpose: it may take short cuts that
only hold here, where the mess knows every orphan. Refuses to measure, and the containerd store (`containerd_layout`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from tests.lab import engine

_DRIVER_FOLDERS = {"overlay2": "overlay2", "btrfs": "btrfs/subvolumes", "vfs": "vfs/dir"}


def driver_folder(docker_root: Path, driver: str) -> Path:
    """Where a graph driver keeps one directory or subvolume per layer."""
    return docker_root / _DRIVER_FOLDERS[driver]


def layer_folders(docker_root: Path, driver: str) -> set[Path]:
    """Everything that lies there now; btrfs makes the folder with its first layer."""
    return {path for path in driver_folder(docker_root, driver).glob("*") if path.name != "l"}


def chain_ids(diff_ids: Iterable[str]) -> list[str]:
    """The chain ids of a stack of layers, lowest first (OCI image specification)."""
    chain: list[str] = []
    for diff_id in diff_ids:
        below = f"{chain[-1]} {diff_id}".encode() if chain else None
        chain.append(diff_id if below is None else f"sha256:{hashlib.sha256(below).hexdigest()}")
    return chain


def image_chains(socket: Path) -> dict[str, list[str]]:
    """The chain ids of every image, untagged and intermediate ones included, by image id."""
    listed = engine.get(socket, "/images/json?all=1") or []
    inspected = {image["Id"]: engine.get(socket, f"/images/{image['Id']}/json") for image in listed}
    return {name: chain_ids(image["RootFS"].get("Layers") or []) for name, image in inspected.items()}


def layer_of(docker_root: Path, driver: str, chain_id: str) -> Path:
    """The directory or subvolume of one layer. Raises OSError if the layer database does not know it."""
    entry = docker_root / "image" / driver / "layerdb" / chain_id.replace(":", "/", 1)
    return driver_folder(docker_root, driver) / (entry / "cache-id").read_text().strip()


def image_layers(docker_root: Path, driver: str, socket: Path) -> dict[str, Path]:
    """The folders of all layers that some image uses, by chain id."""
    chains = {chain for chains in image_chains(socket).values() for chain in chains}
    return {chain: layer_of(docker_root, driver, chain) for chain in sorted(chains)}


def container_layers(docker_root: Path, driver: str) -> dict[str, list[Path]]:
    """The folders of each container (writable layer, init layer), by container id."""
    found = {}
    for entry in (docker_root / "image" / driver / "layerdb" / "mounts").glob("*"):
        names = [(entry / name).read_text().strip() for name in ("mount-id", "init-id") if (entry / name).exists()]
        found[entry.name] = [driver_folder(docker_root, driver) / name for name in names]
    return found


def log_files(docker_root: Path) -> list[Path]:
    """All log files of all containers, rotated ones included."""
    containers = docker_root / "containers"
    return sorted([*containers.glob("*/*-json.log*"), *containers.glob("*/local-logs/*")])


def volumes(docker_root: Path) -> list[Path]:
    """The folders of all volumes of the local driver."""
    return sorted(path for path in (docker_root / "volumes").glob("*") if path.is_dir())


def known_layers(docker_root: Path, driver: str) -> set[Path]:
    """Every folder that the layer database names, for an image, a build or a container."""
    folder = driver_folder(docker_root, driver)
    entries = (docker_root / "image" / driver / "layerdb").glob("sha256/*/cache-id")
    layers = {folder / entry.read_text().strip() for entry in entries}
    return layers | {path for pair in container_layers(docker_root, driver).values() for path in pair}
