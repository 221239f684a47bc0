"""GET /containers/{id}/json: log file, process, writable layer. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from collectors.engine.decode.containers import attachments
from collectors.engine.decode.fields import Record, top
from collectors.model.engine import Container
from collectors.model.reading import Exact, Origin, Reading, Unavailable, Why


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


def _finished_at(state: Record) -> Reading[datetime]:
    finished = state.moment("FinishedAt")
    if isinstance(finished, Unavailable) and finished.why is Why.NOT_REPORTED and "FinishedAt" in state.fields:
        return state.missing(Why.NOT_APPLICABLE, "it has not finished")
    return finished


def _pid(state: Record) -> Reading[int]:
    pid = state.count("Pid")
    if isinstance(pid, Exact) and pid.value == 0:
        return state.missing(Why.NOT_APPLICABLE, "it does not run")
    return pid


def _log_path(item: Record, driver: str) -> Reading[str]:
    if path := item.text_or_empty("LogPath"):
        return Exact(path, item.origin)
    if driver in ("json-file", "local", ""):
        # `local` never tells its path; `json-file` has none before the first start.
        return item.missing(Why.NOT_REPORTED, "the engine names no log file")
    return item.missing(Why.NOT_APPLICABLE, f"log driver {driver} keeps no file here")


def _layer_path(item: Record) -> Reading[str]:
    """UpperDir of the overlay drivers. btrfs and vfs tell nothing here (vfs's ID is the container's own)."""
    driver = item.record("GraphDriver")
    if path := driver.record("Data").text_or_empty("UpperDir"):
        return Exact(path, item.origin)
    return item.missing(Why.NOT_REPORTED, "the storage driver does not tell where the writable layer is")
