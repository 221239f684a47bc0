"""The engine itself and its images: GET /version, /info, /images/json and /images/{id}/json. Pure.

GET /version and GET /info: who answers. Pure.

GET /images/json and GET /images/{id}/json → Image. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from collectors.engine.decode import JsonObject, document, printable, records, top
from collectors.engine.decode.usage import ImageUsage, image_id
from collectors.engine.reply import Api, Dialect, negotiate, parse
from collectors.model.engine import Engine, Flavour, Image, ImageStore
from collectors.model.owner import DiffId, ImageId
from collectors.model.reading import Exact, Origin, Reading, Unavailable, Why
from collectors.model.records import dataclass
from collectors.system.deadline import Malformed

_CONTAINERD = ("driver-type", "io.containerd.snapshotter.v1")


@dataclass(frozen=True, slots=True)
class Greeting:
    """What /version tells before anything else can be asked."""

    version: str
    newest_api: Api
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
    return Greeting(record.text_or_empty("Version"), newest, Dialect(api, flavour))


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


def with_usage(
    listed: tuple[Image, ...], usage: Reading[Mapping[ImageId, ImageUsage]], origin: Origin
) -> tuple[Image, ...]:
    """The same images with what /system/df measured, or with the reason why it did not."""
    if isinstance(usage, Unavailable):
        return tuple(replace(image, shared=usage, containers=usage) for image in listed)
    absent = Unavailable(Why.NOT_REPORTED, "the engine's disk usage does not list this image", origin)
    found = []
    for image in listed:
        measured = usage.value.get(image.id)
        if measured is None:
            found.append(replace(image, shared=absent, containers=absent))
        else:
            found.append(replace(image, shared=measured.shared, containers=measured.containers))
    return tuple(found)


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
