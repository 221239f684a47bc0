"""Which engines run on this machine, by their command lines: a dockerd or containerd says itself where its root is.

Reads two small files of each process, and a configuration file of containerd's. Refuses to take a path in another mount
namespace for the directory of the same name here: the two are compared by device and inode.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from collectors.system.host import Host

_ENGINES = frozenset({"dockerd", "containerd"})


@dataclass(frozen=True, slots=True)
class EngineProcess:
    """A running dockerd or containerd, by its own command line and configuration."""

    name: str
    pid: int
    root: str
    socket: str


def engine_processes(host: Host) -> Iterator[EngineProcess]:
    """Every dockerd and containerd that this process sees. Paths are of their own mount namespaces."""
    for name in _listed(host.proc):
        if not name.isdecimal():
            continue
        folder = host.proc / name
        try:
            command = (folder / "comm").read_text().strip()
            if command not in _ENGINES:
                continue
            words = (folder / "cmdline").read_bytes().decode("utf-8", "surrogateescape").split("\0")[1:]
        except OSError:  # ended meanwhile
            continue
        yield _engine(command, int(name), words, folder)


def _engine(command: str, pid: int, words: list[str], folder: Path) -> EngineProcess:
    if command == "dockerd":
        root = _option(words, "--data-root", "-g", "--graph") or "/var/lib/docker"
        socket = _option(words, "-H", "--host") or "unix:///var/run/docker.sock"
        return EngineProcess(command, pid, root, socket)
    config = _toml(folder / "root" / (_option(words, "--config", "-c") or "/etc/containerd/config.toml").lstrip("/"))
    grpc = config.get("grpc")
    address = grpc.get("address") if isinstance(grpc, dict) else None
    root = _option(words, "--root") or str(config.get("root") or "/var/lib/containerd")
    socket = _option(words, "--address", "-a") or str(address or "/run/containerd/containerd.sock")
    return EngineProcess(command, pid, root, socket)


def _option(words: list[str], *names: str) -> str:
    for place, word in enumerate(words):
        for name in names:
            if word.startswith(f"{name}="):
                return word.partition("=")[2]
            if word == name and place + 1 < len(words):
                return words[place + 1]
    return ""


def _toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def means(host: Host, engine: EngineProcess, path: str) -> bool:
    """Is the directory that the engine means the one that lies at `path` here?"""
    try:
        there, mine = (host.proc / str(engine.pid) / "root" / engine.root.lstrip("/")).stat(), Path(path).stat()
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)


def _listed(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - names, not paths
    except OSError:
        return []
