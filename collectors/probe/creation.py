"""What a probe container is allowed: the whole body of POST /containers/create. Pure.

Read-only, without network, without a log, every capability dropped but DAC_READ_SEARCH, no new privileges, bounded in
memory and processes, removed by the engine as soon as it ends. The Docker root is bound read-only at its own path, so
that all paths in the answer are the host's. The bind is recursive, as an engine's are: what is mounted below the root
is mounted in the probe as well, where its mount table tells which layers are in use; the walk enters none of these
mounts. Engines before 25 do not make such inner mounts read-only: nothing inside writes, and a file that root may not
write is closed to it too. No socket, no device, no other path of the host but that of a containerd which keeps
the images.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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
