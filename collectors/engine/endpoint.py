"""Which engine is meant: the flag, the environment, the current context, or the first default socket that exists.

The order is that of the docker client: `--host`, DOCKER_HOST, DOCKER_CONTEXT, the current context of DOCKER_CONFIG, the
default socket. Looks at configuration files and at whether sockets exist; connects to nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from collectors.engine import contexts
from collectors.engine.address import BadAddress, Tls, is_loopback, tls_from_environment, uniform

DEFAULT_SOCKET = "/var/run/docker.sock"
DEFAULT = "the default socket"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One engine's address, and why this one.

    `remote` is true for an address that leads off this machine's own network stack; a socket, or a tunnel on
    localhost, may still end at another machine, which is what the locality proof is for. `problem` is "" or the
    sentence that says why nothing can be asked; then `url` is "".
    """

    url: str
    source: str
    remote: bool
    tls: Tls | None
    problem: str

    @property
    def socket(self) -> str | None:
        """The path of a unix socket, None for the others."""
        return self.url.removeprefix("unix://") if self.url.startswith("unix://") else None


def endpoint(
    host_flag: str | None, environ: Mapping[str, str], home: Path, *, root: Path = Path("/"), uid: int | None = None
) -> Endpoint:
    """The engine to ask. Never raises: what cannot be used is said in `problem`.

    `home` is the user's home folder; `root` and `uid` say where default sockets are looked for (tests move them).
    """
    config = contexts.folder(environ, home)
    secure = tls_from_environment(environ, config)
    if host_flag:
        return _at(host_flag, "--host", secure)
    if host := environ.get("DOCKER_HOST"):
        return _at(host, "DOCKER_HOST", secure)
    name, source = environ.get("DOCKER_CONTEXT", ""), "DOCKER_CONTEXT"
    if not name:
        name, source = contexts.current(config), "the current context"
    if name in ("", "default"):
        return _default(environ, home, root, os.getuid() if uid is None else uid)
    source = f"context “{name}” ({source})"
    stored = contexts.stored(config, name)
    if stored is None:
        return Endpoint("", source, False, None, f"there is no context “{name}” in {config / 'contexts'}")
    return _at(stored.host or f"unix://{DEFAULT_SOCKET}", source, stored.tls)


def _at(text: str, source: str, secure: Tls | None) -> Endpoint:
    try:
        url = uniform(text, tls=secure is not None)
    except BadAddress as error:
        return Endpoint("", source, False, None, f"{error} (from {source})")
    if url.startswith("unix://"):
        return Endpoint(url, source, False, None, "")
    return Endpoint(url, source, not is_loopback(url), None if url.startswith("ssh://") else secure, "")


def _default(environ: Mapping[str, str], home: Path, root: Path, uid: int) -> Endpoint:
    runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{uid}"
    for path, source in (
        (DEFAULT_SOCKET, DEFAULT),
        (f"{runtime}/docker.sock", "the rootless socket"),
        (f"{home}/.docker/run/docker.sock", "the rootless socket"),
        (f"{home}/.docker/desktop/docker.sock", "Docker Desktop's socket"),
        (f"{runtime}/podman/podman.sock", "Podman's socket"),
        ("/run/podman/podman.sock", "Podman's socket"),
    ):
        there = root / path.lstrip("/")
        if _is_socket(there):
            return Endpoint(f"unix://{there}", source, False, None, "")
    return Endpoint(f"unix://{root / DEFAULT_SOCKET.lstrip('/')}", DEFAULT, False, None, "")


def _is_socket(path: Path) -> bool:
    try:
        return path.is_socket()
    except OSError:  # in a folder that this user may not enter
        return False
