"""Which folders and files under a Docker root belong to images, containers, build cache, logs, volumes.

This is the lab's own reading of Docker's files, kept apart from the product's on purpose: it may take short cuts that
only hold here, where the mess knows every orphan. Refuses to measure. Graph drivers, the containerd store and Podman
keep their layers differently: `graph_layout`, `containerd_layout`, `podman_layout`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.lab import containerd_layout, engine, graph_layout, podman_layout


@dataclass(frozen=True, slots=True)
class Owned:
    """Who owns what, as far as the engine knows.

    `layers`: folder of each layer that an image uses, by chain id. `content`: files that an image has besides its
    layers (containerd: manifest, configuration, compressed layers), by image id. `containers`: writable and init layer,
    by container id. `rest`: every other layer folder or content file, which is build cache or an orphan.
    """

    chains: dict[str, list[str]]
    layers: dict[str, Path]
    content: dict[str, list[Path]]
    containers: dict[str, list[Path]]
    rest: set[Path]


def owned(docker_root: Path, driver: str, socket: Path) -> Owned:
    """Ask the engine for its images and the disk for their folders. Raises OSError."""
    if (docker_root / "db.sql").exists():
        return _owned_by_podman(docker_root, driver)
    chains = image_chains(socket)
    used = sorted({chain for stack in chains.values() for chain in stack})
    if driver == "containerd":
        layers = containerd_layout.layers(docker_root, used)
        content = {image: containerd_layout.content(docker_root, image) for image in chains}
        containers = containerd_layout.containers(docker_root)
        everything = containerd_layout.everything(docker_root)
    else:
        layers = {chain: graph_layout.layer(docker_root, driver, chain) for chain in used}
        content = {}
        containers = graph_layout.containers(docker_root, driver)
        everything = graph_layout.everything(docker_root, driver)
    return _owned(chains, layers, content, containers, everything)


def _owned(
    chains: dict[str, list[str]],
    layers: dict[str, Path],
    content: dict[str, list[Path]],
    containers: dict[str, list[Path]],
    everything: set[Path],
) -> Owned:
    taken = {*layers.values(), *(path for paths in [*content.values(), *containers.values()] for path in paths)}
    return Owned(chains, layers, content, containers, everything - taken)


def _owned_by_podman(docker_root: Path, driver: str) -> Owned:
    chains = podman_layout.chains(docker_root, driver)
    place = podman_layout.folder(docker_root, driver)
    return _owned(
        chains,
        {layer: place / layer for chain in chains.values() for layer in chain},
        {image: podman_layout.content(docker_root, driver, image) for image in chains},
        podman_layout.containers(docker_root, driver),
        podman_layout.everything(docker_root, driver),
    )


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


def log_files(docker_root: Path) -> list[Path]:
    """All log files of all containers, rotated ones included."""
    containers = docker_root / "containers"
    podman = docker_root.glob("*-containers/*/userdata/ctr.log*")
    return sorted([*containers.glob("*/*-json.log*"), *containers.glob("*/local-logs/*"), *podman])


def volumes(docker_root: Path) -> list[Path]:
    """The folders of all volumes of the local driver."""
    return sorted(path for path in (docker_root / "volumes").glob("*") if path.is_dir())
