"""Which drivers and stores have their data under a Docker root, and which one of them is in use.

The engine's word (`driver_hint`) decides where there is one; without it the store that was opened last. Refuses to
call another store's directories leftovers when it cannot tell which one is in use.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from collectors.drivers.containerd import (
    CONTENT,
    DOCKER_NAMESPACE,
    METADATA,
    SNAPSHOTTER_METADATA,
    SNAPSHOTTER_PREFIX,
    namespaces,
)
from collectors.drivers.files import folders, folders_if_there
from collectors.model.reading import Why
from collectors.system.deadline import Declined, Malformed

# Driver → where it keeps one directory per layer; None: not in directories (devices, datasets).
LAYER_FOLDERS = {
    "overlay2": "overlay2",
    "fuse-overlayfs": "fuse-overlayfs",
    "btrfs": "btrfs/subvolumes",
    "vfs": "vfs/dir",
    "overlay": "overlay",
    "aufs": "aufs/diff",
    "zfs": None,
    "devicemapper": None,
}
OVERLAYS = ("overlay2", "fuse-overlayfs", "overlay")  # these keep short links and `lower` files
_PODMAN_LAYER_FOLDERS = {"overlay": "overlay", "vfs": "vfs/dir", "btrfs": "btrfs/subvolumes"}
_CONTAINERD_PREFIX = "containerd:"
_REMAPPED = re.compile(r"[0-9]+\.[0-9]+")  # userns-remap: <uid>.<gid>
SNAPSHOT_SHELVES = ("snapshots", "active", "view")  # the last two: the btrfs snapshotter's


class Family(Enum):
    """How a store is laid out."""

    GRAPH = "Docker's graph drivers"
    CONTAINERD = "containerd's image store"
    PODMAN = "Podman's containers/storage"


@dataclass(frozen=True, slots=True)
class Layout:
    """One store in use, and what lies beside it."""

    root: Path
    family: Family
    driver: str  # as Store.driver
    base: Path | None  # what the shelves lie below; None: this driver keeps no directories
    database: Path  # image/<driver>, the containerd root, or the Podman root
    others: tuple[Path, ...]  # folders of drivers and stores that are not in use
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Candidate:
    family: Family
    driver: str
    database: Path
    layers: Path | None
    folders: tuple[Path, ...]  # all that would be left behind after a switch away from it
    opened_s: float  # last sign of life, seconds since the epoch


def find_layout(root: Path, *, driver_hint: str | None, containerd_root: Path | None) -> Layout:
    """The store in use. `driver_hint`: the engine's `Driver`, or `containerd:<snapshotter>`.

    Declined when nothing under `root` looks like an engine's data; OSError when it cannot be listed.
    """
    top = frozenset(folders(root))
    found = (*_graph(root), *_podman(root), *_containerd(root, containerd_root, driver_hint))
    if not found:
        remapped = sorted(name for name in top if _REMAPPED.fullmatch(name))
        instead = f"; with user namespaces it is in {', '.join(remapped)}" if remapped else ""
        raise Declined(Why.NOT_APPLICABLE, f"no image store under {root}{instead}")
    chosen, notes = _choose(found, driver_hint)
    certain = driver_hint is not None or len(found) == 1
    others = tuple(
        folder
        for other in found
        if other is not chosen
        for folder in other.folders
        if folder not in chosen.folders and folder.is_dir()
    )
    others += tuple(
        root / name for name in sorted(top & LAYER_FOLDERS.keys()) if root / name not in {*others, *chosen.folders}
    )
    return Layout(
        root=root,
        family=chosen.family,
        driver=chosen.driver,
        base=chosen.database if chosen.family is Family.CONTAINERD else chosen.layers,
        database=chosen.database,
        others=others if certain else (),
        notes=notes,
    )


def shelves(layout: Layout) -> tuple[str, ...]:
    """The folders below `layout.base` that hold one directory (or blob) for each unit. OSError when they cannot be
    listed.
    """
    if layout.base is None:
        return ()
    if layout.family is not Family.CONTAINERD:
        return ("",)
    snapshotter = SNAPSHOTTER_PREFIX + layout.driver.removeprefix(_CONTAINERD_PREFIX)
    blobs = f"{CONTENT}/blobs"
    return (
        *(f"{snapshotter}/{name}" for name in SNAPSHOT_SHELVES if (layout.base / snapshotter / name).is_dir()),
        *(f"{blobs}/{algorithm}" for algorithm in folders_if_there(layout.base / blobs)),
    )


def _choose(found: tuple[_Candidate, ...], hint: str | None) -> tuple[_Candidate, tuple[str, ...]]:
    if hint is not None:
        fitting = [candidate for candidate in found if candidate.driver in _meant(hint)]
        if not fitting:
            there = ", ".join(candidate.driver for candidate in found)
            raise Declined(Why.INCONSISTENT, f"the engine says {hint}, under its root there is {there}")
        return max(fitting, key=lambda candidate: candidate.opened_s), ()
    newest = max(found, key=lambda candidate: candidate.opened_s)
    if len(found) == 1:
        return newest, ()
    there = ", ".join(candidate.driver for candidate in found)
    return newest, (f"{there} have data here; taken to be in use: {newest.driver}, the last one that was opened",)


def _meant(hint: str | None) -> tuple[str, ...]:
    """What a hint may stand for: an engine with the containerd store gives the snapshotter's bare name."""
    if hint is None:
        return ()
    return (hint,) if hint in LAYER_FOLDERS else (hint, f"{_CONTAINERD_PREFIX}{hint}")


def _graph(root: Path) -> tuple[_Candidate, ...]:
    """Every graph driver with a layer database."""
    drivers = folders_if_there(root / "image")
    return tuple(
        _Candidate(
            family=Family.GRAPH,
            driver=driver,
            database=root / "image" / driver,
            layers=_joined(root, LAYER_FOLDERS.get(driver)),
            folders=(root / driver, root / "image" / driver),
            opened_s=_opened_s(root / "image" / driver / "layerdb", "", "tmp", "mounts", "sha256"),
        )
        for driver in drivers
        if (root / "image" / driver / "layerdb").is_dir()
    )


def _podman(root: Path) -> tuple[_Candidate, ...]:
    return tuple(
        _Candidate(
            family=Family.PODMAN,
            driver=driver,
            database=root,
            layers=root / folder,
            folders=(root / driver, *(root / f"{driver}-{part}" for part in ("layers", "images", "containers"))),
            opened_s=_opened_s(root / f"{driver}-layers", "", "layers.lock", "layers.json"),
        )
        for driver, folder in _PODMAN_LAYER_FOLDERS.items()
        if (root / f"{driver}-layers").is_dir()
    )


def _containerd(root: Path, elsewhere: Path | None, hint: str | None) -> tuple[_Candidate, ...]:
    """Each snapshotter that has ever held something, of the containerd that dockerd starts itself or of `elsewhere`."""
    daemons = (root / "containerd" / "daemon", *((elsewhere,) if elsewhere is not None else ()))
    found: list[_Candidate] = []
    for daemon in daemons:
        if not (daemon / METADATA).is_file():
            continue
        everybody = _users(daemon / METADATA)
        docker = frozenset(name for name in everybody if name.partition("_")[0] == DOCKER_NAMESPACE)
        for name in (name for name in folders_if_there(daemon) if name.startswith(SNAPSHOTTER_PREFIX)):
            driver = _CONTAINERD_PREFIX + name.removeprefix(SNAPSHOTTER_PREFIX)
            # containerd makes an empty database for every snapshotter that the filesystem suits.
            opened = (daemon / name / SNAPSHOTTER_METADATA).is_file() and bool(
                docker if daemon == elsewhere else everybody
            )
            if opened or driver in _meant(hint):
                # A containerd of the host's own may serve Kubernetes as well: then nothing of it is Docker's leftover.
                alone = daemon != elsewhere or docker == everybody
                found.append(
                    _Candidate(
                        family=Family.CONTAINERD,
                        driver=driver,
                        database=daemon,
                        layers=daemon / name,
                        folders=(daemon / CONTENT, daemon / name) if alone else (),
                        opened_s=_opened_s(daemon / name, SNAPSHOTTER_METADATA),
                    )
                )
    return tuple(found)


def _users(metadata: Path) -> frozenset[str]:
    """The namespaces with something in them; of a database that cannot be read now: Docker's, the safe side."""
    try:
        return frozenset(space.name for space in namespaces(metadata) if space.images or space.content)
    except (Declined, Malformed):
        return frozenset({DOCKER_NAMESPACE})


def _joined(root: Path, folder: str | None) -> Path | None:
    return root / folder if folder is not None else None


def _opened_s(folder: Path, *names: str) -> float:
    """The latest modification of any of them; what is not there does not count."""
    moments = [0.0]
    for name in names:
        try:
            moments.append((folder / name).stat().st_mtime)
        except FileNotFoundError:
            continue
    return max(moments)
