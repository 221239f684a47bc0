"""Podman's store (containers/storage): `<driver>-layers`, `-images` and `-containers`, each one JSON document.

Layer ids are directory names. Refuses to guess a damaged document: with one unread, nothing below can be an orphan.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from collectors.drivers import layered, leftovers
from collectors.drivers.base import Candidate, Layout, Parts, StorageDriver
from collectors.drivers.files import Rows, folders_if_there, followed, mapping, read_json, sequence
from collectors.drivers.graph import opened_s
from collectors.drivers.layered import REMOVE_SUBVOLUMES
from collectors.drivers.listing import NOBODY, Asker, Entry, Known, born_s, derived, needs, unit_at, value
from collectors.model import CacheId, ChainId, ContainerId, DiffId, ImageId, Owner, OwnerKind, dataclass
from collectors.model.reading import Why
from collectors.model.store import ContainerLayers, ContainerLog, DriverFacts, Layer, StoredImage, Unit, UnitKind
from collectors.system.deadline import Declined, Malformed

_ID = re.compile(r"[0-9a-f]{64}")
ABANDONED_S = 3600.0  # a pull that goes on for longer than that may be another's
_WORK = ("staging", "tempdirs")
_BUILD_CACHE = "Podman builds from images without a name: they are counted with the images"
# What Podman and containers/storage make below the root, beside `<driver>` and `<driver>-<part>`.
_OWN = re.compile(
    r"(overlay|vfs|btrfs|zfs|aufs)(-\w+)?|artifacts|cache|db\.sql(-wal|-shm)?|defaultNetworkBackend|libpod|lost\+found"
    r"|mounts|networks(\.lock)?|secrets|storage\.lock|tmp|userns\.lock|volumes|\.\w+"
)


@dataclass(frozen=True, slots=True)
class _Layer:
    id: str
    parent: str | None
    diff_id: str | None  # None: a container's
    size_bytes: int | None
    incomplete: bool  # interrupted while it was being written
    created_s: float | None  # seconds since the epoch; None: it does not say


@dataclass(frozen=True, slots=True)
class _Holder:
    """An image or a container: what holds layers."""

    id: str
    names: tuple[str, ...]
    tops: tuple[str, ...]  # layer ids, the main one first


class PodmanDriver(StorageDriver):
    """One of the drivers of containers/storage."""

    layer_name = _ID

    def __init__(self, name: str, layers: str, *, stacks: bool = False, subvolumes: bool = False) -> None:
        """`layers`: where it keeps one directory per layer."""
        self.name = name
        self.stacks = stacks
        self.facts = DriverFacts(
            REMOVE_SUBVOLUMES.remove_command if subvolumes else self.facts.remove_command,
            clears_unfinished=True,
            contents="diff" if stacks else "",
            build_cache=_BUILD_CACHE,
        )
        self._layers = layers

    def detect(self, root: Path, containerd_root: Path | None, meant: tuple[str, ...]) -> tuple[Candidate, ...]:
        """Its document of layers."""
        database = root / f"{self.name}-layers"
        if not database.is_dir():
            return ()
        folders = (root / self.name, *(root / f"{self.name}-{part}" for part in ("layers", "images", "containers")))
        opened = opened_s(database, "", "layers.lock", "layers.json")
        first, _, rest = self._layers.partition("/")
        return (Candidate(self, self.name, root, followed(root / first) / rest, folders, opened),)

    def owners(self, layout: Layout, ask: Asker, grace_s: float) -> Parts:
        """By its three documents. An unfinished layer says so itself."""
        return _owners(layout, ask, time.time() - max(grace_s, ABANDONED_S))

    def is_layer(self, one: Entry) -> bool:
        """Podman's own work lies beside the layers."""
        return one.name not in _WORK and super().is_layer(one)

    def makes(self, name: str) -> bool:
        """Podman's names."""
        return _OWN.fullmatch(name) is not None

    def links(self, base: Path) -> dict[str, str]:
        """Those in `l/`, where layers are stacked."""
        return layered.links(base) if self.stacks else {}

    def stood_on(self, base: Path, known: Iterable[str], links: Mapping[str, str]) -> Mapping[str, str]:
        """By the `lower` files of the known."""
        return layered.stood_on(base, known, links)

    def containers(self, layout: Layout) -> Path:
        """Beside the layers."""
        return layout.root / f"{layout.name}-containers"

    def log_paths(self, container: Path) -> tuple[str, ...]:
        """`ctr.log` and its siblings."""
        return leftovers.podman_paths_of(container)

    def logs(self, layout: Layout) -> Rows[ContainerLog]:
        """Of every container's folder."""
        return leftovers.podman_logs(self.containers(layout))


PODMAN = (
    PodmanDriver("overlay", "overlay", stacks=True),
    PodmanDriver("vfs", "vfs/dir"),
    PodmanDriver("btrfs", "btrfs/subvolumes", subvolumes=True),
)


def _owners(layout: Layout, ask: Asker, oldest_s: float) -> Parts:
    """Everything that the three documents tell.

    A layer of no image and no container, from before `oldest_s` (seconds since the epoch), is what a pull left that
    was ended: it registers its layers first and the image at its end.
    """
    places = {part: layout.root / f"{layout.name}-{part}" for part in ("layers", "images", "containers")}
    layers = ask.witness("layers.json", places["layers"], lambda: _layers(places["layers"]))
    images = ask.witness("images.json", places["images"], lambda: _holders(places["images"], "images"))
    at = places["containers"]
    containers = ask.witness("containers.json", at, lambda: _holders(at, "containers"))
    ask.witness("run root", at, lambda: _all_recorded(at, value(containers, ())))
    rows = {layer.id: layer for layer in value(layers, ())}
    known = _known(rows, value(images, ()), value(containers, ()))
    known |= {
        layer: replace(known[layer], owners=frozenset({Owner(OwnerKind.LEFTOVER, f"{layout.base}/{layer}")}))
        for layer, row in rows.items()
        if not known[layer].owners and row.created_s is not None and row.created_s < oldest_s
    }
    return Parts(
        images=derived(images, lambda found: tuple(_image(image, rows) for image in found)),
        layers=derived(layers, lambda found: tuple(_model(found))),
        container_layers=derived(containers, lambda found: tuple(_container(one, rows) for one in found if one.tops)),
        build_snapshots=derived(layers, lambda _: ()),  # Podman's build cache is made of images
        known=needs(known, layers, containers),
        names=frozenset(),
        writes=(),
        born_s=born_s(places["layers"]),  # the document itself is replaced at each change
        units=(
            *(unit for part in ("layers", "images") for unit in unit_at(places[part], UnitKind.LAYER_DATABASE)),
            *_apart(layout, known, value(images, ())),
        ),
    )


def _apart(layout: Layout, known: Mapping[str, Known], images: Iterable[_Holder]) -> Iterator[Unit]:
    """What goes with a layer or an image: how its files lay in their archive, its manifest and configuration."""
    for layer, its in known.items():
        if its.kind is UnitKind.IMAGE_LAYER and its.owners:
            path = layout.root / f"{layout.name}-layers" / f"{layer}.tar-split.gz"
            yield from unit_at(path, UnitKind.CONTENT, owners=its.owners)
    for image in images:
        owner = frozenset({Owner(OwnerKind.IMAGE, f"sha256:{image.id}")})
        yield from unit_at(layout.root / f"{layout.name}-images" / image.id, UnitKind.CONTENT, owners=owner)


def _documents(folder: Path, stem: str) -> Iterator[dict[str, Any]]:
    """The rows of `<stem>.json`, and of what does not survive a reboot. None of either: a store that was never used.

    A transient store keeps the latter in its run root, which several stores may share.
    """
    there = _run_root(folder.parent) / folder.name / f"volatile-{stem}.json"
    for path in (folder / f"{stem}.json", folder / f"volatile-{stem}.json", there):
        try:
            document = read_json(path)
        except FileNotFoundError:
            continue
        rows = (mapping(row, str(path)) for row in sequence(document, str(path)))
        yield from (row for row in rows if path is not there or _is_of(folder, row, stem))


def _run_root(root: Path) -> Path:
    """Where Podman keeps what does not survive a reboot, unless it was told otherwise."""
    if root.match(".local/share/containers/storage"):
        return Path("/run/user", str(root.stat().st_uid), "containers")
    return Path(str(root).removesuffix("/var/lib/containers/storage"), "run/containers/storage")


def _is_of(folder: Path, row: Mapping[str, Any], stem: str) -> bool:
    """Does the row of a shared document stand for a directory of this store?"""
    layers = folder.parent / folder.name.removesuffix(f"-{stem}")
    return ((folder if stem == "containers" else layers) / _text(row, "id")).is_dir()


def _all_recorded(folder: Path, containers: Iterable[_Holder]) -> None:
    """Raises Declined for a container of which no record was found: a transient store's may lie anywhere."""
    known = {container.id for container in containers}
    if any(_ID.fullmatch(name) and name not in known for name in folders_if_there(folder)):
        raise Declined(Why.INCONSISTENT, "a container has no record here: a transient store's are in its run root")


def _layers(folder: Path) -> tuple[_Layer, ...]:
    return tuple(
        _Layer(
            id=_text(row, "id"),
            parent=_text(row, "parent") or None,
            diff_id=_text(row, "diff-digest") or None,
            size_bytes=size if isinstance(size := row.get("diff-size"), int) and size >= 0 else None,
            incomplete=bool(mapping(row.get("flags"), "flags").get("incomplete")),
            created_s=_moment_s(row.get("created")),
        )
        for row in _documents(folder, "layers")
    )


def _moment_s(told: object) -> float | None:
    try:
        return datetime.fromisoformat(str(told)).timestamp()
    except ValueError:
        return None


def _holders(folder: Path, stem: str) -> tuple[_Holder, ...]:
    return tuple(
        _Holder(
            id=_text(row, "id"),
            names=tuple(str(name) for name in sequence(row.get("names"), "names")),
            tops=tuple(str(top) for top in (row.get("layer"), *sequence(row.get("mapped-layers"), "layers")) if top),
        )
        for row in _documents(folder, stem)
    )


def _text(row: Mapping[str, Any], key: str) -> str:
    found = row.get(key, "")
    if isinstance(found, str) and (key != "id" or (found and "/" not in found)):
        return found
    raise Malformed(f"{key} of a row is not a name")


def _below(top: str, rows: Mapping[str, _Layer]) -> tuple[str, ...]:
    """`top` and the layers below it, base last."""
    found: dict[str, None] = {}
    layer: str | None = top
    while layer is not None and layer not in found and layer in rows:
        found[layer] = None
        layer = rows[layer].parent
    return tuple(found)


def _model(layers: Iterable[_Layer]) -> Iterator[Layer]:
    for layer in layers:
        if layer.diff_id is not None and layer.size_bytes is not None:
            parent = ChainId(layer.parent) if layer.parent is not None else None
            yield Layer(ChainId(layer.id), parent, DiffId(layer.diff_id), CacheId(layer.id), layer.size_bytes)


def _image(image: _Holder, rows: Mapping[str, _Layer]) -> StoredImage:
    chain = _below(image.tops[0], rows) if image.tops else ()
    tags = tuple(name for name in image.names if "@" not in name)
    return StoredImage(ImageId(f"sha256:{image.id}"), tags, tuple(ChainId(layer) for layer in reversed(chain)))


def _container(container: _Holder, rows: Mapping[str, _Layer]) -> ContainerLayers:
    top = container.tops[0]
    parent = rows[top].parent if top in rows else None
    name = container.names[0] if container.names else ""
    return ContainerLayers(ContainerId(container.id), CacheId(top), None, ChainId(parent) if parent else None, name)


def _known(rows: Mapping[str, _Layer], images: Iterable[_Holder], containers: Iterable[_Holder]) -> dict[str, Known]:
    owners: dict[str, set[Owner]] = {layer: set() for layer in rows}
    writable: set[str] = set()
    for image in images:
        for layer in (layer for top in image.tops for layer in _below(top, rows)):
            owners[layer].add(Owner(OwnerKind.IMAGE, f"sha256:{image.id}"))
    for container in containers:
        writable.update(container.tops)
        for layer in (layer for top in container.tops for layer in _below(top, rows)):
            owners[layer].add(Owner(OwnerKind.CONTAINER, container.id))
    return {
        layer: Known(_kind(row, layer in writable), frozenset(owners[layer]) or NOBODY, _sealed(row, layer in writable))
        for layer, row in rows.items()
    }


def _kind(row: _Layer, writable: bool) -> UnitKind:
    if row.incomplete:
        return UnitKind.INTERRUPTED_WRITE
    return UnitKind.WRITABLE_LAYER if writable else UnitKind.IMAGE_LAYER


def _sealed(row: _Layer, writable: bool) -> bool:
    return not writable and not row.incomplete and row.diff_id is not None
