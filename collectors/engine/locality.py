"""Does the engine run on this machine, with the directories that we would read? Refuses to believe it without a proof.

A unix socket proves nothing: it may be forwarded from another machine, or belong to an engine inside a container. In
this order:

1. `<root>/engine-id` holds the id that /info gives: it is (another id: it is not, whatever else looks alike);
2. the process behind the socket sees, under its own root directory, the very directory that we see (same device and
   inode);
3. weaker, where that process may not be looked into: it is in our own process namespace, and the root exists here;
4. we are inside a container that the engine lists: the same kernel runs both.

And what is known of an engine without asking it: daemon.json, and where a silent engine keeps its data.
"""

from __future__ import annotations

import json
import re
import socket
import struct
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from collectors.engine.endpoint import DOCKER_SOCKETS, Endpoint
from collectors.model import ContainerId
from collectors.model.engine import DaemonConfig, Engine
from collectors.model.reading import Reading, Why
from collectors.system import deadline, folders
from collectors.system.deadline import (
    OF_THE_MACHINE,
    Declined,
    DockerPlaces,
    Host,
    Malformed,
    arguments,
    docker_places,
    processes_named,
)
from collectors.system.mount_table import must_answer

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid
_CONNECT_S = 1.0
_OWN_ID = re.compile(r"/([0-9a-f]{64})(?:/userdata)?/hostname\Z")
_ID_BYTES = 4096


def is_local(endpoint: Endpoint, host: Host, engine: Engine, listed: Callable[[], Collection[ContainerId]]) -> bool:
    """True if proven; False for an engine across the network. Raises Declined where neither can be told.

    `listed` gives the ids of the engine's containers; it is only called if nothing else decides.
    """
    if endpoint.remote:
        return False
    root = host.docker_root or host.here(engine.root)
    with suppress(OSError):
        must_answer(root, timeout_s=_CONNECT_S)
    if _same_id(root, engine) or (endpoint.socket is not None and _same_machine(endpoint.socket, host, engine, root)):
        return True
    own = own_container(host)
    if own is not None and own in listed():
        return True
    raise Declined(
        Why.NOT_REACHABLE,
        f"nothing proves that the engine's {engine.root} is {root} here: engine-id cannot be read, its process is not"
        f" visible, and {'this is none of its containers' if own is None else f'it does not list container {own}'}",
    )


def own_container(host: Host) -> ContainerId | None:
    """The container that this process runs in, by the source of its /etc/hostname; None outside of any."""
    try:
        lines = (host.proc / "self" / "mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    for line in lines:
        fields = line.split(" ")
        if len(fields) > 4 and fields[4] == "/etc/hostname" and (found := _OWN_ID.search(fields[3])):
            return ContainerId(found[1])
    return None


def _same_id(root: Path, engine: Engine) -> bool:
    path = root / "engine-id"
    try:
        with path.open("rb") as file:
            there = file.read(_ID_BYTES).decode("utf-8", "replace").strip()
    except OSError:  # Podman and Docker before 23 keep none; without privileges it cannot be read
        return False
    if there and engine.id and there != engine.id:
        raise Declined(Why.INCONSISTENT, f"{root} belongs to another engine: its engine-id is not that of /info")
    return bool(there) and there == engine.id


def _same_machine(path: str, host: Host, engine: Engine, root: Path) -> bool:
    pid = _process_behind(path)
    if pid <= 0:  # in a process namespace that we do not see
        return False
    try:
        ours = root.stat()
    except OSError:
        return False
    process = host.proc / str(pid)
    try:
        theirs = (process / "root" / engine.root.lstrip("/")).stat()
    except PermissionError:
        return _in_our_namespace(process)
    except OSError:
        return False
    if (ours.st_dev, ours.st_ino) != (theirs.st_dev, theirs.st_ino):
        raise Declined(Why.INCONSISTENT, f"the engine's {engine.root} is another directory than {root} here")
    return True


def _process_behind(path: str) -> int:
    """The process that listens on a unix socket; 0 if it is in a namespace that we do not see, or cannot be asked."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(_CONNECT_S)
            line.connect(path)
            pid, _, _ = _CREDENTIALS.unpack(line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    except (OSError, struct.error):
        return 0
    return int(pid)


def _in_our_namespace(process: Path) -> bool:
    """Has the process one number only? One inside a container has a second, in the container's own namespace."""
    try:
        status = (process / "status").read_text("utf-8", "replace")
    except OSError:
        return False
    numbers = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    return len(numbers) == 1


_LIMIT_BYTES = 1 << 20
_SIZES = ("defaultKeepStorage", "defaultReservedSpace", "defaultMaxUsedSpace", "defaultMinFreeSpace", "policy")
# Drivers that bound what they keep here by themselves, or keep nothing here at all.
_ROTATING = frozenset({"local", "journald", "syslog", "none", "gelf", "fluentd", "awslogs", "splunk", "gcplogs"})


def daemon_config(host: Host, endpoint: Endpoint, *, timeout_s: float) -> Reading[DaemonConfig]:
    """What is configured. A missing file is an answer, nothing is; inside a container it is none."""
    path = host.here(_file_of(host, endpoint))
    return deadline.read(
        "engine.daemon_config", f"read {path}", lambda: decode(str(path), _read(path, host)), timeout_s=timeout_s
    )


def _file_of(host: Host, endpoint: Endpoint) -> str:
    """That of the daemon behind a socket of its own, a user's engine for one; the usual one where none is seen."""
    if endpoint.socket is None or endpoint.socket in DOCKER_SOCKETS:
        return OF_THE_MACHINE.config
    process = host.proc / str(_process_behind(endpoint.socket))
    words = _words(process)
    return OF_THE_MACHINE.config if words is None else _config_of(words, docker_places(process))


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


_MOST_BYTES = 1 << 20
_KEPT = "docker-roots.json"
_NOTHING = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)


def last_known(host: Host, endpoint: Endpoint) -> tuple[str, str] | None:
    """(the root as the host names it, who said so); None where nobody ever did. Never raises."""
    if endpoint.socket is None:
        return None
    default = endpoint.socket in DOCKER_SOCKETS
    sockets = frozenset(DOCKER_SOCKETS) if default else frozenset({endpoint.socket})
    for words, usual in _daemons(host):
        if _listens_at(sockets, words, usual):
            return _of_daemon(host, words, usual)
    configured = _configured(host, OF_THE_MACHINE.config) if default else None
    if configured is not None:
        return configured, OF_THE_MACHINE.config
    kept = _kept(host).get(endpoint.url)
    return None if kept is None else (kept, "an earlier run")


def keep_root(host: Host, endpoint: Endpoint, root: str) -> None:
    """For the day on which the engine is silent. Where it cannot be kept, that day knows less."""
    kept = _kept(host)
    if host.state is None or not endpoint.url or kept.get(endpoint.url) == root:
        return
    body = json.dumps({**kept, endpoint.url: root}).encode()
    try:
        host.state.mkdir(mode=folders.OWN_FOLDER_MODE, parents=True, exist_ok=True)
        folders.replace_whole(host.state / _KEPT, folders.sealed(body), mode=folders.OWN_MODE, durable=False)
    except OSError:
        return


def _kept(host: Host) -> dict[str, str]:
    if host.state is None:
        return {}
    try:
        told = json.loads(folders.opened(folders.read_own(host.state / _KEPT, _MOST_BYTES)))
        return {url: root for url, root in told.items() if isinstance(root, str) and root.startswith("/")}
    except _NOTHING:
        return {}


def _daemons(host: Host) -> Iterator[tuple[list[str], DockerPlaces]]:
    """The command line of each process that is called dockerd, and where it keeps what nobody told it where to."""
    for pid, _ in processes_named(host.proc, ("dockerd",)):
        process = host.proc / str(pid)
        with suppress(OSError):  # ended meanwhile
            yield arguments(process), docker_places(process)


def _words(process: Path) -> list[str] | None:
    """The arguments of a dockerd; None: it is none, or has ended."""
    try:
        if (process / "comm").read_bytes().strip() != b"dockerd":
            return None
        return arguments(process)
    except OSError:
        return None


def _of_daemon(host: Host, words: list[str], usual: DockerPlaces) -> tuple[str, str]:
    """A root that neither its command line nor its configuration names is the usual one."""
    told = _options(words, "--data-root", "-g", "--graph")
    if told:
        return told[-1], "dockerd's command line"
    return _configured(host, _config_of(words, usual)) or usual.root, "dockerd's configuration"


def _config_of(words: list[str], usual: DockerPlaces) -> str:
    return (_options(words, "--config-file") or [usual.config])[-1]


def _listens_at(sockets: frozenset[str], words: list[str], usual: DockerPlaces) -> bool:
    """Does it listen at one of them? Without any `-H` at its usual one, and so on what systemd hands it."""
    told = [one.removeprefix("unix://") for one in _options(words, "-H", "--host")] or [""]
    return any(one in sockets or (usual.socket in sockets and (not one or one.startswith("fd://"))) for one in told)


def _options(words: list[str], *names: str) -> list[str]:
    """The values of an option, written with a blank or with `=`."""
    found = [after for word, after in pairwise(words) if word in names]
    return found + [word.partition("=")[2] for word in words if word.partition("=")[0] in names and "=" in word]


def _configured(host: Host, path: str) -> str | None:
    try:
        with Path(host.here(path)).open("rb") as file:
            root = json.loads(file.read(_MOST_BYTES)).get("data-root")
    except _NOTHING:
        return None
    return root if isinstance(root, str) and root.startswith("/") else None
