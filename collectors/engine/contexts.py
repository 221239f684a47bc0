"""The docker client's own configuration: the current context and a context's files. Reads; refuses to write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from collectors.engine.address import Tls


@dataclass(frozen=True, slots=True)
class Context:
    """The docker endpoint of one stored context; `host` is "" where the context leaves it to the client."""

    host: str
    tls: Tls | None


def folder(environ: Mapping[str, str], home: Path) -> Path:
    """Where the client keeps its configuration: DOCKER_CONFIG, else ~/.docker."""
    return Path(environ.get("DOCKER_CONFIG") or home / ".docker")


def current(config: Path) -> str:
    """The name of the current context; "" if none is set, or if config.json cannot be read, as the client has it."""
    return _text(_mapping(_load(config / "config.json")), "currentContext")


def stored(config: Path, name: str) -> Context | None:
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
    return Context(_text(endpoint, "Host"), tls if tls.has_files or not verify else None)


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
