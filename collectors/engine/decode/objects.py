"""The engine itself, its images and its containers, decoded. Pure.

GET /version and /info; /images/json and /images/{id}/json → Image; /containers/json → Container, and
/containers/{id}/json: log file, process, writable layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from collectors.engine.decode import JsonObject, document, printable, records, top
from collectors.engine.decode.usage import ContainerUsage, ImageUsage, completed, container, image_id
from collectors.engine.reply import Dialect, negotiate, parse
from collectors.model import ContainerId, DiffId, ImageId, dataclass
from collectors.model.engine import Attachment, Container, Engine, Flavour, Image, ImageStore
from collectors.model.reading import Exact, Origin, Reading, Unavailable, Why
from collectors.system.deadline import Malformed

_CONTAINERD = ("driver-type", "io.containerd.snapshotter.v1")


@dataclass(frozen=True, slots=True)
class Greeting:
    """What /version tells before anything else can be asked."""

    version: str
    dialect: Dialect


def greeting(body: bytes, origin: Origin) -> Greeting:
    """GET /version, asked without a version of our own."""
    record = top(body, "/version", origin)
    newest = parse(record.text("ApiVersion"))
    if newest is None:
        raise Malformed(f"/version names the API version “{record.text('ApiVersion')[:40]}”")
    names = [part.text_or_empty("Name") for part in record.records("Components", "/version Components")]
    flavour = Flavour.PODMAN if any("podman" in name.lower() for name in names) else Flavour.DOCKER
    api = negotiate(newest, parse(record.text_or_empty("MinAPIVersion")))
    return Greeting(record.text_or_empty("Version"), Dialect(api, flavour))


def decode_engine(body: bytes, hello: Greeting, origin: Origin) -> Engine:
    """GET /info, completed with what /version said."""
    info = top(body, "/info", origin)
    status = _status(info)
    return Engine(
        id=info.text_or_empty("ID"),
        name=info.text_or_empty("Name"),
        flavour=hello.dialect.flavour,
        version=hello.version or info.text_or_empty("ServerVersion"),
        api_version=str(hello.dialect.api),
        driver=info.text("Driver"),
        driver_status=status,
        image_store=ImageStore.CONTAINERD if _CONTAINERD in status else ImageStore.GRAPH_DRIVER,
        root=info.text("DockerRootDir"),
        logging_driver=info.text_or_empty("LoggingDriver"),
        warnings=info.texts("Warnings"),
        containerd=info.record("Containerd").text_or_empty("Address"),
    )


def _status(info: JsonObject) -> tuple[tuple[str, str], ...]:
    """DriverStatus: a list of pairs, null on vfs."""
    value = info.fields.get("DriverStatus")
    found: list[tuple[str, str]] = []
    for pair in value if isinstance(value, list) else ():
        match pair:
            case [str(name), str(text)]:
                found.append((printable(name), printable(text)))
            case _:
                continue
    return tuple(found)


_NO_TAG = "<none>"


def images(body: bytes, origin: Origin) -> tuple[Image, ...]:
    """The list. What only the disk usage or an inspection can tell is not asked yet."""
    later = Unavailable(Why.NOT_ASKED, "the list of images does not tell", origin)
    return tuple(
        Image(
            id=image_id(item),
            tags=_named(item.texts("RepoTags")),
            digests=_named(item.texts("RepoDigests")),
            size=item.size("Size"),
            shared=later,
            containers=later,
            created_at=item.moment("Created"),
            labels=item.mapping("Labels"),
            diff_ids=later,
        )
        for item in records(document(body), "/images/json", origin)
    )


def images_with_usage(
    listed: tuple[Image, ...], usage: Reading[Mapping[ImageId, ImageUsage]], origin: Origin
) -> tuple[Image, ...]:
    """The same images with what /system/df measured, or with the reason why it did not."""
    absent = Unavailable(Why.NOT_REPORTED, "the engine's disk usage does not list this image", origin)
    return completed(listed, usage, lambda image: image.id, absent, _image_measured)


def _image_measured(image: Image, got: ImageUsage | Unavailable) -> Image:
    if isinstance(got, Unavailable):
        return replace(image, shared=got, containers=got)
    return replace(image, shared=got.shared, containers=got.containers)


def with_layers(listed: tuple[Image, ...], layers: Mapping[ImageId, Reading[tuple[DiffId, ...]]]) -> tuple[Image, ...]:
    """The same images with the layers that their inspections gave."""
    return tuple(replace(image, diff_ids=layers.get(image.id, image.diff_ids)) for image in listed)


def diff_ids(body: bytes, origin: Origin) -> Reading[tuple[DiffId, ...]]:
    """RootFS.Layers of one inspected image, base first."""
    rootfs = top(body, "an inspected image", origin).record("RootFS")
    layers = rootfs.fields.get("Layers")
    if layers is None:
        if rootfs.text_or_empty("Type") == "layers":  # FROM scratch, and nothing added
            return Exact((), origin)
        return rootfs.missing(Why.NOT_REPORTED, "no RootFS.Layers")
    found = rootfs.texts("Layers")
    if not isinstance(layers, list) or len(found) != len(layers):
        raise Malformed("an inspected image: RootFS.Layers is not a list of digests")
    return Exact(tuple(DiffId(layer) for layer in found), origin)


def _named(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Tags or digests without the placeholders of old engines and of Podman: <none>:<none>, <none>@<none>, <none>."""
    return tuple(text for text in texts if not text.startswith(_NO_TAG))


_STATES = {"up": "running", "exited": "exited", "created": "created", "dead": "dead", "restarting": "restarting"}


def containers(body: bytes, origin: Origin) -> tuple[Container, ...]:
    """The list. What only the disk usage or an inspection can tell is not asked yet."""
    return tuple(_container(item) for item in records(document(body), "/containers/json", origin))


def sizes(body: bytes, origin: Origin) -> Mapping[ContainerId, ContainerUsage]:
    """The sizes in a list that was asked for with size=1."""
    return {
        ContainerId(item.text("Id")): container(item) for item in records(document(body), "/containers/json", origin)
    }


def containers_with_usage(
    listed: tuple[Container, ...], usage: Reading[Mapping[ContainerId, ContainerUsage]], origin: Origin
) -> tuple[Container, ...]:
    """The same containers with their sizes, or with the reason why there are none."""
    absent = Unavailable(Why.NOT_REPORTED, "the engine's disk usage does not list this container", origin)
    return completed(listed, usage, lambda item: item.id, absent, _container_measured)


def _container_measured(item: Container, got: ContainerUsage | Unavailable) -> Container:
    if isinstance(got, Unavailable):
        return replace(item, writable=got, rootfs=got)
    return replace(item, writable=got.writable, rootfs=got.rootfs)


def attachments(item: JsonObject) -> tuple[Attachment, ...]:
    """Mounts, in the list or in an inspection. An entry without a destination is none."""
    found = []
    for mount in item.records("Mounts", "Mounts"):
        if destination := mount.text_or_empty("Destination"):
            kind = mount.text_or_empty("Type")
            name = mount.text_or_empty("Name")
            found.append(
                Attachment(
                    kind=kind or ("volume" if name else "bind"),
                    source=mount.text_or_empty("Source"),
                    destination=destination,
                    volume=name,
                    writable=mount.fields.get("RW") is not False,
                )
            )
    return tuple(found)


def _container(item: JsonObject) -> Container:
    later = item.missing(Why.NOT_ASKED, "the list of containers does not tell")
    names = item.texts("Names")
    return Container(
        id=ContainerId(item.text("Id")),
        name=_name(names),
        image_id=ImageId(item.text_or_empty("ImageID")),
        image=item.text_or_empty("Image"),
        state=item.text_or_empty("State") or _state(item.text_or_empty("Status")),
        created_at=item.moment("Created"),
        finished_at=later,
        writable=later,
        rootfs=later,
        labels=item.mapping("Labels"),
        command=item.text_or_empty("Command"),
        pid=later,
        log_driver=later,
        log_path=later,
        log_options={},
        attachments=attachments(item),
        layer_path=later,
    )


def _name(names: tuple[str, ...]) -> str:
    """The container's own name; the others (/web/db) are the aliases of links."""
    own = [name for name in names if name.count("/") <= 1]
    return (own or list(names) or [""])[0].removeprefix("/")


def _state(status: str) -> str:
    """The state in a status sentence ("Up 2 minutes (Paused)"), for engines that send no State."""
    if status.endswith("(Paused)"):
        return "paused"
    return _STATES.get(status.partition(" ")[0].lower(), "unknown")


def inspected(listed: Container, body: bytes, origin: Origin) -> Container:
    """A container of the list, completed with what its inspection tells."""
    item = top(body, "an inspected container", origin)
    config = item.record("HostConfig").record("LogConfig")
    state = item.record("State")
    driver = config.text_or_empty("Type")
    return replace(
        listed,
        image=item.record("Config").text_or_empty("Image") or listed.image,
        state=state.text_or_empty("Status") or listed.state,
        finished_at=_finished_at(state),
        pid=_pid(state),
        log_driver=Exact(driver, origin) if driver else item.missing(Why.NOT_REPORTED, "no HostConfig.LogConfig.Type"),
        log_path=_log_path(item, driver),
        log_options=config.mapping("Config"),
        attachments=attachments(item),
        layer_path=_layer_path(item),
    )


def not_inspected(listed: Container, reason: Unavailable) -> Container:
    """A container of the list whose inspection gave nothing."""
    return replace(listed, finished_at=reason, pid=reason, log_driver=reason, log_path=reason, layer_path=reason)


def _finished_at(state: JsonObject) -> Reading[datetime]:
    finished = state.moment("FinishedAt")
    if isinstance(finished, Unavailable) and finished.why is Why.NOT_REPORTED and "FinishedAt" in state.fields:
        return state.missing(Why.NOT_APPLICABLE, "it has not finished")
    return finished


def _pid(state: JsonObject) -> Reading[int]:
    pid = state.count("Pid")
    if isinstance(pid, Exact) and pid.value == 0:
        return state.missing(Why.NOT_APPLICABLE, "it does not run")
    return pid


def _log_path(item: JsonObject, driver: str) -> Reading[str]:
    if path := item.text_or_empty("LogPath"):
        return Exact(path, item.origin)
    if driver in ("json-file", "local", ""):
        # `local` never tells its path; `json-file` has none before the first start.
        return item.missing(Why.NOT_REPORTED, "the engine names no log file")
    return item.missing(Why.NOT_APPLICABLE, f"log driver {driver} keeps no file here")


def _layer_path(item: JsonObject) -> Reading[str]:
    """UpperDir of the overlay drivers. btrfs and vfs tell nothing here (vfs's ID is the container's own)."""
    driver = item.record("GraphDriver")
    if path := driver.record("Data").text_or_empty("UpperDir"):
        return Exact(path, item.origin)
    return item.missing(Why.NOT_REPORTED, "the storage driver does not tell where the writable layer is")
