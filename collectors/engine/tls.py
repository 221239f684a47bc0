"""The TLS files of one endpoint. Names paths; opens none, and never holds key material."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


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


def from_environment(environ: Mapping[str, str], config: Path) -> Tls | None:
    """DOCKER_TLS_VERIFY, DOCKER_TLS and DOCKER_CERT_PATH; None if neither switch is set (to anything but "")."""
    verify = bool(environ.get("DOCKER_TLS_VERIFY"))
    if not verify and not environ.get("DOCKER_TLS"):
        return None
    return Tls.from_folder(Path(environ.get("DOCKER_CERT_PATH") or config), verify=verify)
