"""Stores of other engines, and former Docker roots, on the filesystems that are studied, with what is in them.

A second dockerd with a root of its own, a containerd that serves Kubernetes, Podman, what a root was before user
namespaces were switched on: to the engine that is asked all of it is nobody's. Looks where such stores usually lie and
at what running engines say of themselves; reads each store as our own is read. Refuses to name one that it cannot read.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from collectors import drivers
from collectors.drivers.containerd import METADATA
from collectors.drivers.files import image_stores
from collectors.drivers.inner import EngineProcess, running_on, temporary_folders
from collectors.drivers.leftovers import temporary_names
from collectors.drivers.listing import temporary_units
from collectors.model import Owner, OwnerKind, UnitId, dataclass
from collectors.model.reading import Exact, Unavailable, Why, listed
from collectors.model.store import OtherStore, Store, Unit, UnitKind
from collectors.system import deadline
from collectors.system.deadline import Clock, Host
from collectors.system.mount_table import within

_REMAPPED = re.compile(r"[0-9]+\.[0-9]+")  # user namespaces: <uid>.<gid>
_DOCKER, _CONTAINERD, _PODMAN, _BUILDKIT = "Docker root", "containerd", "Podman storage", "BuildKit"
_ROOTLESS = "rootless Docker root"
_LOCK_OF_BUILDKIT = "buildkitd.lock"  # in the root of one that runs by itself
_USUAL = (
    "/var/lib/docker",
    "/var/lib/containerd",
    "/var/lib/containers/storage",
    "/var/lib/rancher/k3s/agent/containerd",
    "/var/lib/rancher/rke2/agent/containerd",
    "/var/lib/buildkit",
    "/var/snap/docker/common/var-lib-docker",
    "/var/snap/microk8s/common/var/lib/containerd",
)
_OF_USERS = tuple(f".local/share/{name}" for name in ("docker", "containerd", "containers/storage", "buildkit"))
_REST = "everything else"
_MOST = 20  # stores on one host; and seconds are short
_AMONG_TEMPORARY = {UnitKind.CACHE_MOUNTS: "build cache", UnitKind.TEMPORARY: "temporary files"}


@dataclass(frozen=True, slots=True)
class Around:
    """One store's surroundings. `here`: is a path of interest? Nothing is opened of one that is not: it may hang."""

    root: str
    host: Host
    here: Callable[[str], bool]
    clock: Clock
    engines: tuple[EngineProcess, ...]  # that run on this host


def with_others(store: Store, around: Around, oldest_s: float) -> tuple[Store, Unavailable | None]:
    """`store` with what lies outside its root and others keep, where `here` says; as it was, and why, if not in time.

    A temporary file that nothing touched since `oldest_s` (seconds since the epoch) is a leftover.
    """
    units = store.units
    if isinstance(units, Unavailable):
        return store, None
    own = [unit.path for unit in units.value if not within(unit.path, around.root)]

    def everything() -> tuple[tuple[OtherStore, ...], tuple[Unit, ...], tuple[str, ...]]:
        others, theirs, unread = other_stores(around, own)
        kinds = [*((one.path, one.kind) for one in others), (around.root, _kind(around.root, store))]
        podmans = [path for path, kind in kinds if kind == _PODMAN]
        return others, (*theirs, *_among_temporary(podmans, around, oldest_s)), unread

    found = deadline.read("docker_root.others", "other stores", everything, timeout_s=around.clock.left(at_most=10.0))
    if isinstance(found, Unavailable):
        return store, found
    others, more, unread = found.value
    known = {unit.id: unit for unit in (*units.value, *more)}
    why = Unavailable(Why.NOT_PERMITTED, f"not to be opened: {', '.join(unread)}", found.origin) if unread else None
    return replace(store, others=others, units=Exact(tuple(known.values()), units.origin)), why


def other_stores(
    around: Around, own: Iterable[str]
) -> tuple[tuple[OtherStore, ...], tuple[Unit, ...], tuple[str, ...]]:
    """What they are, their units, the paths that may not be opened. `own`: directories of the store that is studied."""
    root, host, here, engines = around.root, around.host, around.here, around.engines
    mine, inside = frozenset({root, *own}), frozenset(_inside(root))
    found: list[OtherStore] = []
    units: list[Unit] = []
    unread: list[str] = []
    for path in _candidates(root, host, engines, here)[:_MOST]:
        others = (*(() if path in inside else mine), *(one.path for one in found))
        inside_another = any(within(path, other) for other in others)
        if inside_another or not here(path):
            continue
        try:
            known = _read(path, root, host, engines, around.clock) if Path(path).is_dir() else None
        except PermissionError:
            unread.append(path)
            continue
        if known is not None:
            found.append(known[0])
            units += known[1]
    return tuple(found), tuple(units), tuple(unread)


def _candidates(
    root: str, host: Host, engines: Iterable[EngineProcess], here: Callable[[str], bool]
) -> tuple[str, ...]:
    """Outer directories before those in them."""
    named = (
        str(host.here(path)) for path in (*_usual(host, here), *(engine.root for engine in engines if engine.root))
    )
    real = {os.path.realpath(path) for path in (*_near(root, here), *named) if here(path)}
    return tuple(sorted(real - {root}, key=_outer_first))


def _among_temporary(roots: Iterable[str], around: Around, oldest_s: float) -> Iterator[Unit]:
    """What Podman has outside its `roots`, of which the last one's counts: the stores of a user share it."""
    named = temporary_folders(around.host, around.engines)
    for root in roots:
        real = dict.fromkeys(os.path.realpath(path) for path in (*named, f"{root}/tmp") if around.here(path))
        found = ((Path(path), *one) for path in real if around.here(path) for one in temporary_names(path, root))
        for unit in temporary_units(found, oldest_s):
            theirs = frozenset({Owner(OwnerKind.STORE, f"{root}: {_AMONG_TEMPORARY[unit.kind]}")})
            yield unit if root == around.root else replace(unit, kind=UnitKind.OTHER_ENGINE, owners=theirs)


def _outer_first(path: str) -> tuple[int, str]:
    return path.count("/"), path


def _near(root: str, here: Callable[[str], bool]) -> Iterator[str]:
    """In a user namespace the root lies below what it was without; a root that was moved away lies beside it."""
    above = str(Path(root).parent)
    if _REMAPPED.fullmatch(Path(root).name):
        yield above
    yield from (path for name in _names(above) if here(path := f"{above}/{name}") and _looks_like_a_root(path))
    yield from _inside(root)


def _inside(root: str) -> Iterator[str]:
    """What was the root in a user namespace, and a root that somebody moved into the one of now."""
    below = ((name, f"{root}/{name}") for name in _names(root))
    yield from (path for name, path in below if _REMAPPED.fullmatch(name) or _looks_like_a_root(path))


def _usual(host: Host, here: Callable[[str], bool]) -> tuple[str, ...]:
    """The usual places of the machine's engines, and of every user's own."""
    users = _names(str(host.here("/home"))) if here(str(host.here("/home"))) else []
    homes = dict.fromkeys(("/root", *(f"/home/{name}" for name in users), *_homes(host)))
    return (*_USUAL, *image_stores(host), *(f"{home}/{part}" for home in homes for part in _OF_USERS))


def _homes(host: Host) -> Iterator[str]:
    """Of users whom the machine itself knows: that of a service may be anywhere."""
    try:
        lines = host.here("/etc/passwd").read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    homes = (fields[5].rstrip("/") for line in lines if len(fields := line.split(":")) > 5)
    yield from (home for home in homes if home.startswith("/"))


def _looks_like_a_root(path: str) -> bool:
    docker = all((Path(path) / name).is_dir() for name in ("image", "containers"))
    return docker or any((Path(path) / mark).is_file() for mark in (METADATA, _LOCK_OF_BUILDKIT))


def _read(
    path: str, root: str, host: Host, engines: Iterable[EngineProcess], clock: Clock
) -> tuple[OtherStore, tuple[Unit, ...]] | None:
    if (Path(path) / _LOCK_OF_BUILDKIT).is_file():
        return _buildkit(path, host, engines)
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
    runs = running_on(path, host, engines)
    # One that was started with this root and now works below it, in a user namespace, is the one that is studied.
    if runs is not None and within(root, path):
        runs = None
    units = tuple(_units(store, path, root, _unit_kind(kind, runs)))
    images, volumes = _named(units, f"{path}: image "), _named(units, f"{path}: volume ")
    label = runs.label if runs is not None else ""
    return OtherStore(path, kind, label, _ask(kind, path, runs, images), images, volumes), units


def _buildkit(path: str, host: Host, engines: Iterable[EngineProcess]) -> tuple[OtherStore, tuple[Unit, ...]]:
    """All of it is cache, and its own client tells the records apart."""
    runs = running_on(path, host, engines)
    tool = ("buildctl", *(("--addr", runs.socket) if runs is not None else ()))
    ask = " && ".join(f"{' '.join(tool)} {word}" for word in ("du", "prune"))
    owner = frozenset({Owner(OwnerKind.STORE, f"{path}: build cache")})
    unit = Unit(UnitId(path), UnitKind.OTHER_ENGINE, path, "build cache", owner, False, None)
    return OtherStore(path, _BUILDKIT, runs.label if runs is not None else "", ask, (), ()), (unit,)


def _named(units: Iterable[Unit], prefix: str) -> tuple[str, ...]:
    every = {who.id for unit in units for who in unit.owners}
    return tuple(sorted(one.removeprefix(prefix) for one in every if one.startswith(prefix)))


def _kind(path: str, store: Store) -> str:
    if (Path(path) / METADATA).is_file():
        return _CONTAINERD
    if (Path(path) / f"{store.driver}-layers").is_dir():
        return _PODMAN
    return _ROOTLESS if _user(path) else _DOCKER


def _user(path: str) -> int:
    """Whose own engine it is, of a user who is not root; else 0. What user namespaces made below a root is root's."""
    return 0 if _REMAPPED.fullmatch(Path(path).name) else Path(path).stat().st_uid


def _unit_kind(kind: str, runs: EngineProcess | None) -> UnitKind:
    """Podman needs no daemon, and who uses a containerd cannot be told from its not running now."""
    return UnitKind.FORMER_ROOT if kind == _DOCKER and runs is None else UnitKind.OTHER_ENGINE


def _units(store: Store, path: str, root: str, kind: UnitKind) -> Iterator[Unit]:
    """The store's units by what they are of, less those that are, or lie around, the studied root."""
    names = _names_in(store)
    whole = frozenset({Owner(OwnerKind.STORE, f"{path}: {_REST}")})
    yield Unit(UnitId(path), kind, path, _REST, whole, False, None)
    assert isinstance(store.units, Exact)
    for unit in store.units.value:
        ours = within(unit.path, root) and not within(path, root)
        if ours or within(root, unit.path) or unit.path == path:
            continue
        owners = frozenset(Owner(OwnerKind.STORE, f"{path}: {_what(who, names)}") for who in _owners(unit)) or whole
        yield replace(unit, kind=kind, owners=owners)


def _owners(unit: Unit) -> frozenset[Owner]:
    """A layer that images have is theirs, whatever containers stand on it."""
    images = frozenset(who for who in unit.owners if who.kind in (OwnerKind.IMAGE, OwnerKind.CONTAINERD))
    return images or unit.owners


def _names_in(store: Store) -> defaultdict[str, str]:
    """Of images and containers, by their ids; "" where the store itself has none."""
    names: defaultdict[str, str] = defaultdict(str)
    names.update({image.id: ", ".join(image.tags[:2]) for image in listed(store.images)})
    names.update({one.container_id: one.name for one in listed(store.container_layers)})
    return names


def _what(owner: Owner, names: defaultdict[str, str]) -> str:
    match owner.kind:
        case OwnerKind.IMAGE:
            return f"image {names[owner.id] or owner.id.removeprefix('sha256:')[:12]}"
        case OwnerKind.CONTAINERD:
            return f"image {owner.id}"
        case OwnerKind.VOLUME:
            return f"volume {owner.id}"
        case OwnerKind.CONTAINER | OwnerKind.LOG:
            return f"container {names[owner.id] or owner.id[:12]}"
        case OwnerKind.BUILD:
            return "build cache"
        case _:
            return _REST


def _ask(kind: str, path: str, runs: EngineProcess | None, images: Iterable[str]) -> str:
    """What a person types to look into it; "" where no engine is there to be asked."""
    if kind == _CONTAINERD:
        return _ask_containerd(runs, images)
    as_user = f"sudo -iu '#{user}' " if (user := _user(path)) else ""
    if kind == _PODMAN:
        # Root must not open a user's storage: it would write into it as somebody else.
        return f"{as_user}podman system df" if as_user else f"podman --root {path} system df"
    if runs is not None:
        return f"docker -H {runs.socket} system df"
    return f"{as_user}systemctl --user start docker" if as_user else ""


def _ask_containerd(runs: EngineProcess | None, images: Iterable[str]) -> str:
    spaces = sorted({image.partition("/")[0] for image in images})
    address = f"--address {runs.socket} " if runs is not None else ""
    asked = [f"ctr {address}--namespace {space} images ls" for space in spaces]
    return " && ".join([*asked, *(["crictl rmi --prune"] if "k8s.io" in spaces else [])])


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - names, not paths
    except OSError:
        return []
