"""Containers: GET /containers/json and GET /containers/{id}/json. Pure.

GET /containers/json → Container. Pure.

GET /containers/{id}/json: log file, process, writable layer. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from collectors.engine.decode import JsonObject, document, records, top
from collectors.engine.decode.usage import ContainerUsage, container
from collectors.model.engine import Attachment, Container
from collectors.model.owner import ContainerId, ImageId
from collectors.model.reading import Exact, Origin, Reading, Unavailable, Why

_STATES = {"up": "running", "exited": "exited", "created": "created", "dead": "dead", "restarting": "restarting"}


def containers(body: bytes, origin: Origin) -> tuple[Container, ...]:
    """The list. What only the disk usage or an inspection can tell is not asked yet."""
    return tuple(_container(item) for item in records(document(body), "/containers/json", origin))


def sizes(body: bytes, origin: Origin) -> Mapping[ContainerId, ContainerUsage]:
    """The sizes in a list that was asked for with size=1."""
    return {
        ContainerId(item.text("Id")): container(item) for item in records(document(body), "/containers/json", origin)
    }


def with_usage(
    listed: tuple[Container, ...], usage: Reading[Mapping[ContainerId, ContainerUsage]], origin: Origin
) -> tuple[Container, ...]:
    """The same containers with their sizes, or with the reason why there are none."""
    if isinstance(usage, Unavailable):
        return tuple(replace(item, writable=usage, rootfs=usage) for item in listed)
    absent = Unavailable(Why.NOT_REPORTED, "the engine's disk usage does not list this container", origin)
    found = []
    for item in listed:
        measured = usage.value.get(item.id)
        if measured is None:
            found.append(replace(item, writable=absent, rootfs=absent))
        else:
            found.append(replace(item, writable=measured.writable, rootfs=measured.rootfs))
    return tuple(found)


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
