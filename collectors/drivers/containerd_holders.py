"""Who holds what in a containerd store: the garbage collector's own walk, once for each root, with the root's name.

Pure. Edges are the labels that the collector follows (`containerd.io/gc.ref.content…`, `…snapshot.<snapshotter>…`)
and a snapshot's parent. Refuses to parse manifests: what containerd itself would not follow holds nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from collectors.drivers.containerd import DOCKER_NAMESPACE, Namespace
from collectors.model.owner import ImageId, Owner, OwnerKind
from collectors.model.records import dataclass

_CONTENT_LABEL = "containerd.io/gc.ref.content"
_SNAPSHOT_LABEL = "containerd.io/gc.ref.snapshot."
_IMAGE_LABEL = "containerd.io/gc.ref.image"
_ROOT_LABEL = "containerd.io/gc.root"
_FLAT_LABEL = "containerd.io/gc.flat"
_END_LABEL = "containerd.io/gc.expire"
# BuildKit names a record's auxiliary leases and snapshots after the record.
_BUILD_SUFFIXES = ("-variants", "-view")

Node = tuple[str, str]  # ("content", digest) or (snapshotter, key)
_CONTENT = "content/"  # no snapshotter is called that: a name holds no slash


@dataclass(frozen=True, slots=True)
class NamespaceHolders:
    """Owners of one namespace's content and snapshots; absent: nobody."""

    content: Mapping[str, frozenset[Owner]]  # by digest
    snapshots: Mapping[tuple[str, str], frozenset[Owner]]  # by (snapshotter, key)


def holders(
    namespace: Namespace, containers: Iterable[str], records: Iterable[str], *, own: bool = False
) -> NamespaceHolders:
    """Who holds each digest and snapshot of `namespace`.

    `containers` and `records` are the ids of Docker's containers and of BuildKit's cache records: leases named after
    them are theirs. `own`: is it of the store that is studied, as Docker's always is? Else its images are another's.
    """
    found: defaultdict[Node, set[Owner]] = defaultdict(set)
    for owner, nodes, flat in _roots(namespace, frozenset(containers), frozenset(records), own):
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


def ends(namespaces: Iterable[Namespace]) -> Mapping[str, datetime]:
    """When each lease ends, by its owner's id, of those that end by themselves: a pull's, in a day at most."""
    told = ((f"{space.name}/{name}", lease.labels.get(_END_LABEL)) for space in namespaces
            for name, lease in space.leases.items())  # fmt: skip
    return {name: when for name, label in told if label and (when := _moment(label)) is not None}


def _moment(label: str) -> datetime | None:
    try:
        when = datetime.fromisoformat(label)
    except ValueError:
        return None
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)


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
    namespace: Namespace, containers: frozenset[str], records: frozenset[str], own: bool
) -> Iterator[tuple[Owner, list[Node], bool]]:
    ours = own or namespace.name == DOCKER_NAMESPACE
    for name, image in namespace.images.items():
        another = Owner(OwnerKind.CONTAINERD, f"{namespace.name}/{name}")
        owner = Owner(OwnerKind.IMAGE, image_id(namespace, image.digest)) if ours else another
        yield owner, [(_CONTENT, image.digest)], False
    for name, container in namespace.containers.items():
        if container.snapshotter and container.key:
            yield Owner(OwnerKind.CONTAINER, name), [(container.snapshotter, container.key)], False
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


def image_id(namespace: Namespace, digest: str) -> ImageId:
    """Docker's by the digest alone, as the engine names it; the same image in two namespaces is two things."""
    return ImageId(digest if namespace.name == DOCKER_NAMESPACE else f"{namespace.name}/{digest}")
