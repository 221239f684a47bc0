"""Engine addresses as people write them, made uniform, and the TLS files of one. Connects to nothing.

Refuses schemes the SDK cannot speak here. Names the paths of TLS files; opens none, and never holds key material.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

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
    url = f"{scheme}://{rest.rstrip('/')}"
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
