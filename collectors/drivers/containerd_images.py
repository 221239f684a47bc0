"""The containerd store's images, containers and build records, and who holds which layer and blob. Pure.

Who holds what in the containerd store: the garbage collector's own walk, once for each root, with the root's name.

Pure. Edges are the labels that the collector follows (`containerd.io/gc.ref.content…`, `…snapshot.<snapshotter>…`)
and a snapshot's parent. Refuses to parse manifests: what containerd itself would not follow holds nothing.

Images, layers, containers and build records of the containerd store in the terms of the model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from collectors.drivers.buildkit import CacheRecord
from collectors.drivers.containerd import CONTENT, DOCKER_NAMESPACE, NamedSnapshot, Namespace, SnapshotDirectory
from collectors.drivers.files import Rows, read_json
from collectors.drivers.layerdb import chain_ids, diff_ids
from collectors.model.owner import CacheId, ChainId, ContainerId, DiffId, ImageId, Owner, OwnerKind
from collectors.model.store import BuildSnapshot, ContainerLayers, Layer, StoredImage
from collectors.system.deadline import Malformed

_CONTENT_LABEL = "containerd.io/gc.ref.content"
_SNAPSHOT_LABEL = "containerd.io/gc.ref.snapshot."
_IMAGE_LABEL = "containerd.io/gc.ref.image"
_ROOT_LABEL = "containerd.io/gc.root"
_FLAT_LABEL = "containerd.io/gc.flat"
# BuildKit names a record's auxiliary leases and snapshots after the record.
_BUILD_SUFFIXES = ("-variants", "-view")

Node = tuple[str, str]  # ("content", digest) or (snapshotter, key)
_CONTENT = "content/"  # no snapshotter is called that: a name holds no slash


@dataclass(frozen=True, slots=True)
class NamespaceHolders:
    """Owners of one namespace's content and snapshots; absent: nobody."""

    content: Mapping[str, frozenset[Owner]]  # by digest
    snapshots: Mapping[tuple[str, str], frozenset[Owner]]  # by (snapshotter, key)


def holders(namespace: Namespace, containers: Iterable[str], records: Iterable[str]) -> NamespaceHolders:
    """Who holds each digest and snapshot of `namespace`.

    `containers` and `records` are the ids of Docker's containers and of BuildKit's cache records: leases named after
    them are theirs.
    """
    found: defaultdict[Node, set[Owner]] = defaultdict(set)
    for owner, nodes, flat in _roots(namespace, frozenset(containers), frozenset(records)):
        seen: set[Node] = set()
        queue = list(nodes)
        while queue:
            node = queue.pop()
            if node not in seen:
                seen.add(node)
                found[node].add(owner)
                queue.extend(_edges(namespace, node, flat))
    return NamespaceHolders(
        content={key: frozenset(owners) for (kind, key), owners in found.items() if kind == _CONTENT},
        snapshots={node: frozenset(owners) for node, owners in found.items() if node[0] != _CONTENT},
    )


def content_below(namespace: Namespace, digest: str) -> tuple[str, ...]:
    """`digest` and every blob that it refers to, directly or not, nearest first."""
    found: dict[str, None] = {}
    waiting = [digest]
    while waiting:
        one = waiting.pop(0)
        if one not in found:
            found[one] = None
            waiting += [key for kind, key in _edges(namespace, (_CONTENT, one), flat=False) if kind == _CONTENT]
    return tuple(found)


def snapshot_label(labels: Mapping[str, str], snapshotter: str) -> str | None:
    """The snapshot that a config was unpacked to by `snapshotter`; None: it was not."""
    for label, value in labels.items():
        if label.startswith(_SNAPSHOT_LABEL) and _snapshotter(label.removeprefix(_SNAPSHOT_LABEL)) == snapshotter:
            return value
    return None


def _roots(
    namespace: Namespace, containers: frozenset[str], records: frozenset[str]
) -> Iterator[tuple[Owner, list[Node], bool]]:
    docker = namespace.name == DOCKER_NAMESPACE
    for name, image in namespace.images.items():
        owner = (
            Owner(OwnerKind.IMAGE, image.digest) if docker else Owner(OwnerKind.CONTAINERD, f"{namespace.name}/{name}")
        )
        yield owner, [(_CONTENT, image.digest)], False
    for name, node in namespace.containers.items():
        if all(node):
            yield Owner(OwnerKind.CONTAINER, name), [node], False
    # A container's snapshots are named after it; a lease of the same name holds them as well.
    for node in namespace.snapshots:
        name = node[1].removesuffix("-init")
        if name in containers:
            yield Owner(OwnerKind.CONTAINER, name), [node], False
    for name, lease in namespace.leases.items():
        nodes: list[Node] = [(_CONTENT, digest) for digest in lease.content]
        nodes += lease.snapshots
        yield _lease_owner(namespace.name, name, containers, records), nodes, _FLAT_LABEL in lease.labels
    for digest, labels in namespace.content.items():
        if _ROOT_LABEL in labels:
            yield Owner(OwnerKind.LEASE, f"{namespace.name}/{_ROOT_LABEL}"), [(_CONTENT, digest)], False
    for node, snapshot in namespace.snapshots.items():
        if _ROOT_LABEL in snapshot.labels:
            yield Owner(OwnerKind.LEASE, f"{namespace.name}/{_ROOT_LABEL}"), [node], False


def _lease_owner(namespace: str, name: str, containers: frozenset[str], records: frozenset[str]) -> Owner:
    if name in containers:
        return Owner(OwnerKind.CONTAINER, name)
    record = name
    for suffix in _BUILD_SUFFIXES:
        record = record.removesuffix(suffix)
    return Owner(OwnerKind.BUILD, record) if record in records else Owner(OwnerKind.LEASE, f"{namespace}/{name}")


def _edges(namespace: Namespace, node: Node, flat: bool) -> list[Node]:
    kind, key = node
    edges: list[Node] = []
    if kind == _CONTENT:
        labels = namespace.content.get(key, {})
    else:
        snapshot = namespace.snapshots.get(node)
        if snapshot is None:
            return []
        labels = snapshot.labels
        if snapshot.parent:
            edges.append((kind, snapshot.parent))
    if flat:  # the collector keeps a flat lease's own resources and their parents, not what labels refer to
        return edges
    for label, value in labels.items():
        if label.startswith(_CONTENT_LABEL):
            edges.append((_CONTENT, value))
        elif label.startswith(_SNAPSHOT_LABEL):
            edges.append((_snapshotter(label.removeprefix(_SNAPSHOT_LABEL)), value))
        elif label.startswith(_IMAGE_LABEL) and (image := namespace.images.get(value)):
            edges.append((_CONTENT, image.digest))
    return edges


def _snapshotter(label: str) -> str:
    """`overlayfs/0` and `overlayfs.0` both mean overlayfs: a key may be repeated with a suffix."""
    return label.replace("/", ".").partition(".")[0]


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
