"""Whose leftovers are: an interrupted write's and a former driver's own, where no engine clears them away itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from collectors.drivers.base import StorageDriver
from collectors.drivers.containerd_store import CONTAINERD
from collectors.drivers.graph import VFS
from collectors.drivers.podman import PODMAN
from collectors.filesystems.btrfs import subvolume_units
from collectors.inventory.filesystem import docker_units
from collectors.model import SubvolumeId, UnitId
from collectors.model.btrfs import Subvolume
from collectors.model.filesystem import Mount
from collectors.model.reading import Exact
from collectors.model.store import Store, Unit, UnitKind
from collectors.system.mount_table import Places
from tests.ledger.build import HERE, NOW
from tests.owners import owners
from tests.planning.build import btrfs

MOUNT = Mount(31, 1, "0:50", "/", "/d", (), "btrfs", "/dev/vdb", ())
PLACES = Places((MOUNT,))
OWN = {
    "/d/image/vfs/layerdb/tmp/write-set-1": UnitKind.INTERRUPTED_WRITE,
    "/d/btrfs": UnitKind.OTHER_DRIVER,
}


def a_unit(path: str, kind: UnitKind, name: str) -> Unit:
    return Unit(UnitId(path), kind, path, name, frozenset(), False, None)


def a_store(driver: StorageDriver) -> Store:
    units = [a_unit(path, kind, path.removeprefix("/d/")) for path, kind in OWN.items()]
    nothing = Exact((), HERE)
    return Store(
        "/d", driver.name, driver.facts, *(nothing,) * 5, Exact(tuple(units), HERE), Exact((), HERE)
    )  # fmt: skip


@pytest.mark.parametrize(("driver", "interrupted"), [(VFS, True), (CONTAINERD, False), (PODMAN[0], False)])
def test_only_a_graph_drivers_interrupted_writes_are_for_somebody_to_remove(
    driver: StorageDriver, interrupted: bool
) -> None:
    found = {unit.path: unit.owners for unit in docker_units(a_store(driver), MOUNT, PLACES)}
    write, former = OWN
    assert found[write] == (owners(f"leftover:{write}") if interrupted else frozenset())
    assert found[former] == owners(f"leftover:{former}")


def a_subvolume(number: int, path: str) -> Subvolume:
    return Subvolume(SubvolumeId(number), None, path, f"u{number}", "u1", 5, True, NOW, False)


def test_a_layer_of_a_former_btrfs_driver_is_no_snapshot_and_goes_with_its_driver() -> None:
    units = docker_units(a_store(VFS), MOUNT, PLACES)
    facts = btrfs(data=(), metadata=(1, 1))
    listed = Exact((a_subvolume(300, "btrfs/subvolumes/a"), a_subvolume(301, "btrfs-backup")), HERE)
    layer, copy = subvolume_units(replace(facts, subvolumes=listed), MOUNT, PLACES, units)
    assert (layer.kind, layer.owners, layer.name) == (UnitKind.OTHER_DRIVER, owners("leftover:/d/btrfs"), "btrfs: a")
    assert (copy.kind, copy.owners) == (UnitKind.SNAPSHOT, owners("snapshot:btrfs-backup"))
