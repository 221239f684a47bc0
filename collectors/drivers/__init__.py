"""Who owns which directory under the Docker root: read from disk alone, so it holds with the engine dead.

Lists, stats and reads small files and bolt databases; measures nothing but logs. Never raises, writes nothing, takes
no lock. Refuses to call anything an orphan that it cannot prove to be one.
"""

from __future__ import annotations

from pathlib import Path

from collectors.drivers.ask import Asker
from collectors.drivers.base import LayerRemover, StorageDriver
from collectors.drivers.btrfs import BTRFS
from collectors.drivers.containerd_store import CONTAINERD
from collectors.drivers.layout import find_layout
from collectors.drivers.leftovers import records_of
from collectors.drivers.overlay2 import FUSE_OVERLAYFS, OVERLAY, OVERLAY2
from collectors.drivers.podman import PODMAN
from collectors.drivers.store_reader import read_store
from collectors.drivers.vfs import AUFS, DEVICEMAPPER, VFS, ZFS
from collectors.model.reading import Reading, Unavailable
from collectors.model.store import Store
from collectors.system.deadline import Declined, read
from collectors.system.host import Host

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
