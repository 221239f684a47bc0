"""Which engine is meant, and how it is reached: addresses, contexts, TLS files. Connects to nothing.

The order is that of the docker client: `--host`, DOCKER_HOST, DOCKER_CONTEXT, the current context of DOCKER_CONFIG, the
default socket. Looks at configuration files and at whether sockets exist, and writes none. Addresses as people write
them are made uniform; schemes that the SDK cannot speak here are refused. Names the paths of TLS files; opens none, and
never holds key material.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from collectors.model import dataclass

DEFAULT_SOCKET, PODMAN_SOCKET = "/var/run/docker.sock", "/run/podman/podman.sock"
DOCKER_SOCKETS = (DEFAULT_SOCKET, "/run/docker.sock")
_PORT = 2375
_PORT_TLS = 2376
_NETWORK = ("tcp", "http", "https", "ssh")


class BadAddress(ValueError):
    """The text names no engine."""


def uniform(text: str, *, tls: bool = False) -> str:
    """`unix:///path`, `tcp://host:port` or `ssh://user@host` for what `docker --host` would accept.

    A bare path is a socket, a bare `host:port` is tcp, a missing port is 2375 (2376 under TLS). Raises BadAddress.
    """
    text = text.strip()
    if text.startswith("/"):
        text = f"unix://{text}"
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "tcp", text
    if scheme == "unix":
        if not rest.startswith("/"):
            raise BadAddress(f"“{text}” is not an engine address: a socket needs an absolute path")
        return f"unix://{rest}"
    if scheme not in _NETWORK:
        raise BadAddress(f"“{text}” is not an engine address: {scheme}:// is not supported")
    return _over_network(text, scheme, f"{scheme}://{rest.rstrip('/')}", tls=tls)


def _over_network(text: str, scheme: str, url: str, *, tls: bool) -> str:
    """`text` is what was given. Raises BadAddress."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadAddress(f"“{text}” is not an engine address: {error}") from None
    if scheme == "ssh":
        if not host or parts.path:
            raise BadAddress(f"“{text}” is not an engine address: ssh:// takes a host and no path")
        return url
    if host is None and port is None:
        raise BadAddress(f"“{text}” is not an engine address: it names no host")
    name = host or "localhost"
    shown = f"[{name}]" if ":" in name else name
    return f"{scheme}://{shown}:{port or (_PORT_TLS if tls or scheme == 'https' else _PORT)}{parts.path}"


def host_of(url: str) -> str:
    """The host name in a uniform address; "" for a socket."""
    return urlsplit(url).hostname or ""


def is_loopback(url: str) -> bool:
    """Does the address lead to this machine's own network stack? It may still be a tunnel to another machine."""
    host = host_of(url)
    return host == "localhost" or host == "::1" or host.startswith("127.")


@dataclass(frozen=True, slots=True)
class Tls:
    """How to speak TLS with an engine. A None path is left out; without `ca`, the system's authorities verify."""

    ca: Path | None
    cert: Path | None
    key: Path | None
    verify: bool

    @staticmethod
    def from_folder(folder: Path, *, verify: bool) -> Tls:
        """ca.pem, cert.pem and key.pem of a folder, as far as they exist."""

        def there(name: str) -> Path | None:
            path = folder / name
            try:
                return path if path.is_file() else None
            except OSError:
                return None

        return Tls(there("ca.pem"), there("cert.pem"), there("key.pem"), verify)

    @property
    def has_files(self) -> bool:
        return any(path is not None for path in (self.ca, self.cert, self.key))


def tls_from_environment(environ: Mapping[str, str], config: Path) -> Tls | None:
    """DOCKER_TLS_VERIFY, DOCKER_TLS and DOCKER_CERT_PATH; None if neither switch is set (to anything but "")."""
    verify = bool(environ.get("DOCKER_TLS_VERIFY"))
    if not verify and not environ.get("DOCKER_TLS"):
        return None
    return Tls.from_folder(Path(environ.get("DOCKER_CERT_PATH") or config), verify=verify)


@dataclass(frozen=True, slots=True)
class DockerContext:
    """The docker endpoint of one stored context; `host` is "" where the context leaves it to the client."""

    host: str
    tls: Tls | None


def folder(environ: Mapping[str, str], home: Path) -> Path:
    """Where the client keeps its configuration: DOCKER_CONFIG, else ~/.docker."""
    return Path(environ.get("DOCKER_CONFIG") or home / ".docker")


def current_context(config: Path) -> str:
    """The name of the current context; "" if none is set, or if config.json cannot be read, as the client has it."""
    return _text(_mapping(_load(config / "config.json")), "currentContext")


def stored_context(config: Path, name: str) -> DockerContext | None:
    """The context called `name`, None if there is no readable one."""
    import hashlib  # here, because most hosts have no context

    # A name that JSON can spell and nothing can write is nobody's.
    key = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    meta = _mapping(_load(config / "contexts" / "meta" / key / "meta.json"))
    endpoint = _mapping(_mapping(meta.get("Endpoints")).get("docker"))
    if not endpoint:
        return None
    files = config / "contexts" / "tls" / key / "docker"
    verify = endpoint.get("SkipTLSVerify") is not True
    tls = Tls.from_folder(files, verify=verify)
    return DockerContext(_text(endpoint, "Host"), tls if tls.has_files or not verify else None)


def _load(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text(record: Mapping[str, object], key: str) -> str:
    value = record.get(key)
    return value if isinstance(value, str) else ""


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

    @property
    def told(self) -> str:
        """What a client has to be told: "" where it looks by itself, and under TLS, which takes keys too."""
        return "" if self.tls is not None or self.socket in (*DOCKER_SOCKETS, PODMAN_SOCKET) else self.url


def endpoint(
    host_flag: str | None, environ: Mapping[str, str], home: Path, *, root: Path = Path("/"), uid: int | None = None
) -> Endpoint:
    """The engine to ask. Never raises: what cannot be used is said in `problem`.

    `home` is the user's home folder; `root` and `uid` say where default sockets are looked for (tests move them).
    """
    config = folder(environ, home)
    secure = tls_from_environment(environ, config)
    if host_flag:
        return _at(host_flag, "--host", secure)
    if host := environ.get("DOCKER_HOST"):
        return _at(host, "DOCKER_HOST", secure)
    name, source = environ.get("DOCKER_CONTEXT", ""), "DOCKER_CONTEXT"
    if not name:
        name, source = current_context(config), "the current context"
    if name in ("", "default"):
        return _default(environ, home, root, os.getuid() if uid is None else uid)
    source = f"context “{name}” ({source})"
    stored = stored_context(config, name)
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
        (PODMAN_SOCKET, "Podman's socket"),
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
