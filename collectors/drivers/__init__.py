"""Who owns which directory under the Docker root: read from disk alone, so it holds with the engine dead.

Lists, stats and reads small files and bolt databases; measures nothing but logs. Never raises, writes nothing, takes
no lock. Refuses to call anything an orphan that it cannot prove to be one.

Which driver and store are in use the engine says (`driver_hint`); without its word it is the store that was opened
last. Refuses to call another store's directories leftovers when it cannot tell which one is in use.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from collectors.drivers.base import Candidate, LayerRemover, Layout, StorageDriver
from collectors.drivers.containerd_store import CONTAINERD
from collectors.drivers.files import folders
from collectors.drivers.graph import AUFS, DEVICEMAPPER, VFS, ZFS, unknown_drivers
from collectors.drivers.layered import BTRFS, FUSE_OVERLAYFS, OVERLAY, OVERLAY2
from collectors.drivers.leftovers import records_of
from collectors.drivers.listing import Asker
from collectors.drivers.podman import PODMAN
from collectors.drivers.store_reader import read_store
from collectors.model.reading import Reading, Unavailable, Why
from collectors.model.store import Store
from collectors.system.deadline import Declined, Host, read

__all__ = ["DRIVERS", "container_roots", "copies_layers", "records_of", "remove_layer", "store"]

# A new driver is a module here and a line there.
DRIVERS: tuple[StorageDriver, ...] = (
    OVERLAY2,
    BTRFS,
    VFS,
    FUSE_OVERLAYFS,
    OVERLAY,
    AUFS,
    ZFS,
    DEVICEMAPPER,
    *PODMAN,
    CONTAINERD,
)

# What the joins may take of the deadline, so that what was read in time is also returned in time.
_RESERVE_S = 0.25


def store(
    root: Path,
    host: Host,
    *,
    driver_hint: str | None,
    containerd_root: Path | None = None,
    grace_s: float = 3600.0,
    freshly_bound: bool = False,
    deadline_s: float,
) -> Reading[Store]:
    """What lies under the Docker root and who knows it.

    `root` and `containerd_root` as this process can open them; `driver_hint` the engine's `Driver`
    (`containerd:<name>`, or the bare snapshotter's name, for the containerd store), None when no engine answers.
    `grace_s`: how old something that nobody knows must be. `freshly_bound`: the engine bound `root` into this process's
    container moments ago, with all that was mounted below it. `deadline_s`: seconds for everything; parts that come too
    late say so, the others are there.
    """

    def work() -> Store:
        ask = Asker(deadline_s - min(_RESERVE_S, deadline_s / 10))
        found = ask.part(
            "layout", root, lambda: find_layout(root, DRIVERS, driver_hint=driver_hint, containerd_root=containerd_root)
        )
        if isinstance(found, Unavailable):
            raise Declined(found.why, found.detail)
        return read_store(found.value, host, ask, grace_s, freshly_bound=freshly_bound)

    return read("docker_root", str(root), work, timeout_s=deadline_s)


def copies_layers(driver: str) -> bool:
    """Whether a container under the engine's driver of this name costs as many bytes as its image."""
    return any(one.copies_layers for one in DRIVERS if one.name == driver)


def container_roots() -> frozenset[str]:
    """The kinds of filesystem that a container's own root may be: its fill says nothing of the host's."""
    return frozenset().union(*(driver.mounted_as for driver in DRIVERS))


def remove_layer(driver: str, path: Path, remover: LayerRemover) -> None:
    """Remove one layer of the store `driver` with what stands for it. OSError as the kernel gives it."""
    found = next((one for one in DRIVERS if one.name == driver.partition(":")[0]), None)
    if found is None:
        remover.remove_whole(path)
    else:
        found.remove_layer(path, remover)


_REMAPPED = re.compile(r"[0-9]+\.[0-9]+")  # userns-remap: <uid>.<gid>


def find_layout(
    root: Path, drivers: tuple[StorageDriver, ...], *, driver_hint: str | None, containerd_root: Path | None
) -> Layout:
    """The store in use. `driver_hint`: the engine's `Driver`, or `containerd:<snapshotter>`.

    Declined when nothing under `root` looks like an engine's data; OSError when it cannot be listed.
    """
    top = frozenset(folders(root))
    own = frozenset(driver.folder for driver in drivers if driver.folder is not None)
    meant = _meant(driver_hint, own)
    found = tuple(
        one for driver in (*drivers, *unknown_drivers(root, own)) for one in driver.detect(root, containerd_root, meant)
    )
    if not found:
        raise Declined(Why.NOT_APPLICABLE, f"no image store under {root}{_instead(top)}")
    chosen, notes = _choose(found, driver_hint, meant)
    certain = driver_hint is not None or len(found) == 1
    others = _beside(chosen, found)
    others += tuple(root / name for name in sorted(top & own) if root / name not in {*others, *chosen.folders})
    return Layout(
        root=root,
        driver=chosen.driver,
        name=chosen.name,
        base=chosen.base,
        database=chosen.database,
        others=others if certain else (),
        notes=notes,
    )


def _instead(top: frozenset[str]) -> str:
    """Where an engine with user namespaces has its data, as half a sentence."""
    remapped = sorted(name for name in top if _REMAPPED.fullmatch(name))
    return f"; with user namespaces it is in {', '.join(remapped)}" if remapped else ""


def _beside(chosen: Candidate, found: Iterable[Candidate]) -> tuple[Path, ...]:
    """The folders of the stores that are not in use."""
    return tuple(
        folder
        for other in found
        if other is not chosen
        for folder in other.folders
        if folder not in chosen.folders and folder.is_dir()
    )


def _choose(
    found: tuple[Candidate, ...], hint: str | None, meant: tuple[str, ...]
) -> tuple[Candidate, tuple[str, ...]]:
    there = ", ".join(candidate.name for candidate in found)
    if hint is not None:
        fitting = [candidate for candidate in found if candidate.name in meant]
        if not fitting:
            raise Declined(Why.INCONSISTENT, f"the engine says {hint}, under its root there is {there}")
        return max(fitting, key=lambda candidate: candidate.opened_s), ()
    newest = max(found, key=lambda candidate: candidate.opened_s)
    if len(found) == 1:
        return newest, ()
    return newest, (f"{there} have data here; taken to be in use: {newest.name}, the last one that was opened",)


def _meant(hint: str | None, own: frozenset[str]) -> tuple[str, ...]:
    """What a hint may stand for: an engine with the containerd store gives the snapshotter's bare name."""
    if hint is None:
        return ()
    return (hint,) if hint in own else (hint, f"containerd:{hint}")
