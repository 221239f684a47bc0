"""Stores and leftovers where no listing looks: engines that run here with their roots, and things inside units.

Engines are found by their own command lines and configuration in /proc; nobody is asked. Paths are of an engine's own
mount namespace: `means` compares directories, not names.

Inside units: core dumps in writable layers, unfinished downloads in tmp, and Docker roots inside Docker. One or two
folders of each unit are listed and nothing deeper. Of the engine's temporary files a download or a build context that
was touched lately is taken to go on, and so is one that a process has open.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from collectors.drivers.containerd import METADATA
from collectors.drivers.files import last_touched_s
from collectors.drivers.leftovers import TEMPORARY
from collectors.model import Owner, OwnerKind, UnitId, dataclass
from collectors.model.reading import Exact, Reading
from collectors.model.store import Unit, UnitKind
from collectors.system.deadline import Host, arguments, docker_places, processes_named
from collectors.system.unlinked_files import OpenFileSearch


def without_opened(units: tuple[Unit, ...], search: Reading[OpenFileSearch]) -> tuple[Unit, ...]:
    """The units, of which a temporary file is no leftover that some process has open, or may have open for all we know.

    A process that cannot be looked into may still hold one: whoever removes something asks the kernel once more.
    """
    idle = leftovers(units, search.value) if isinstance(search, Exact) and search.value.whole else ()
    in_use = {unit.path for unit in units if _left_over(unit)}.difference(idle)
    return tuple(replace(unit, owners=frozenset()) if unit.path in in_use else unit for unit in units)


def leftovers(units: Iterable[Unit], search: OpenFileSearch) -> tuple[str, ...]:
    """The paths of temporary files that nobody was seen to have open."""
    return tuple(unit.path for unit in units if _left_over(unit) and Path(unit.path).name not in search.opened)


def _left_over(unit: Unit) -> bool:
    return unit.kind is UnitKind.TEMPORARY and any(who.kind is OwnerKind.LEFTOVER for who in unit.owners)


def _untouched(folder: Path, oldest_s: float) -> frozenset[str]:
    """Paths directly below `folder` that nothing has touched since `oldest_s`."""
    named = _named(folder)
    return frozenset(p for p in named if (touched := last_touched_s(p)) is not None and touched <= oldest_s)


def _named(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries if TEMPORARY.fullmatch(entry.name))
    except OSError:
        return []


# The kernel's default names: core, core.<pid>; others are set by core_pattern and lie where it says.
_CORE = re.compile(r"core(\.\d+)?")
# Where a layer's files begin, below the directory of each driver.
_INSIDE = ("diff", "fs", "")
_DRIVERS = frozenset({"overlay2", "btrfs", "vfs", "fuse-overlayfs", "containerd"})
_ENGINE = frozenset({"containers", "image", "volumes"})


def inner_units(units: Iterable[Unit], here: Callable[[str], bool], oldest_s: float) -> tuple[Unit, ...]:
    """The units inside `units`. What cannot be listed has none: its bytes stay with the unit that holds them.

    A temporary file that nothing touched since `oldest_s` (seconds since the epoch) is a leftover, unless it is open.

    `here` says whether a folder lies on the Docker root's own filesystem. Others are not listed: a volume may be a
    network mount that hangs, and a thread that hangs on it would keep this process from ever ending.
    """
    found: list[Unit] = []
    for unit in units:
        if not here(str(Path(unit.path, "_data"))):
            continue
        if unit.kind is UnitKind.WRITABLE_LAYER:
            top = _top(unit.path)
            found += _core_dumps(unit, top)
            found += _nested_root(unit, Path(top, "var/lib/docker"))
        elif unit.kind is UnitKind.VOLUME:
            found += _nested_root(unit, Path(unit.path, "_data"))
        elif unit.kind is UnitKind.TEMPORARY and Path(unit.path).name == "tmp":
            found += _temporary(unit, oldest_s)
    return tuple(found)


def _temporary(folder: Unit, oldest_s: float) -> Iterator[Unit]:
    over = _untouched(Path(folder.path), oldest_s)
    for name, path in _names(folder.path).items():
        owners = frozenset({Owner(OwnerKind.LEFTOVER, path)}) if path in over else folder.owners
        yield replace(_of(folder, UnitKind.TEMPORARY, path, name), owners=owners)


def _core_dumps(unit: Unit, top: str) -> Iterator[Unit]:
    for name, path in _names(top).items():
        if _CORE.fullmatch(name) and _is_file(path):
            yield _of(unit, UnitKind.CORE_DUMP, path, f"{name} in {unit.name}")


def _nested_root(unit: Unit, folder: Path) -> Iterator[Unit]:
    names = _names(str(folder)).keys()
    if names & _DRIVERS and len(names & _ENGINE) >= 2:
        yield _of(unit, UnitKind.NESTED_ROOT, str(folder), f"Docker root in {unit.name}")


def _of(unit: Unit, kind: UnitKind, path: str, name: str) -> Unit:
    return Unit(UnitId(path), kind, path, name, unit.owners, False, None)


def _top(layer: str) -> str:
    for inside in _INSIDE:
        if Path(layer, inside).is_dir():
            return f"{layer}/{inside}".rstrip("/")
    return layer


def _names(folder: str) -> dict[str, str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.path for entry in entries}
    except OSError:
        return {}


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


# Where clients look for a containerd that no other engine has started for itself alone.
_SOCKETS = frozenset({"/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock"})
_ROOTS = ("/var/lib/containerd", "/var/lib/rancher/k3s/agent/containerd", "/var/lib/rancher/rke2/agent/containerd",
          "/var/snap/microk8s/common/var/lib/containerd")  # fmt: skip


@dataclass(frozen=True, slots=True)
class EngineProcess:
    """A running dockerd, containerd, buildkitd or Podman, or what watches a container of Podman's. "": not told."""

    name: str
    pid: int
    root: str
    socket: str
    tmp: str = ""  # the folder for temporary files that it was given

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.name} (pid {self.pid})"


def engine_processes(host: Host, named: Iterable[tuple[int, str]] | None = None) -> tuple[EngineProcess, ...]:
    """Every engine that this process sees. `named`: what `engines_by_name` found; None: it is asked now."""
    found = []
    for pid, command in engines_by_name(host) if named is None else named:
        folder = host.proc / str(pid)
        with suppress(OSError):  # ended meanwhile
            found.append(_READ[command](pid, arguments(folder), folder))
    return tuple(found)


def engines_by_name(host: Host) -> tuple[tuple[int, str], ...]:
    """(number, name) of every process that may be one: what takes long of `engine_processes` where there are many."""
    return tuple(processes_named(host.proc, _READ))


def _dockerd(pid: int, words: list[str], folder: Path) -> EngineProcess:
    usual = docker_places(folder)
    config = _table(folder, _option(words, "--config-file") or usual.config)
    root = _option(words, "--data-root", "-g", "--graph") or str(config.get("data-root") or usual.root)
    return EngineProcess("dockerd", pid, root, _option(words, "-H", "--host") or f"unix://{usual.socket}")


def _containerd(pid: int, words: list[str], folder: Path) -> EngineProcess:
    config = _table(folder, _option(words, "--config", "-c") or "/etc/containerd/config.toml")
    root = _option(words, "--root") or str(config.get("root") or "/var/lib/containerd")
    address = _option(words, "--address", "-a") or _grpc(config).get("address") or "/run/containerd/containerd.sock"
    return EngineProcess("containerd", pid, root, str(address))


def _buildkitd(pid: int, words: list[str], folder: Path) -> EngineProcess:
    config = _table(folder, _option(words, "--config") or "/etc/buildkit/buildkitd.toml")
    root = _option(words, "--root") or str(config.get("root") or "/var/lib/buildkit")
    return EngineProcess("buildkitd", pid, root, _option(words, "--addr") or "unix:///run/buildkit/buildkitd.sock")


def _conmon(pid: int, words: list[str], folder: Path) -> EngineProcess:
    """Podman has no daemon; what watches one of its containers names its folder, <root>/<driver>-containers/<id>/…"""
    above = Path(_option(words, "-b", "--bundle")).parents
    return EngineProcess("conmon", pid, str(above[2]) if len(above) > 3 else "", "")


def _podman(pid: int, words: list[str], folder: Path) -> EngineProcess:
    """A service works on its root for long; any other command ends soon, and tells its temporary folder alone."""
    lasts = "service" in words
    socket = next((word for word in words if word.startswith("unix://")), "") if lasts else ""
    tmp = next((word[7:] for word in _environment(folder) if word.startswith("TMPDIR=/")), "")
    return EngineProcess("podman", pid, _option(words, "--root") if lasts else "", socket, tmp)


def _environment(folder: Path) -> list[str]:
    """Nothing of one that has ended and is not waited for yet."""
    try:
        return (folder / "environ").read_bytes().decode("utf-8", "surrogateescape").split("\0")
    except OSError:
        return []


# By the name of the process: those that say where their root is.
_READ = {"dockerd": _dockerd, "containerd": _containerd, "buildkitd": _buildkitd, "conmon": _conmon,
         "podman": _podman, "buildah": _podman}  # fmt: skip


_TOLD = re.compile(r'^\s*image_copy_tmp_dir\s*=\s*"(/[^"]+)"', re.MULTILINE)


def temporary_folders(host: Host, engines: Iterable[EngineProcess]) -> tuple[str, ...]:
    """Where Podman and Buildah keep temporary files: by custom, by their configuration, as running ones were told."""
    try:
        told = _TOLD.findall(host.here("/etc/containers/containers.conf").read_text("utf-8", "replace"))
    except OSError:
        told = []
    every = ("/var/tmp", "/tmp", *told, *(engine.tmp for engine in engines if engine.tmp))
    return tuple(dict.fromkeys(str(host.here(path)) for path in every))


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


def _table(folder: Path, path: str) -> dict[str, object]:
    """A file by the name that the process has for it, JSON or TOML; {} where it cannot be read, or is no table."""
    try:
        text = (folder / "root" / path.lstrip("/")).read_text(encoding="utf-8")
        if path.endswith(".json"):
            told = json.loads(text)
        else:
            import tomllib  # here, because most hosts have no such file

            told = tomllib.loads(text)
    except (OSError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


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


def containerd_address(root: str, host: Host, engines: Iterable[EngineProcess]) -> str | None:
    """The socket of the containerd whose root this is, "" where none runs on it; None: it is no containerd's."""
    if not (Path(root) / METADATA).is_file():
        return None
    runs = running_on(root, host, engines)
    return runs.socket if runs is not None else ""


def root_behind(socket: str, engines: Iterable[EngineProcess]) -> str | None:
    """The root of the containerd that listens at `socket`, as the host names it; None: none was seen."""
    containerds = (one for one in engines if one.name == "containerd")
    return next((one.root for one in containerds if socket and one.socket == socket), None)


def containerd_roots(host: Host) -> Iterator[str]:
    """Where a containerd that runs keeps its data, and where one usually does, as the host names it."""
    yield from (one.root for one in engine_processes(host) if one.name == "containerd" and one.socket in _SOCKETS)
    yield from _ROOTS
