"""What a container engine says of itself and of what it keeps.

Sizes here are the engine's own words (logical bytes, counted by its own rules) and are never charged in the ledger
where the filesystem could be read. Sentinels of the wire (-1, absent, null, "0001-01-01…") have died in decode.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from collectors.model import ContainerId, DiffId, ImageId, dataclass
from collectors.model.reading import Exact, Reading, Size, Unavailable


class Flavour(StrEnum):
    DOCKER = "docker"
    PODMAN = "podman"


class ImageStore(StrEnum):
    GRAPH_DRIVER = "graph driver"
    CONTAINERD = "containerd"


@dataclass(frozen=True, slots=True)
class Engine:
    """GET /version and GET /info."""

    id: str  # /info ID; equals <root>/engine-id where the engine runs on this machine; "" where not reported
    name: str  # the engine's host name
    flavour: Flavour
    version: str
    api_version: str  # the version that was negotiated
    driver: str  # storage driver or snapshotter: overlay2, btrfs, vfs, overlayfs, overlay (Podman) …
    driver_status: tuple[tuple[str, str], ...]
    image_store: ImageStore
    root: str  # DockerRootDir
    logging_driver: str  # "" where not reported
    warnings: tuple[str, ...]
    containerd: str = ""  # the socket of its containerd, from version 27 on; "" where not reported
    address: str = ""  # what its client has to be told; "" where it looks by itself, and where more than that is needed


@dataclass(frozen=True, slots=True)
class Image:
    id: ImageId
    tags: tuple[str, ...]  # empty: dangling
    digests: tuple[str, ...]
    size: Size
    shared: Size
    containers: Reading[int]
    created_at: Reading[datetime]
    labels: Mapping[str, str]
    diff_ids: Reading[tuple[DiffId, ...]]  # RootFS.Layers, base first; NOT_ASKED until inspected


SERVICE_LABEL = "com.docker.swarm.service.name"


@dataclass(frozen=True, slots=True)
class Attachment:
    """One mount of a container, as inspect gives it."""

    kind: str  # volume, bind, tmpfs …
    source: str  # host path
    destination: str
    volume: str  # volume name, "" for the others
    writable: bool


@dataclass(frozen=True, slots=True)
class Container:
    id: ContainerId
    name: str  # without the leading slash
    image_id: ImageId
    image: str  # as the container was created with
    state: str  # created, running, paused, restarting, exited, dead
    created_at: Reading[datetime]
    finished_at: Reading[datetime]
    writable: Size
    rootfs: Size
    labels: Mapping[str, str]
    command: str
    pid: Reading[int]  # of its first process on the engine's host
    log_driver: Reading[str]
    log_path: Reading[str]
    log_options: Mapping[str, str]
    attachments: tuple[Attachment, ...]
    layer_path: Reading[str]  # GraphDriver UpperDir, or the directory/subvolume of the writable layer

    @property
    def service(self) -> str:
        """The swarm service that it is a task of; "" for none."""
        return self.labels.get(SERVICE_LABEL, "")


@dataclass(frozen=True, slots=True)
class Volume:
    name: str
    driver: str
    mountpoint: str
    labels: Mapping[str, str]
    options: Mapping[str, str]
    created_at: Reading[datetime]
    anonymous: bool
    size: Size
    references: Reading[int]


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """One record of BuildKit's cache. Its id is not always the name of its directory."""

    id: str
    kind: str  # regular, source.local, exec.cachemount, source.git.checkout, internal, frontend
    description: str
    in_use: bool
    shared: bool  # its bytes are also held by an image
    size: Size
    created_at: Reading[datetime]
    last_used_at: Reading[datetime]
    usage_count: Reading[int]
    parents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EngineView:
    """Everything that was asked of one engine; each part arrives or says why not."""

    engine: Reading[Engine]
    local: Reading[bool]  # does the engine run on this machine, with this machine's disk?
    images: Reading[tuple[Image, ...]]
    containers: Reading[tuple[Container, ...]]
    volumes: Reading[tuple[Volume, ...]]
    build_cache: Reading[tuple[BuildRecord, ...]]
    layers_size: Size  # /system/df LayersSize: logical bytes, by the engine's rules

    @property
    def tool(self) -> str:
        """What a person types to speak with it."""
        podman = isinstance(self.engine, Exact) and self.engine.value.flavour is Flavour.PODMAN
        return "podman" if podman else "docker"


def all_unread(why: Unavailable) -> EngineView:
    """The view of an engine of which nothing is known, for one reason."""
    return EngineView(why, why, why, why, why, why, why)


@dataclass(frozen=True, slots=True)
class TagEvent:
    """The engine's word that a tag was given to an image: built, loaded, or tagged by hand."""

    at: datetime
    tag: str
    image_id: ImageId


@dataclass(frozen=True, slots=True)
class HistoryStep:
    """One entry of an image's history, as the builder wrote it. Most make no layer; the engine does not say which."""

    instruction: str
    size: Size  # of the layer that it made; 0 for one that made none


@dataclass(frozen=True, slots=True)
class DaemonConfig:
    """daemon.json, as far as disks are concerned. False is "not set": the engine's own default applies then."""

    path: str
    logs_bounded: bool  # log-opts max-size, or a driver that rotates by itself
    build_cache_bounded: bool  # builder.gc with a size, or defaultKeepStorage


def repository_of(reference: str) -> str:
    """The repository of "host:5000/shop/app:latest" or "shop/app@sha256:…": a colon in the host is no tag."""
    name = reference.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name
