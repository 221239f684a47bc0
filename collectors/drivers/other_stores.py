"""Stores of other engines, and former Docker roots, on the filesystems that are studied, with what is in them.

A second dockerd with a root of its own, a containerd that serves Kubernetes, Podman, what a root was before user
namespaces were switched on: to the engine that is asked all of it is nobody's. Looks where such stores usually lie and
at what running engines say of themselves; reads each store as our own is read. Refuses to name one that it cannot read.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from collectors import drivers
from collectors.drivers.containerd import METADATA
from collectors.model.owner import Owner, OwnerKind, UnitId
from collectors.model.reading import Exact, Unavailable
from collectors.model.records import dataclass
from collectors.model.store import OtherStore, Store, Unit, UnitKind
from collectors.system import deadline
from collectors.system.deadline import Clock
from collectors.system.host import Host
from collectors.system.mount_table import within

_REMAPPED = re.compile(r"[0-9]+\.[0-9]+")  # user namespaces: <uid>.<gid>
_DOCKER, _CONTAINERD, _PODMAN = "Docker root", "containerd", "Podman storage"
_USUAL = (
    "/var/lib/docker",
    "/var/lib/containerd",
    "/var/lib/containers/storage",
    "/var/lib/rancher/k3s/agent/containerd",
    "/var/lib/rancher/rke2/agent/containerd",
    "/var/snap/docker/common/var-lib-docker",
    "/var/snap/microk8s/common/var/lib/containerd",
)
_OF_USERS = (".local/share/docker", ".local/share/containerd", ".local/share/containers/storage")
# Where clients look for a containerd that no other engine has started for itself alone.
_SOCKETS = frozenset({"/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock"})
_REST = "everything else"
_ENGINES = frozenset({"dockerd", "containerd"})  # those that say on their command line where their root is
_MOST = 20  # stores on one host; and seconds are short


def with_others(
    store: Store, root: str, host: Host, here: Callable[[str], bool], clock: Clock
) -> tuple[Store, Unavailable | None]:
    """`store` with what others keep where `here` says; as it was, and why, where that could not be read in time."""
    units = store.units
    if isinstance(units, Unavailable):
        return store, None
    own = [unit.path for unit in units.value if not within(unit.path, root)]
    found = deadline.read(
        "docker_root.others",
        "other stores",
        lambda: other_stores(root, own, host, here, clock),
        timeout_s=clock.left(at_most=10.0),
    )
    if isinstance(found, Unavailable):
        return store, found
    others, theirs = found.value
    known = {unit.id: unit for unit in (*units.value, *theirs)}
    return replace(store, others=others, units=Exact(tuple(known.values()), units.origin)), None


def other_stores(
    root: str, own: Iterable[str], host: Host, here: Callable[[str], bool], clock: Clock
) -> tuple[tuple[OtherStore, ...], tuple[Unit, ...]]:
    """What they are, and their units. `own`: directories of the store that is studied; `here`: is a path of interest?

    Nothing is opened of a path that is not: it may be on a mount that hangs.
    """
    engines = tuple(engine_processes(host))
    mine = frozenset({root, *own})
    found: list[OtherStore] = []
    units: list[Unit] = []
    for path in _candidates(root, host, engines, here)[:_MOST]:
        inside_another = any(within(path, other) for other in (*mine, *(one.path for one in found)))
        if inside_another or not here(path) or not Path(path).is_dir():
            continue
        known = _read(path, root, host, engines, clock)
        if known is not None:
            found.append(known[0])
            units += known[1]
    return tuple(found), tuple(units)


def containerd_address(root: str, host: Host) -> str | None:
    """The socket of the containerd whose root this is, "" where none runs on it; None: it is no containerd's."""
    if not (Path(root) / METADATA).is_file():
        return None
    return next((one.socket for one in engine_processes(host) if means(host, one, root)), "")


def containerd_roots(host: Host) -> Iterator[str]:
    """Where a containerd that runs keeps its data, and where one usually does, as the host names it."""
    yield from (one.root for one in engine_processes(host) if one.name == _CONTAINERD and one.socket in _SOCKETS)
    yield from (path for path in _USUAL if path.endswith(_CONTAINERD))


def _candidates(
    root: str, host: Host, engines: Iterable[EngineProcess], here: Callable[[str], bool]
) -> tuple[str, ...]:
    """Outer directories before those in them."""
    named = (str(host.here(path)) for path in (*_usual(host, here), *(engine.root for engine in engines)))
    real = {os.path.realpath(path) for path in (*_near(root, here), *named) if here(path)}
    return tuple(sorted(real - {root}, key=_outer_first))


def _outer_first(path: str) -> tuple[int, str]:
    return path.count("/"), path


def _near(root: str, here: Callable[[str], bool]) -> Iterator[str]:
    """In a user namespace the root lies below what it was without; a root that was moved away lies beside it."""
    above = str(Path(root).parent)
    if _REMAPPED.fullmatch(Path(root).name):
        yield above
    yield from (path for name in _names(above) if here(path := f"{above}/{name}") and _looks_like_a_root(path))
    yield from (f"{root}/{name}" for name in _names(root) if _REMAPPED.fullmatch(name))


def _usual(host: Host, here: Callable[[str], bool]) -> tuple[str, ...]:
    """The usual places of the machine's engines, and of every user's own."""
    users = _names(str(host.here("/home"))) if here(str(host.here("/home"))) else []
    homes = ("/root", *(f"/home/{name}" for name in users))
    return (*_USUAL, *(f"{home}/{part}" for home in homes for part in _OF_USERS))


def _looks_like_a_root(path: str) -> bool:
    return all((Path(path) / name).is_dir() for name in ("image", "containers"))


def _read(
    path: str, root: str, host: Host, engines: Iterable[EngineProcess], clock: Clock
) -> tuple[OtherStore, tuple[Unit, ...]] | None:
    reading = drivers.store(
        Path(path),
        host,
        driver_hint=None,
        deadline_s=clock.left(at_most=5.0),
    )
    if not isinstance(reading, Exact) or not isinstance(reading.value.units, Exact):
        return None
    store = reading.value
    kind = _kind(path, store)
    runs = next((engine for engine in engines if means(host, engine, path)), None)
    # One that was started with this root and now works below it, in a user namespace, is the one that is studied.
    if runs is not None and within(root, path):
        runs = None
    units = tuple(_units(store, path, root, _unit_kind(kind, runs)))
    images, volumes = _named(units, f"{path}: image "), _named(units, f"{path}: volume ")
    label = f"{runs.name} (pid {runs.pid})" if runs is not None else ""
    return OtherStore(path, kind, label, _ask(kind, path, runs, images), images, volumes), units


def _named(units: Iterable[Unit], prefix: str) -> tuple[str, ...]:
    every = {who.id for unit in units for who in unit.owners}
    return tuple(sorted(one.removeprefix(prefix) for one in every if one.startswith(prefix)))


def _kind(path: str, store: Store) -> str:
    if (Path(path) / METADATA).is_file():
        return _CONTAINERD
    podman = (Path(path) / f"{store.driver}-layers").is_dir()
    return _PODMAN if podman else _DOCKER


def _unit_kind(kind: str, runs: EngineProcess | None) -> UnitKind:
    """Podman needs no daemon, and who uses a containerd cannot be told from its not running now."""
    return UnitKind.FORMER_ROOT if kind == _DOCKER and runs is None else UnitKind.OTHER_ENGINE


def _units(store: Store, path: str, root: str, kind: UnitKind) -> Iterator[Unit]:
    """The store's units by what they are of, less those that are, or lie around, the studied root."""
    names = _image_names(store)
    whole = frozenset({Owner(OwnerKind.STORE, f"{path}: {_REST}")})
    yield Unit(UnitId(path), kind, path, _REST, whole, False, None)
    assert isinstance(store.units, Exact)
    for unit in store.units.value:
        if within(root, unit.path) or within(unit.path, root) or unit.path == path:
            continue
        owners = frozenset(Owner(OwnerKind.STORE, f"{path}: {_what(who, names)}") for who in unit.owners) or whole
        yield replace(unit, kind=kind, owners=owners)


def _image_names(store: Store) -> defaultdict[str, str]:
    names: defaultdict[str, str] = defaultdict(str)
    if isinstance(store.images, Exact):
        names.update({image.id: ", ".join(image.tags[:2]) for image in store.images.value})
    return names


def _what(owner: Owner, images: defaultdict[str, str]) -> str:
    match owner.kind:
        case OwnerKind.IMAGE:
            return f"image {images[owner.id] or owner.id.removeprefix('sha256:')[:12]}"
        case OwnerKind.CONTAINERD:
            return f"image {owner.id}"
        case OwnerKind.VOLUME:
            return f"volume {owner.id}"
        case OwnerKind.CONTAINER | OwnerKind.LOG:
            return f"container {owner.id[:12]}"
        case OwnerKind.BUILD:
            return "build cache"
        case _:
            return _REST


def _ask(kind: str, path: str, runs: EngineProcess | None, images: Iterable[str]) -> str:
    """What a person types to look into it; "" where no engine is there to be asked."""
    if kind == _PODMAN:
        return f"podman --root {path} system df"
    if kind == _DOCKER:
        return f"docker -H {runs.socket} system df" if runs is not None else ""
    spaces = sorted({image.partition("/")[0] for image in images})
    address = f"--address {runs.socket} " if runs is not None else ""
    asked = [f"ctr {address}--namespace {space} images ls" for space in spaces]
    return " && ".join([*asked, *(["crictl rmi --prune"] if "k8s.io" in spaces else [])])


@dataclass(frozen=True, slots=True)
class EngineProcess:
    """A running dockerd or containerd, by its own command line and configuration."""

    name: str
    pid: int
    root: str
    socket: str


def engine_processes(host: Host) -> Iterator[EngineProcess]:
    """Every dockerd and containerd that this process sees. Paths are of their own mount namespaces."""
    for name in _names(str(host.proc)):
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


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - names, not paths
    except OSError:
        return []
