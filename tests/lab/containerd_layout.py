"""Layers and content of the containerd image store: numbered snapshots, and blobs named by their digest.

Which snapshot is which stands in the snapshotter's own database, under keys `NAMESPACE/NUMBER/NAME`; the name is a
chain id, a container's id (with `-init`), or BuildKit's. Refuses to ask the engine: these are files only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.lab import bolt

_CONTAINER = re.compile(r"[0-9a-f]{64}(-init)?")
# Manifests and indexes are small; a layer must not be read to find out that it is none.
_LARGEST_MANIFEST_BYTES = 1024 * 1024


def _snapshotter(docker_root: Path) -> Path:
    return docker_root / "containerd/daemon/io.containerd.snapshotter.v1.overlayfs"


def _blobs(docker_root: Path) -> Path:
    return docker_root / "containerd/daemon/io.containerd.content.v1.content/blobs"


def snapshots(docker_root: Path) -> dict[str, Path]:
    """The folder of every snapshot that the database knows, by the last part of its key."""
    file = _snapshotter(docker_root) / "metadata.db"
    version = bolt.read(file).get(b"v1") if file.exists() else None
    known = version.get(b"snapshots") if isinstance(version, dict) else None
    found = {}
    for key, fields in (known if isinstance(known, dict) else {}).items():
        number = fields.get(b"id") if isinstance(fields, dict) else None
        if isinstance(number, bytes):
            name = key.decode().split("/", 2)[2]
            found[name] = _snapshotter(docker_root) / "snapshots" / str(_varint(number))
    return found


def _varint(data: bytes) -> int:
    """Go's unsigned varint: seven bits a byte, lowest first."""
    return sum((byte & 0x7F) << (7 * index) for index, byte in enumerate(data))


def layers(docker_root: Path, chain_ids: Iterable[str]) -> dict[str, Path]:
    """The snapshots of these chain ids; a layer that was never unpacked has none."""
    known = snapshots(docker_root)
    return {chain: known[chain] for chain in chain_ids if chain in known}


def containers(docker_root: Path) -> dict[str, list[Path]]:
    """The snapshots of each container (writable layer, init layer), by container id."""
    found: dict[str, list[Path]] = {}
    for name, path in sorted(snapshots(docker_root).items()):
        if _CONTAINER.fullmatch(name):
            found.setdefault(name.removesuffix("-init"), []).append(path)
    return found


def everything(docker_root: Path) -> set[Path]:
    """All snapshot folders and all blobs there are now, known or not."""
    return {*(_snapshotter(docker_root) / "snapshots").glob("*"), *_blobs(docker_root).glob("sha256/*")}


def content(docker_root: Path, digest: str) -> list[Path]:
    """A blob and all blobs that it leads to: an index to manifests, a manifest to its configuration and layers."""
    path = _blobs(docker_root) / digest.replace(":", "/", 1)
    if not path.exists():
        return []  # named by an index, for another platform or not pulled
    found = [path]
    if path.stat().st_size <= _LARGEST_MANIFEST_BYTES:
        for below in _descriptors(path.read_bytes()):
            found += content(docker_root, below)
    return found


def _descriptors(data: bytes) -> list[str]:
    try:
        document: Any = json.loads(data)
    except ValueError:
        return []
    if not isinstance(document, dict):
        return []
    listed = [*(document.get("manifests") or []), *(document.get("layers") or []), document.get("config")]
    return [entry["digest"] for entry in listed if isinstance(entry, dict) and "digest" in entry]
