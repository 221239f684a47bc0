"""What is asked once more just before something is removed: the store, the mounts, is the engine stopped, is it idle?
And what its answer about one object says: names, labels, times; any shape is borne.

Whether somebody is pulling, loading or building is told from what lies on disk, since no API lists pulls. That has
three answers: a sentence that names what was seen, "" for nothing, and None where it could not be looked. Refuses to
take the last for the second.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from collectors import drivers
from collectors.drivers.containerd import CONTENT, SYSTEM_CONTAINERD
from collectors.drivers.inner import engine_processes, root_behind
from collectors.model.reading import Exact, Reading
from collectors.model.store import Store
from collectors.reclaim.engine_and_disk import EngineSession, NoAnswer
from collectors.reclaim.tools import RunContext
from collectors.system.deadline import Host
from collectors.system.mountinfo import mounts as mount_table

_PROOF_AT_MOST_S = 120.0
_STALLED_S = 3600.0  # a download that nobody touched for an hour is a leftover
_GRAPH = (
    ("image/*/layerdb/tmp", "write-set-*", "a layer is being written"),
    ("tmp", "GetImageBlob*", "a layer is being downloaded"),
    ("tmp", "docker-import-*", "an image is being loaded"),
    ("tmp", "docker-builder*", "a build is receiving its files"),
    ("tmp", "buildkit-*", "a build is running"),
)
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)\Z")
_CONTENT = f"{CONTENT}/ingest"


def read_again(context: RunContext, engine: EngineSession, root: Path) -> Reading[Store]:
    """The store as it is this moment; with the engine stopped too."""
    driver, containerd = _told(engine)
    own = context.host.here(root_behind(containerd, engine_processes(context.host)) or SYSTEM_CONTAINERD)
    return drivers.store(
        root,
        context.host,
        driver_hint=driver,
        containerd_root=own if own.is_dir() else None,
        grace_s=context.grace_s,
        deadline_s=_PROOF_AT_MOST_S,
    )


def _told(engine: EngineSession) -> tuple[str | None, str]:
    """The engine's driver, and the socket of its containerd; None and "" for what it does not say."""
    try:
        body = engine.get("/info").body
    except NoAnswer:
        return None, ""
    told = body if isinstance(body, dict) else {}
    driver, containerd = told.get("Driver"), told.get("Containerd")
    address = containerd.get("Address") if isinstance(containerd, dict) else ""
    return (driver if isinstance(driver, str) and driver else None), address if isinstance(address, str) else ""


def mounted_inside(host: Host, path: str) -> str:
    """What is mounted at `path` or below, as a reason to leave it alone; "" for nothing."""
    mounts = mount_table(host, timeout_s=5.0)
    if not isinstance(mounts, Exact):
        return "the mount table could not be read"
    inside = [m.mountpoint for m in mounts.value if f"{m.mountpoint}/".startswith(f"{path}/")]
    return f"something is mounted at {inside[0]}" if inside else ""


def given_to_container(engine: EngineSession, host: Host, path: str) -> str:
    """The container that `path`, or something below it, is mounted into, as a reason to leave it alone; "" for none.

    Such a mount is in a namespace of its own, and no mount table here shows it.
    """
    try:
        listed = engine.get("/containers/json", {"all": "1"})
    except NoAnswer:
        return "" if stopped(engine) else "the engine does not answer, and it is not known to be stopped"
    if not listed.ok or not isinstance(listed.body, list):
        return "the engine does not list its containers"
    for container in listed.body:
        for source in _sources(container):
            if f"{host.here(source)}/".startswith(f"{path}/"):
                return f"the container {name_of(container)} uses {source}"
    return ""


def _sources(container: object) -> Iterator[str]:
    """What is mounted into a listed container, by the host's paths."""
    for mount in container.get("Mounts") or () if isinstance(container, dict) else ():
        if isinstance(mount, dict) and (source := text(mount, "Source")):
            yield source


def stopped(engine: EngineSession) -> bool:
    """Nobody listens on the engine's socket, or there is none: not merely silent."""
    path = engine.endpoint.socket
    if path is None:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return True
        except OSError:
            return False
    return False


def writers(docker_root: Path, fresh_s: float) -> str | None:
    """What a graph driver's engine is writing. Untouched for `fresh_s` seconds, it is what a crash left behind."""
    try:
        for folder, names, words in _GRAPH:
            for parent in docker_root.glob(folder):
                if any(_fresh(inner, fresh_s) for entry in parent.glob(names) for inner in _inside(entry)):
                    return words
        next(docker_root.iterdir(), None)  # glob is silent where it may not look
    except OSError:
        return None
    return ""


def ingests(content_roots: tuple[Path, ...]) -> str | None:
    """What is being written into a containerd content store; None if not one of its possible roots can be read."""
    seen = False
    for root in content_roots:
        try:
            entries = list(os.scandir(root / _CONTENT))
        except FileNotFoundError:
            seen = seen or root.is_dir()
            continue
        except OSError:
            return None
        seen = True
        if any(_fresh(inner, _STALLED_S) for entry in entries for inner in _inside(Path(entry.path))):
            return "an image is being pulled or loaded"
    return "" if seen else None


def _inside(folder: Path) -> Iterator[Path]:
    yield folder
    try:
        yield from folder.iterdir()
    except OSError:  # finished just now
        return


def _fresh(path: Path, fresh_s: float) -> bool:
    try:
        return time.time() - path.lstat().st_mtime < fresh_s
    except OSError:
        return False


def references(detail: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tags and digests of an inspected image; the engine's words for none are none."""
    tags = (t for t in detail.get("RepoTags") or () if isinstance(t, str) and "<none>" not in t)
    digests = (d for d in detail.get("RepoDigests") or () if isinstance(d, str) and "<none>" not in d)
    return tuple(tags), tuple(digests)


def labels(detail: Mapping[str, Any]) -> Mapping[str, str]:
    """Labels of an inspected image or container."""
    return strings(mapping(detail, "Config").get("Labels"))


def name_of(listed: Mapping[str, Any]) -> str:
    """A listed container in words."""
    names = listed.get("Names")
    first = names[0] if isinstance(names, list) and names else listed.get("Id", "")
    return str(first).removeprefix("/")


def moment(value: object) -> datetime | None:
    """A time as engines write it (nine digits of a second, year 1 for never); None for never and for nonsense."""
    found = _TIME.match(value) if isinstance(value, str) else None
    if found is None:
        return None
    made = datetime.fromisoformat(found[1] + (found[3] if found[3] != "Z" else "+00:00")).astimezone(UTC)
    return made if made.year > 1 else None


def mapping(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object within it; empty for anything else."""
    inner = value.get(key)
    return inner if isinstance(inner, dict) else {}


def text(value: Mapping[str, Any], key: str) -> str:
    """A text within it; "" for anything else."""
    inner = value.get(key)
    return inner if isinstance(inner, str) else ""


def strings(value: object) -> Mapping[str, str]:
    """Those of its values that are text; empty for anything else."""
    return {k: v for k, v in value.items() if isinstance(v, str)} if isinstance(value, dict) else {}
