"""The growing table of extents: address → size on disk, size decompressed, set of holders."""

from __future__ import annotations

import numpy as np

from collectors.filesystems.btrfs.trees.held import Held
from collectors.filesystems.btrfs.trees.rootsets import I64, U64, RootSets


class ExtentTable:
    """32 bytes for each distinct extent, and up to three times that while references wait and are reduced."""

    def __init__(self, sets: RootSets) -> None:
        self._sets = sets
        self._held = Held(sets)

    def add(self, addresses: U64, disk: U64, ram: U64, sets: I64) -> None:
        """References to extents. `ram` is 0 for extents that are not compressed."""
        self._held.add(sets, addresses, disk, ram)

    def bytes_by_set(self) -> list[int]:
        """Bytes on disk held by each set, by its number."""
        sets, disk, _ = self._whole()  # may find new sets
        totals = np.zeros(len(self._sets.masks), np.uint64)
        np.add.at(totals, sets, disk)
        return [int(total) for total in totals]

    def apart(self) -> bool:
        """Whether no two extents lie on each other, as on a device none do."""
        _, columns = self._held.whole()
        if not columns:
            return True
        addresses, disk, _ = columns
        return not (addresses[:-1] + disk[:-1] > addresses[1:]).any()

    def plain_bytes(self) -> int:
        """Bytes on disk of extents that are not compressed."""
        _, disk, ram = self._whole()
        return int(disk[ram == 0].sum())

    def compressed_bytes(self) -> tuple[int, int]:
        """Of the compressed extents: bytes on disk, and bytes that they hold."""
        _, disk, ram = self._whole()
        return int(disk[ram != 0].sum()), int(ram.sum())

    def _whole(self) -> tuple[I64, U64, U64]:
        sets, columns = self._held.whole()
        nothing = np.empty(0, np.uint64)
        _, disk, ram = columns or (nothing, nothing, nothing)
        return sets, disk, ram
