"""Who holds what by BuildKit's and containerd's own databases: directories and layers of records, nodes of roots. Pure.

BuildKit: the API's record id is not always the name of a directory: a committed snapshot lies in a directory with
another name, and a base image has none of its own. `snapshots.db` (graph drivers) maps the one to the other,
`metadata_v2.db` lists the records. Refuses to read a damaged record as "nothing held".

containerd: the garbage collector's own walk, once for each root, with the root's name. Edges are the labels that the
collector follows (`containerd.io/gc.ref.content…`, `…snapshot.<snapshotter>…`) and a snapshot's parent. Refuses to
parse manifests: what containerd itself would not follow holds nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from collectors.drivers import bolt
from collectors.drivers.containerd import DOCKER_NAMESPACE, Namespace
from collectors.drivers.files import mapping, parse_json, sequence
from collectors.model import CacheId, ChainId, ContainerId, ImageId, Owner, OwnerKind, dataclass
from collectors.system.deadline import Malformed

_RECORDS = b"_main"
_PARENT_KEYS = (b"cache.parent", b"cache.lowerDiffParent", b"cache.upperDiffParent")
_MERGED_KEY = b"cache.mergeParents"
_BY_DIGEST = "sha256:"


@dataclass(frozen=True, slots=True)
class CacheRecord:
    """One cache record, as `/system/df` lists them: `id` is its BuildCache[].ID."""

    id: str
    snapshot: str  # key in snapshots.db, or in containerd's namespace
    parents: tuple[str, ...]  # ids of records that it stands on


@dataclass(frozen=True, slots=True)
class CacheSnapshot:
    """One key of snapshots.db."""

    key: str
    directory: CacheId | None  # the driver's directory; None: it is a layer of an image
    chain_id: ChainId | None  # the layer of the layer database that it is, or became
    parent: str | None  # another key
    committed: bool  # its bytes no longer change


def records(metadata: Path) -> tuple[CacheRecord, ...]:
    """Every cache record. A record that is only the sealed face of a mutable one is left out, as the API does."""
    found = bolt.read(metadata, _record_rows)
    kept: list[CacheRecord] = []
    for key, row in found.items():
        mutable = _text(row, b"cache.equalMutable")
        if mutable and mutable in found:
            continue
        parents = [parent for name in _PARENT_KEYS if (parent := _text(row, name))]
        parents += [str(parent) for parent in sequence(_value(row, _MERGED_KEY), key)]
        kept.append(CacheRecord(key, mutable or _text(row, b"cache.snapshot") or key, tuple(parents)))
    return tuple(kept)


def snapshots(database: Path) -> Mapping[str, CacheSnapshot]:
    """Every key of snapshots.db, resolved."""
    found = bolt.read(database, lambda root: {_name(key): row.values() for key, row in root.buckets()})
    committed = {row[b"committed"] for row in found.values() if row.get(b"committed")}
    return {key: _snapshot(key, row, found, committed) for key, row in found.items()}


def _snapshot(
    key: str, row: dict[bytes, bytes], found: Mapping[str, dict[bytes, bytes]], committed: set[bytes]
) -> CacheSnapshot:
    sealed = row.get(b"committed")
    chain = row.get(b"chainid")
    by_digest = key.startswith(_BY_DIGEST)
    parent = row.get(b"parent")
    directory: CacheId | None
    if sealed:
        directory = CacheId(_name(sealed))
        parent = parent or found.get(directory, {}).get(b"parent")
    elif by_digest or (chain and parent is None and b"iscommitted" not in row):
        directory = None  # pulled or loaded: the layer database has the directory
    else:
        directory = CacheId(key)
    return CacheSnapshot(
        key=key,
        directory=directory,
        chain_id=ChainId(_name(chain)) if chain else ChainId(key) if by_digest else None,
        parent=_name(parent) if parent else None,
        committed=bool(sealed) or b"iscommitted" in row or key.encode() in committed,
    )


def _record_rows(root: bolt.Bucket) -> dict[str, dict[bytes, bytes]]:
    main = root.bucket(_RECORDS)
    return {_name(key): row.values() for key, row in main.buckets()} if main is not None else {}


def _value(row: Mapping[bytes, bytes], name: bytes) -> object:
    """The `value` of a record's field; None when the field is absent or cleared."""
    document = row.get(name)
    if not document:
        return None
    where = name.decode()
    return mapping(parse_json(document, where), where).get("value")


def _text(row: Mapping[bytes, bytes], name: bytes) -> str:
    value = _value(row, name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Malformed(f"{name.decode()} of a cache record is not text")
    return value


def _name(word: bytes) -> str:
    try:
        return word.decode("ascii")
    except UnicodeDecodeError:
        raise Malformed("a key is not plain text") from None


_CONTENT_LABEL = "containerd.io/gc.ref.content"
_SNAPSHOT_LABEL = "containerd.io/gc.ref.snapshot."
_IMAGE_LABEL = "containerd.io/gc.ref.image"
_ROOT_LABEL = "containerd.io/gc.root"
_FLAT_LABEL = "containerd.io/gc.flat"
_END_LABEL = "containerd.io/gc.expire"
# BuildKit names a record's auxiliary leases and snapshots after the record.
_BUILD_SUFFIXES = ("-variants", "-view")

# What else than an image another client may have: such an owner is called by it, and then by its own name.
ANOTHERS_CONTAINER, ANOTHERS_SNAPSHOT = "container", "snapshot"
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
    if not own and namespace.name != DOCKER_NAMESPACE:
        _of_another_client(namespace, found)
    return NamespaceHolders(
        content={key: frozenset(owners) for (kind, key), owners in found.items() if kind == _CONTENT},
        snapshots={node: frozenset(owners) for node, owners in found.items() if node[0] != _CONTENT},
    )


def _of_another_client(namespace: Namespace, found: defaultdict[Node, set[Owner]]) -> None:
    """Put right in place: what an image has is that image's, whatever stands on it; the rest has at least a name."""
    label = Owner(OwnerKind.LEASE, f"{namespace.name}/{_ROOT_LABEL}")
    for node in namespace.snapshots:
        held = found[node] - {label}
        alone = Owner(OwnerKind.CONTAINERD, f"{namespace.name}/{ANOTHERS_SNAPSHOT} {node[1]}")
        images = {owner for owner in held if f"/{ANOTHERS_CONTAINER} " not in owner.id}
        found[node] = images or held or {alone}


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
            another = Owner(OwnerKind.CONTAINERD, f"{namespace.name}/{ANOTHERS_CONTAINER} {name}")
            owner = Owner(OwnerKind.CONTAINER, container_id(namespace, name)) if ours else another
            yield owner, [(container.snapshotter, container.key)], False
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


def container_id(namespace: Namespace, name: str) -> ContainerId:
    """Likewise: two clients may each call one `web`."""
    return ContainerId(name if namespace.name == DOCKER_NAMESPACE else f"{namespace.name}/{name}")


def image_id(namespace: Namespace, digest: str) -> ImageId:
    """Docker's by the digest alone, as the engine names it; the same image in two namespaces is two things."""
    return ImageId(digest if namespace.name == DOCKER_NAMESPACE else f"{namespace.name}/{digest}")
