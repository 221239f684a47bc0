"""The growing table of extents: address → size on disk, size decompressed, set of holders. Reduced as it grows.

32 bytes for each distinct extent and for up to half a million references that wait, and about twice as much again while
they are reduced. References beyond the first cost nothing once reduced.
"""

from __future__ import annotations

import numpy as np

from collectors.sources.btrfs.trees.rootsets import I64, U64, RootSets

_MANY = 1 << 19  # rows, before they are reduced


class ExtentTable:
    def __init__(self, sets: RootSets) -> None:
        self._sets = sets
        self._parts: list[tuple[U64, U64, U64, I64]] = []
        self._count = self._reduced_count = 0
        self._bound = _MANY

    def add(self, addresses: U64, disk: U64, ram: U64, sets: I64) -> None:
        """References to extents. `ram` is 0 for extents that are not compressed."""
        self._parts.append((addresses, disk, ram, sets))
        self._count += len(addresses)
        if self._count > self._bound:
            self._reduce()
            self._bound = self._count + max(_MANY, self._count)

    def bytes_by_set(self) -> list[int]:
        """Bytes on disk held by each set, by its number."""
        _, disk, _, sets = self._whole()  # may find new sets
        totals = np.zeros(len(self._sets.masks), np.uint64)
        np.add.at(totals, sets, disk)
        return [int(total) for total in totals]

    def plain_bytes(self) -> int:
        """Bytes on disk of extents that are not compressed."""
        _, disk, ram, _ = self._whole()
        return int(disk[ram == 0].sum())

    def compressed_bytes(self) -> tuple[int, int]:
        """Of the compressed extents: bytes on disk, and bytes that they hold."""
        _, disk, ram, _ = self._whole()
        return int(disk[ram != 0].sum()), int(ram.sum())

    def _whole(self) -> tuple[U64, U64, U64, I64]:
        self._reduce()
        if not self._parts:
            nothing = np.empty(0, np.uint64)
            return nothing, nothing, nothing, np.empty(0, np.int64)
        return self._parts[0]

    def _reduce(self) -> None:
        if self._count > self._reduced_count:
            addresses, disk, ram, sets = (np.concatenate(column) for column in zip(*self._parts, strict=True))
            self._parts = [self._reduced(addresses, disk, ram, sets)]
            self._count = self._reduced_count = len(self._parts[0][0])

    def _reduced(self, addresses: U64, disk: U64, ram: U64, sets: I64) -> tuple[U64, U64, U64, I64]:
        rows, unions = self._sets.united(addresses, sets, agreed=disk)
        return addresses[rows], disk[rows], ram[rows], unions
