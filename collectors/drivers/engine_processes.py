"""Engines that run on this machine, by their own command lines and configuration: whose root lies where.

Reads what /proc tells, asks nobody. Paths are of an engine's own mount namespace: `means` compares directories, not
names.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from collectors.drivers.containerd import METADATA
from collectors.model.records import dataclass
from collectors.system.host import Host

# Where clients look for a containerd that no other engine has started for itself alone.
_SOCKETS = frozenset({"/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock"})
_ROOTS = ("/var/lib/containerd", "/var/lib/rancher/k3s/agent/containerd", "/var/lib/rancher/rke2/agent/containerd",
          "/var/snap/microk8s/common/var/lib/containerd")  # fmt: skip


@dataclass(frozen=True, slots=True)
class EngineProcess:
    """A running dockerd, containerd or buildkitd."""

    name: str
    pid: int
    root: str
    socket: str

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.name} (pid {self.pid})"


def engine_processes(host: Host) -> Iterator[EngineProcess]:
    """Every engine that this process sees."""
    for name in _numbers(host.proc):
        folder = host.proc / name
        try:
            command = (folder / "comm").read_text().strip()
            if command not in _READ:
                continue
            words = (folder / "cmdline").read_bytes().decode("utf-8", "surrogateescape").split("\0")[1:]
        except OSError:  # ended meanwhile
            continue
        yield _READ[command](int(name), words, folder)


def _dockerd(pid: int, words: list[str], folder: Path) -> EngineProcess:
    root = _option(words, "--data-root", "-g", "--graph") or "/var/lib/docker"
    return EngineProcess("dockerd", pid, root, _option(words, "-H", "--host") or "unix:///var/run/docker.sock")


def _containerd(pid: int, words: list[str], folder: Path) -> EngineProcess:
    config = _toml(folder, _option(words, "--config", "-c") or "/etc/containerd/config.toml")
    root = _option(words, "--root") or str(config.get("root") or "/var/lib/containerd")
    address = _option(words, "--address", "-a") or _grpc(config).get("address") or "/run/containerd/containerd.sock"
    return EngineProcess("containerd", pid, root, str(address))


def _buildkitd(pid: int, words: list[str], folder: Path) -> EngineProcess:
    config = _toml(folder, _option(words, "--config") or "/etc/buildkit/buildkitd.toml")
    root = _option(words, "--root") or str(config.get("root") or "/var/lib/buildkit")
    return EngineProcess("buildkitd", pid, root, _option(words, "--addr") or "unix:///run/buildkit/buildkitd.sock")


# By the name of the process: those that say where their root is.
_READ = {"dockerd": _dockerd, "containerd": _containerd, "buildkitd": _buildkitd}


def _grpc(config: dict[str, object]) -> dict[str, object]:
    grpc = config.get("grpc")
    return grpc if isinstance(grpc, dict) else {}


def _option(words: list[str], *names: str) -> str:
    for place, word in enumerate(words):
        for name in names:
            if word.startswith(f"{name}="):
                return word.partition("=")[2]
            if word == name and place + 1 < len(words):
                return words[place + 1]
    return ""


def _toml(folder: Path, path: str) -> dict[str, object]:
    """A file by the name that the process has for it; {} where it cannot be read."""
    try:
        text = (folder / "root" / path.lstrip("/")).read_text(encoding="utf-8")
        import tomllib  # here, because most hosts have no such file

        return tomllib.loads(text)
    except (OSError, ValueError):
        return {}


def _numbers(proc: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(proc) if name.isdecimal())  # noqa: PTH208 - names, not paths
    except OSError:
        return []


def means(host: Host, engine: EngineProcess, path: str) -> bool:
    """Is the directory that the engine means the one that lies at `path` here?"""
    try:
        there, mine = (host.proc / str(engine.pid) / "root" / engine.root.lstrip("/")).stat(), Path(path).stat()
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)


def running_on(path: str, host: Host, engines: Iterable[EngineProcess]) -> EngineProcess | None:
    """The engine whose root is the directory `path`; None: none was seen."""
    return next((engine for engine in engines if means(host, engine, path)), None)


def containerd_address(root: str, host: Host) -> str | None:
    """The socket of the containerd whose root this is, "" where none runs on it; None: it is no containerd's."""
    if not (Path(root) / METADATA).is_file():
        return None
    runs = running_on(root, host, engine_processes(host))
    return runs.socket if runs is not None else ""


def root_behind(socket: str, host: Host) -> str | None:
    """The root of the containerd that listens at `socket`, as the host names it; None: none was seen."""
    engines = (one for one in engine_processes(host) if one.name == "containerd")
    return next((one.root for one in engines if socket and one.socket == socket), None)


def containerd_roots(host: Host) -> Iterator[str]:
    """Where a containerd that runs keeps its data, and where one usually does, as the host names it."""
    yield from (one.root for one in engine_processes(host) if one.name == "containerd" and one.socket in _SOCKETS)
    yield from _ROOTS
