"""Which image holds this program, and how it is started there. Asks the engine for one image; never pulls one."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import collectors
from collectors.engine.locality import own_container
from collectors.model.engine import Container
from collectors.model.reading import Exact, Reading, Why
from collectors.probe.creation import Program
from collectors.system.deadline import Declined, Malformed
from collectors.system.host import Host

_COMMAND = "ullage"
_FLAG = "--as-probe"
# What this process may have needed to start, and a container from the same image needs again.
_CARRIED = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH")
_ALWAYS = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1", "HOME": "/nonexistent"}


def image_of(named: str, host: Host, listed: Reading[tuple[Container, ...]]) -> str:
    """The image that was named, else the one that this process runs in. Raises Declined."""
    if named:
        return named
    own = own_container(host)
    if own is None:
        raise Declined(
            Why.NOT_REACHABLE, "this is no container: name an image that holds ullage, --probe-container=IMAGE"
        )
    containers = listed.value if isinstance(listed, Exact) else ()
    found = next((container.image_id for container in containers if container.id == own), "")
    if not found:
        told = f"the engine does not tell the image of this container, {own[:12]}: name one, --probe-container=IMAGE"
        raise Declined(Why.NOT_REACHABLE, told)
    return found


def program(image: Mapping[str, object], question: str, *, ours: bool) -> Program:
    """How to ask `question` of an image, as inspected. `ours`: this process runs from the same one."""
    identity, config = image.get("Id"), image.get("Config") or {}
    if not isinstance(identity, str) or not isinstance(config, Mapping):
        raise Malformed("what the engine tells of the image is no description of one")
    volumes = config.get("Volumes") or {}
    declared = tuple(sorted(map(str, volumes))) if isinstance(volumes, Mapping) else ()
    if ours:
        return Program(identity, (sys.executable,), ("-m", "collectors", _FLAG, question), _environment(), declared)
    entrypoint = None if config.get("Entrypoint") else (_COMMAND,)
    return Program(identity, entrypoint, (_FLAG, question), _ALWAYS, declared)


def _environment() -> dict[str, str]:
    carried = {name: os.environ[name] for name in _CARRIED if os.environ.get(name)}
    # Also where the program was started from a checkout, in its folder.
    home = str(Path(collectors.__file__).resolve().parents[1])
    paths = [home, *carried.get("PYTHONPATH", "").split(os.pathsep)]
    return {**carried, "PYTHONPATH": os.pathsep.join(dict.fromkeys(path for path in paths if path)), **_ALWAYS}
