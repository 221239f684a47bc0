"""The btrfs graph driver: each layer is a subvolume, and a snapshot of the one below it."""

from __future__ import annotations

from collectors.drivers.graph import GraphDriver
from collectors.model.store import DriverFacts

REMOVE_SUBVOLUMES = DriverFacts(("btrfs", "subvolume", "delete"), clears_unfinished=False, contents="")


class BtrfsDriver(GraphDriver):
    """Layers are subvolumes."""

    facts = REMOVE_SUBVOLUMES


BTRFS = BtrfsDriver("btrfs", "btrfs/subvolumes")
