"""Where a silent engine keeps its data: what its process was told, what daemon.json says, what it said itself before.

An engine that is frozen or gone answers nothing, and its disk may not be the one of the usual place. Asked only then.
Refuses to take another engine's root: a process counts only with the socket that was asked, the file only with the
default one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from collectors.engine.endpoint import Endpoint
from collectors.system import folders
from collectors.system.host import Host

_CONFIG = "/etc/docker/daemon.json"
_USUAL = "/var/lib/docker"
_SOCKETS = ("/var/run/docker.sock", "/run/docker.sock")
_MOST_BYTES = 1 << 20
_KEPT = "docker-roots.json"
_NOTHING = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)


def last_known(host: Host, endpoint: Endpoint) -> tuple[str, str] | None:
    """(the root as the host names it, who said so); None where nobody ever did. Never raises."""
    if endpoint.socket is None:
        return None
    default = endpoint.socket in _SOCKETS
    for words in _daemons(host):
        told = _options(words, "-H", "--host")
        if any(one.removeprefix("unix://") == endpoint.socket for one in told) or (default and _listens_there(told)):
            return _of_daemon(host, words)
    configured = _configured(host, _CONFIG) if default else None
    if configured is not None:
        return configured, _CONFIG
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


def _daemons(host: Host) -> Iterator[list[str]]:
    """The command line of each process that is called dockerd."""
    for comm in sorted(host.proc.glob("[0-9]*/comm")):
        try:
            if comm.read_bytes().strip() == b"dockerd":
                yield (comm.parent / "cmdline").read_bytes().decode("utf-8", "surrogateescape").split("\0")[1:]
        except OSError:
            continue


def _of_daemon(host: Host, words: list[str]) -> tuple[str, str]:
    """A root that neither its command line nor its configuration names is the usual one."""
    told = _options(words, "--data-root", "-g", "--graph")
    if told:
        return told[-1], "dockerd's command line"
    config = (_options(words, "--config-file") or [_CONFIG])[-1]
    return _configured(host, config) or _USUAL, "dockerd's configuration"


def _listens_there(told: list[str]) -> bool:
    """Does a daemon with these `-H` listen on the default socket? Without any it does, and on what systemd hands it."""
    return not told or any(one.startswith("fd://") or one.removeprefix("unix://") in ("", *_SOCKETS) for one in told)


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
