"""The situations of the table, and the command line that puts the program into each.

Outside of containers privileges are dropped by setpriv before the interpreter starts; inside, the lab's own engine
runs a container from an image that holds nothing. Refuses to lend the program anything that the place would not have.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.lab import Lab
from tests.lab.client import docker_tool
from tests.privileges import image, program

NOBODY = 65534
DOCKER_GROUP = 64990  # any number serves: the lab's socket is given to it
IMAGE = "ullage-place:1"
LABEL = "ullage.lab=privileges"
_BOUND = Path(__file__).with_name("bound.sh")
_ROOT_INSIDE = "/host/docker"
_SOCKET_INSIDE = "/var/run/docker.sock"


@dataclass(frozen=True, slots=True)
class Place:
    """One situation. `key` is its short name; `in_container` says on which side of the engine the program runs."""

    key: str
    title: str
    in_container: bool
    words: Callable[[Lab], tuple[str, ...]]


def prepare(lab: Lab) -> None:
    """The empty image, one that holds the program, and a socket that a group may use as on a real host."""
    lab.client.import_image(IMAGE, {"empty": b""})
    image.build(lab)
    lab.measure()
    os.chown(lab.socket, 0, DOCKER_GROUP)
    lab.socket.chmod(0o660)


def _on_host(*drop: str, root: bool = False) -> Callable[[Lab], tuple[str, ...]]:
    def words(lab: Lab) -> tuple[str, ...]:
        below = str(lab.base / "bound")
        pairs = [word for pair in program.binds(below).items() for word in pair]
        variables = [f"{name}={value}" for name, value in program.environment(below).items()]
        away = ("unshare", "--mount", "--propagation", "private", "/bin/sh", str(_BOUND), *pairs, "--")
        # Who has no word with the engine looks in the usual place; the lab's is not there.
        named = ("--docker-root", str(lab.docker_root)) if root else ()
        asked = (*program.command(below), "--host", lab.host, *named)
        return (*away, *(("setpriv", *drop) if drop else ()), "env", "-i", *variables, *asked)

    return words


def _inside(*options: str, root: bool = False, device: bool = False) -> Callable[[Lab], tuple[str, ...]]:
    def words(lab: Lab) -> tuple[str, ...]:
        binds = {**program.binds(), **{path: path for path in ("/usr", "/lib", "/lib64") if Path(path).exists()}}
        mounts = [word for source, at in binds.items() for word in ("-v", f"{source}:{at}:ro")]
        mounts += ["-v", f"{lab.socket}:{_SOCKET_INSIDE}"]
        mounts += ["-v", f"{lab.docker_root}:{_ROOT_INSIDE}:ro"] if root else []
        mounts += ["--device", lab.device] if device else []
        variables = [word for pair in program.environment().items() for word in ("-e", "=".join(pair))]
        asked = (*program.command(), *(("--docker-root", _ROOT_INSIDE) if root else ()))
        client = (docker_tool() or "docker", "--host", lab.host, "run", "--rm", "--network", "none", "--label", LABEL)
        return (*client, *options, *mounts, *variables, IMAGE, *asked)

    return words


def _probing() -> Callable[[Lab], tuple[str, ...]]:
    """From an image that holds the program, as a probe can be started from no other."""

    def words(lab: Lab) -> tuple[str, ...]:
        client = (docker_tool() or "docker", "--host", lab.host, "run", "--rm", "--network", "none", "--label", LABEL)
        return (*client, "-v", f"{lab.socket}:{_SOCKET_INSIDE}", image.IMAGE, *program.ARGUMENTS, "--probe-container")

    return words


_USER = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--inh-caps=-all")
_HARDENED = (
    *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    *("--user", f"{NOBODY}:{DOCKER_GROUP}"),
)
PLACES = (
    Place("root", "root", False, _on_host()),
    Place("no-sys-admin", "root without CAP_SYS_ADMIN", False, _on_host("--bounding-set=-sys_admin")),
    Place("docker-group", "member of the docker group", False, _on_host(*_USER, f"--groups={DOCKER_GROUP}")),
    Place("nobody", "nobody", False, _on_host(*_USER, "--clear-groups", root=True)),
    Place("socket", "container: the socket only", True, _inside()),
    Place("hardened", "the same, hardened", True, _inside(*_HARDENED)),
    Place("probe", "the socket and `--probe-container`", True, _probing()),
    Place("bind", "container: Docker root bound read-only", True, _inside(root=True)),
    Place("sys-admin", "the bind and `--cap-add SYS_ADMIN`", True, _inside("--cap-add", "SYS_ADMIN", root=True)),
    Place("device", "the bind and `--device`", True, _inside(root=True, device=True)),
)
