"""GET /version and GET /info: who answers. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.engine.decode.fields import Record, printable, top
from collectors.engine.dialect import Api, Dialect, negotiate, parse
from collectors.model.engine import Engine, Flavour, ImageStore
from collectors.model.reading import Origin
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


def engine(body: bytes, hello: Greeting, origin: Origin) -> Engine:
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
    )


def _status(info: Record) -> tuple[tuple[str, str], ...]:
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
