"""Images, layers, containers and build records of a containerd store in the terms of the model.

Docker's by the names that its engine gives them; those of a containerd without an engine with their namespace, and with
the containers that use them, which its database knows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from collectors.drivers.bolt_holders import CacheRecord, container_id, content_below, image_id, snapshot_label
from collectors.drivers.containerd import CONTENT, NamedContainer, NamedSnapshot, Namespace, SnapshotDirectory
from collectors.drivers.files import Rows, read_json
from collectors.drivers.layerdb import chain_ids, diff_ids
from collectors.model import CacheId, ChainId, DiffId, ImageId, dataclass
from collectors.model.store import BuildSnapshot, ContainerLayers, Layer, StoredImage
from collectors.system.deadline import Malformed

_BY_DIGEST = "sha256:"
_PARENT_LABEL = "org.mobyproject.image.parent"
_HUB = ("docker.io/library/", "docker.io/")


# What Kubernetes calls a container, and what nerdctl does.
_NAME_LABELS = ("io.kubernetes.container.name", "nerdctl/name")
_PINNED = "io.cri-containerd.pinned"  # an image that Kubernetes' client never removes


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The images of some namespaces, and the layers that they name and a snapshotter has."""

    images: Rows[StoredImage]
    layers: tuple[Layer, ...]  # `size_bytes` is the disk usage when it was committed


def unpacked(views: Iterable[View]) -> Unpacked:
    """The images and layers of several namespaces together."""
    every = [view.unpacked() for view in views]
    images: dict[ImageId, StoredImage] = {}
    for image in (image for one in every for image in one.images.good):
        # A view tells every image of its namespace; of several snapshotters' the one that has it unpacked.
        known = images.get(image.id)
        images[image.id] = image if known is None or len(known.chain) < len(image.chain) else known
    broken = dict.fromkeys(words for one in every for words in one.images.broken)
    layers = {layer.chain_id: layer for one in reversed(every) for layer in one.layers}
    return Unpacked(Rows(tuple(images.values()), tuple(broken)), tuple(layers.values()))


class View:
    """One snapshotter's part of one namespace."""

    def __init__(
        self,
        daemon: Path,
        snapshotter: str,
        space: Namespace,
        directories: Mapping[str, SnapshotDirectory],
        *,
        docker: bool,
    ) -> None:
        """`docker`: is this the part of an engine, which names images in its own way, and alone knows their users?"""
        self._blobs = daemon / CONTENT / "blobs"
        self._snapshotter = snapshotter
        self._space = space
        self._docker = docker
        self._directories = directories

    def unpacked(self) -> Unpacked:
        """Every image by the digest that it points at, with its tags and the chain that is unpacked, and those
        layers.
        """
        names: defaultdict[str, list[str]] = defaultdict(list)
        parents: dict[str, str] = {}
        for name, image in self._space.images.items():
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
            parent = ImageId(parents[digest]) if digest in parents else None
            known = image_id(self._space, digest)
            good.append(StoredImage(known, self._tags(found), chain, parent, self._users(found)))
            layers.update(self._layers(diffs, chain))
        return Unpacked(Rows(tuple(good), tuple(broken)), tuple(layers.values()))

    def _tags(self, names: Iterable[str]) -> tuple[str, ...]:
        """As the engine prints them; another client's with its namespace, and by digest where it has no other name."""
        tags = sorted(name for name in names if "@" not in name and not name.startswith(_BY_DIGEST))
        if self._docker:
            return tuple(map(_familiar, tags))
        return tuple(f"{self._space.name}/{name}" for name in tags or sorted(names))

    def _users(self, names: Iterable[str]) -> tuple[str, ...] | None:
        """The containers that were made from it, by their names; of Docker's only the engine knows."""
        if self._docker:
            return None
        mine = frozenset(names)
        pinned = any(self._space.images[name].labels.get(_PINNED) == "pinned" for name in mine)
        users = sorted(_called(name, one) for name, one in self._space.containers.items() if one.image in mine)
        return (*users, *(("pinned",) if pinned else ()))

    def _layers(self, diffs: Iterable[DiffId], chain: Iterable[ChainId]) -> Iterator[tuple[ChainId, Layer]]:
        below: ChainId | None = None
        for diff_id, chain_id in zip(diffs, chain, strict=True):
            row = self._row(chain_id)
            if row is not None and row.size_bytes is not None:
                yield chain_id, Layer(chain_id, below, diff_id, CacheId(str(row.number)), row.size_bytes)
            below = chain_id

    def container_layers(self, containers: Iterable[str]) -> Iterator[ContainerLayers]:
        """The snapshots that are named after a container, Docker's and those that the namespace has itself."""
        for container in (*containers, *self._space.containers) if self._docker else self._space.containers:
            own, init = self._row(self._key(container)), self._row(f"{container}-init")
            if own is not None:
                below = self._snapshot(f"{container}-init") or self._snapshot(container)
                parent = below.parent if below is not None else None
                yield ContainerLayers(
                    container_id=container_id(self._space, container),
                    mount_id=CacheId(str(own.number)),
                    init_id=CacheId(str(init.number)) if init is not None else None,
                    parent=ChainId(parent) if parent and parent.startswith(_BY_DIGEST) else None,
                    name=self._name(container),
                )

    def _key(self, container: str) -> str:
        known = self._space.containers.get(container)
        return (known.key if known is not None else "") or container

    def _name(self, container: str) -> str:
        """With its namespace; "" for Docker's, which only the engine knows."""
        known = self._space.containers.get(container)
        return "" if self._docker or known is None else f"{self._space.name}/{_called(container, known)}"

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
        for blob in content_below(self._space, digest):
            if snapshot_label(self._space.content.get(blob, {}), self._snapshotter) is not None:
                path = self._blobs / blob.replace(":", "/", 1)
                return diff_ids(read_json(path), str(path))
        return ()

    def _snapshot(self, key: str) -> NamedSnapshot | None:
        return self._space.snapshots.get((self._snapshotter, key))

    def _row(self, key: str) -> SnapshotDirectory | None:
        snapshot = self._snapshot(key)
        return self._directories.get(snapshot.stored_key) if snapshot is not None else None


def _called(container: str, known: NamedContainer) -> str:
    return next((known.labels[label] for label in _NAME_LABELS if label in known.labels), container[:12])


def _familiar(name: str) -> str:
    """`docker.io/library/app:1` as the engine prints it: `app:1`."""
    for prefix in _HUB:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name
