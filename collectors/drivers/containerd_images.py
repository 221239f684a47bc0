"""Images, layers, containers and build records of the containerd store in the terms of the model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from collectors.drivers.buildkit import CacheRecord
from collectors.drivers.containerd import CONTENT, DOCKER_NAMESPACE, NamedSnapshot, Namespace, SnapshotDirectory
from collectors.drivers.files import Rows, read_json
from collectors.drivers.layerdb import chain_ids, diff_ids
from collectors.drivers.reachability import content_below, snapshot_label
from collectors.model.ids import CacheId, ChainId, ContainerId, DiffId, ImageId
from collectors.model.store import BuildSnapshot, ContainerLayers, Layer, StoredImage
from collectors.system.deadline import Malformed

_BY_DIGEST = "sha256:"
_PARENT_LABEL = "org.mobyproject.image.parent"
_HUB = ("docker.io/library/", "docker.io/")


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The images of one namespace, and the layers that they name and a snapshotter has."""

    images: Rows[StoredImage]
    layers: tuple[Layer, ...]  # `size_bytes` is the disk usage when it was committed


class View:
    """One snapshotter's part of Docker's namespace."""

    def __init__(
        self, daemon: Path, snapshotter: str, spaces: Iterable[Namespace], directories: Mapping[str, SnapshotDirectory]
    ) -> None:
        self._blobs = daemon / CONTENT / "blobs"
        self._snapshotter = snapshotter
        self._docker = next((space for space in spaces if space.name == DOCKER_NAMESPACE), None)
        self._directories = directories

    def unpacked(self) -> Unpacked:
        """Every image by the digest that it points at, with its tags and the chain that is unpacked, and those
        layers.
        """
        names: defaultdict[str, list[str]] = defaultdict(list)
        parents: dict[str, str] = {}
        for name, image in self._docker.images.items() if self._docker is not None else ():
            names[image.digest].append(name)
            if _PARENT_LABEL in image.labels:
                parents[image.digest] = image.labels[_PARENT_LABEL]
        good: list[StoredImage] = []
        broken: list[str] = []
        layers: dict[ChainId, Layer] = {}
        for digest, found in names.items():
            try:
                diffs = self._unpacked_diffs(digest)
            except (OSError, Malformed) as error:
                broken.append(f"image {digest}: {error}")
                continue
            chain = chain_ids(diffs)
            tags = tuple(sorted(_familiar(name) for name in found if "@" not in name))
            parent = ImageId(parents[digest]) if digest in parents else None
            good.append(StoredImage(ImageId(digest), tags, chain, parent))
            layers.update(self._layers(diffs, chain))
        return Unpacked(Rows(tuple(good), tuple(broken)), tuple(layers.values()))

    def _layers(self, diffs: Iterable[DiffId], chain: Iterable[ChainId]) -> Iterator[tuple[ChainId, Layer]]:
        below: ChainId | None = None
        for diff_id, chain_id in zip(diffs, chain, strict=True):
            row = self._row(chain_id)
            if row is not None and row.size_bytes is not None:
                yield chain_id, Layer(chain_id, below, diff_id, CacheId(str(row.number)), row.size_bytes)
            below = chain_id

    def container_layers(self, containers: Iterable[str]) -> tuple[ContainerLayers, ...]:
        """The snapshots that are named after a container."""
        return tuple(self._container_layers(containers))

    def _container_layers(self, containers: Iterable[str]) -> Iterator[ContainerLayers]:
        for container in containers:
            own, init = self._row(container), self._row(f"{container}-init")
            if own is not None:
                below = self._snapshot(f"{container}-init") or self._snapshot(container)
                parent = below.parent if below is not None else None
                yield ContainerLayers(
                    container_id=ContainerId(container),
                    mount_id=CacheId(str(own.number)),
                    init_id=CacheId(str(init.number)) if init is not None else None,
                    parent=ChainId(parent) if parent and parent.startswith(_BY_DIGEST) else None,
                )

    def build_snapshots(self, records: Iterable[CacheRecord]) -> tuple[BuildSnapshot, ...]:
        """One row for each cache record."""
        return tuple(
            BuildSnapshot(
                record.id,
                CacheId(str(row.number)) if (row := self._row(record.snapshot)) is not None else None,
                ChainId(record.snapshot) if record.snapshot.startswith(_BY_DIGEST) else None,
            )
            for record in records
        )

    def _unpacked_diffs(self, digest: str) -> tuple[DiffId, ...]:
        """The layers of the platform that is unpacked; empty when none is."""
        if self._docker is None:
            return ()
        for blob in content_below(self._docker, digest):
            if snapshot_label(self._docker.content.get(blob, {}), self._snapshotter) is not None:
                path = self._blobs / blob.replace(":", "/", 1)
                return diff_ids(read_json(path), str(path))
        return ()

    def _snapshot(self, key: str) -> NamedSnapshot | None:
        return self._docker.snapshots.get((self._snapshotter, key)) if self._docker is not None else None

    def _row(self, key: str) -> SnapshotDirectory | None:
        snapshot = self._snapshot(key)
        return self._directories.get(snapshot.stored_key) if snapshot is not None else None


def _familiar(name: str) -> str:
    """`docker.io/library/app:1` as the engine prints it: `app:1`."""
    for prefix in _HUB:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name
