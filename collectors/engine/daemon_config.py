"""daemon.json: does anything bound the logs and the build cache? Reads one small file, follows nothing in it.

Refuses to take a container's own /etc for the host's: a file that is missing there says nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from collectors.engine.locality import own_container
from collectors.model.engine import DaemonConfig
from collectors.model.reading import Reading, Why
from collectors.system import deadline
from collectors.system.deadline import Declined, Malformed
from collectors.system.host import Host

_PATH = "/etc/docker/daemon.json"
_LIMIT_BYTES = 1 << 20
_SIZES = ("defaultKeepStorage", "defaultReservedSpace", "defaultMaxUsedSpace", "defaultMinFreeSpace", "policy")
# Drivers that bound what they keep here by themselves, or keep nothing here at all.
_ROTATING = frozenset({"local", "journald", "syslog", "none", "gelf", "fluentd", "awslogs", "splunk", "gcplogs"})


def daemon_config(host: Host, *, timeout_s: float) -> Reading[DaemonConfig]:
    """What is configured. A missing file is an answer, nothing is; inside a container it is none."""
    path = host.here(_PATH)
    return deadline.read(
        "engine.daemon_config", f"read {path}", lambda: decode(str(path), _read(path, host)), timeout_s=timeout_s
    )


def decode(path: str, content: bytes) -> DaemonConfig:
    """Raises Malformed for what is no JSON object; an unexpected type of a value counts as not set."""
    try:
        table = json.loads(content) if content.strip() else {}
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{path}: {error}") from None
    if not isinstance(table, dict):
        raise Malformed(f"{path}: no JSON object")
    options, driver = _table(table, "log-opts"), table.get("log-driver", "json-file")
    rotates = isinstance(driver, str) and driver in _ROTATING
    gc = _table(_table(table, "builder"), "gc")
    return DaemonConfig(
        path=path,
        logs_bounded=rotates or bool(options.get("max-size")),
        build_cache_bounded=any(gc.get(key) for key in _SIZES) and gc.get("enabled") is not False,
    )


def _table(table: dict[str, Any], key: str) -> dict[str, Any]:
    value = table.get(key)
    return value if isinstance(value, dict) else {}


def _read(path: Path, host: Host) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LIMIT_BYTES)
    except FileNotFoundError:
        if host.root == Path("/") and own_container(host) is not None:
            told = f"{path} of the host is not seen from inside this container: bind it read-only"
            raise Declined(Why.NOT_REACHABLE, told) from None
        return b""
