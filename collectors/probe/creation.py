"""What a probe container is allowed, the whole body of POST /containers/create, and which image holds this program.

Read-only, without network, without a log, every capability dropped but DAC_READ_SEARCH, no new privileges, bounded in
memory and processes, removed by the engine as soon as it ends. The Docker root is bound read-only at its own path, so
that all paths in the answer are the host's. The bind is recursive, as an engine's are: what is mounted below the root
is mounted in the probe as well, where its mount table tells which layers are in use; the walk enters none of these
mounts. Engines before 25 do not make such inner mounts read-only: nothing inside writes, and a file that root may not
write is closed to it too. No socket, no device, no other path of the host but that of a containerd which keeps
the images.

Asks the engine for one image; never pulls one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import collectors
from collectors.engine.locality import own_container
from collectors.model import dataclass
from collectors.model.engine import Container
from collectors.model.reading import Exact, Reading, Why
from collectors.system.deadline import Declined, Host, Malformed

LABEL = "ullage.probe"
_MEMORY_BYTES = 1 << 30
_PROCESSES = 64
_READ_EVERYTHING = "DAC_READ_SEARCH"
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Program:
    """How the program is started in an image. `entrypoint` None: the image's own."""

    image: str  # the id of what was inspected: a tag may be moved meanwhile
    entrypoint: tuple[str, ...] | None
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    volumes: tuple[str, ...]  # what the image declares: each would become an anonymous volume


def creation(program: Program, folders: Iterable[str]) -> Json:
    """`folders` are bound read-only, each at its own path."""
    body: Json = {
        "Image": program.image,
        "Cmd": list(program.arguments),
        "Env": [f"{name}={value}" for name, value in program.environment.items()],
        "User": "0:0",  # the capability is root's; as another user it would be gone at exec
        "WorkingDir": "/",
        "Labels": {LABEL: "true"},
        "AttachStdin": False,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": False,
        "NetworkDisabled": True,
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            "AutoRemove": True,
            "NetworkMode": "none",
            "ReadonlyRootfs": True,
            "Privileged": False,
            "CapDrop": ["ALL"],
            "CapAdd": [_READ_EVERYTHING],
            "SecurityOpt": ["no-new-privileges"],
            # Where containers have user numbers of their own, that root may not read the host's.
            "UsernsMode": "host",
            "Memory": _MEMORY_BYTES,
            "MemorySwap": _MEMORY_BYTES,
            "PidsLimit": _PROCESSES,
            "LogConfig": {"Type": "none"},
            "RestartPolicy": {"Name": "no"},
            "Mounts": [*map(_bound, folders), *map(_empty, program.volumes)],
        },
    }
    if program.entrypoint is not None:
        body["Entrypoint"] = list(program.entrypoint)
    return body


def _bound(folder: str) -> Json:
    # Propagation is the engine's matter: of its own root it wants `rslave`, so that the probe holds no mount of a
    # container that ends meanwhile.
    return {"Type": "bind", "Source": folder, "Target": folder, "ReadOnly": True}


def _empty(path: str) -> Json:
    """In the place of a declared volume, which would be made on the disk under study."""
    return {"Type": "tmpfs", "Target": path, "ReadOnly": True, "TmpfsOptions": {"SizeBytes": 1 << 16}}


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
