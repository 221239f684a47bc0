"""containerd's databases: what each namespace's images, leases and containers hold, and where its snapshots lie.

`io.containerd.metadata.v1.bolt/meta.db` is what containerd's own garbage collector walks; each snapshotter keeps a
`metadata.db` that numbers its directories. Refuses to read a database of another schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path

from collectors.drivers import bolt
from collectors.model import dataclass
from collectors.system.deadline import Malformed

SYSTEM_CONTAINERD = "/var/lib/containerd"  # the root of a containerd of the host's own
METADATA = "io.containerd.metadata.v1.bolt/meta.db"
CONTENT = "io.containerd.content.v1.content"
SNAPSHOTTER_PREFIX = "io.containerd.snapshotter.v1."
SNAPSHOTTER_METADATA = "metadata.db"
DOCKER_NAMESPACE = "moby"  # and moby_history for BuildKit's records of past builds

_SCHEMA = b"v1"
_LONGEST_VARINT_BYTES = 10


class SnapshotKind(IntEnum):
    """What a snapshot is to its snapshotter."""

    UNKNOWN = 0
    VIEW = 1
    ACTIVE = 2
    COMMITTED = 3


@dataclass(frozen=True, slots=True)
class SnapshotDirectory:
    """One row of a snapshotter's metadata.db."""

    key: str  # "<namespace>/<number>/<key in that namespace>"
    number: int  # the directory's name
    kind: SnapshotKind
    parent: str | None  # another row's key
    size_bytes: int | None  # disk usage when it was committed; None: not committed yet


@dataclass(frozen=True, slots=True)
class NamedSnapshot:
    """One snapshot as a namespace knows it."""

    stored_key: str  # its key in the snapshotter's metadata.db
    parent: str | None  # key of another snapshot of the same namespace and snapshotter
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ImageName:
    """One name of an image."""

    digest: str  # of what it points at: an index or a manifest
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Lease:
    """What a client asked the garbage collector to spare."""

    labels: Mapping[str, str]
    content: tuple[str, ...]  # digests
    snapshots: tuple[tuple[str, str], ...]  # (snapshotter, key)


@dataclass(frozen=True, slots=True)
class NamedContainer:
    """One container; every text is "" where Docker mounts and runs it by itself."""

    snapshotter: str
    key: str  # of its writable snapshot
    image: str  # a name of its namespace
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Namespace:
    """One client's view: Docker's is `moby`, its build history is `moby_history`."""

    name: str
    images: Mapping[str, ImageName]  # by name
    content: Mapping[str, Mapping[str, str]]  # digest → labels
    snapshots: Mapping[tuple[str, str], NamedSnapshot]  # (snapshotter, key)
    leases: Mapping[str, Lease]
    containers: Mapping[str, NamedContainer]  # by id


def main_snapshotter(daemon: Path) -> str:
    """The name of that whose database is largest; "" where none has one. Unreadable folders have none."""
    sizes = {
        folder.name.removeprefix(SNAPSHOTTER_PREFIX): (folder / SNAPSHOTTER_METADATA).stat().st_size
        for folder in daemon.glob(f"{SNAPSHOTTER_PREFIX}*")
        if (folder / SNAPSHOTTER_METADATA).is_file()
    }
    return max(sorted(sizes), key=sizes.__getitem__, default="")


def namespaces(metadata: Path) -> tuple[Namespace, ...]:
    """Every namespace of meta.db."""
    return bolt.read(metadata, _namespaces)


def directories(metadata: Path) -> Mapping[str, SnapshotDirectory]:
    """Every row of a snapshotter's metadata.db, by its key."""
    return bolt.read(metadata, _directories)


def _namespaces(root: bolt.Bucket) -> tuple[Namespace, ...]:
    schema = root.bucket(_SCHEMA)
    if schema is None:
        if any(True for _ in root.items()):
            raise Malformed("not the schema of containerd 1 and 2")
        return ()  # never written to
    return tuple(_namespace(text(name), found) for name, found in schema.buckets())


def _namespace(name: str, found: bolt.Bucket) -> Namespace:
    buckets = dict(found.buckets())

    def each(name: bytes) -> dict[str, bolt.Bucket]:
        return {text(key): row for key, row in buckets[name].buckets()} if name in buckets else {}

    content = each(b"content")
    return Namespace(
        name=name,
        images={key: _image(row) for key, row in each(b"images").items()},
        content={text(key): _labels(row) for key, row in content["blob"].buckets()} if "blob" in content else {},
        snapshots={
            (snapshotter, text(key)): _snapshot(row)
            for snapshotter, keys in each(b"snapshots").items()
            for key, row in keys.buckets()
        },
        leases={key: _lease(row) for key, row in each(b"leases").items()},
        containers={key: _container(row) for key, row in each(b"containers").items()},
    )


def _image(row: bolt.Bucket) -> ImageName:
    target = row.bucket(b"target")
    digest = target.values().get(b"digest") if target is not None else None
    if not digest:
        raise Malformed("an image points nowhere")
    return ImageName(text(digest), _labels(row))


def _snapshot(row: bolt.Bucket) -> NamedSnapshot:
    values = row.values()
    parent = values.get(b"parent")
    return NamedSnapshot(text(values.get(b"name", b"")), text(parent) if parent else None, _labels(row))


def _lease(row: bolt.Bucket) -> Lease:
    content = row.bucket(b"content")
    snapshots = row.bucket(b"snapshots")
    return Lease(
        labels=_labels(row),
        content=tuple(text(key) for key, _ in content.items()) if content is not None else (),
        snapshots=tuple((text(name), text(key)) for name, keys in snapshots.buckets() for key, _ in keys.items())
        if snapshots is not None
        else (),
    )


def _container(row: bolt.Bucket) -> NamedContainer:
    values = row.values()
    snapshotter, key, image = (text(values.get(name, b"")) for name in (b"snapshotter", b"snapshotKey", b"image"))
    return NamedContainer(snapshotter, key, image, _labels(row))


def _labels(row: bolt.Bucket) -> Mapping[str, str]:
    labels = row.bucket(b"labels")
    return {text(key): text(value) for key, value in labels.values().items()} if labels is not None else {}


def _directories(root: bolt.Bucket) -> Mapping[str, SnapshotDirectory]:
    if root.bucket(_SCHEMA) is None:
        if any(True for _ in root.items()):
            raise Malformed("not the schema of containerd 1 and 2")
        return {}
    rows = root.bucket(_SCHEMA, b"snapshots")
    return {text(key): _directory(text(key), row.values()) for key, row in rows.buckets()} if rows is not None else {}


def _directory(key: str, values: Mapping[bytes, bytes]) -> SnapshotDirectory:
    kind = values.get(b"kind", b"\0")
    if len(kind) != 1 or kind[0] > max(SnapshotKind):
        raise Malformed("a snapshot of unknown kind")
    parent, size = values.get(b"parent"), values.get(b"size")
    return SnapshotDirectory(
        key=key,
        number=_unsigned(values.get(b"id", b"")),
        kind=SnapshotKind(kind[0]),
        parent=text(parent) if parent else None,
        size_bytes=_signed(size) if size else None,
    )


def _unsigned(encoded: bytes) -> int:
    """Go's uvarint."""
    if not encoded or len(encoded) > _LONGEST_VARINT_BYTES or encoded[-1] & 0x80:
        raise Malformed("a number is torn")
    return sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(encoded))


def _signed(encoded: bytes) -> int:
    """Go's varint: zigzag over uvarint."""
    number = _unsigned(encoded)
    return (number >> 1) ^ -(number & 1)


def text(word: bytes) -> str:
    """A key or value as text; what is no UTF-8 keeps its bytes as escapes and can still be compared."""
    return word.decode("utf-8", "surrogateescape")
