"""A growing table of who holds what: a key, further columns, a set of holders. One row for each key once reduced."""

from __future__ import annotations

import numpy as np

from collectors.filesystems.btrfs.trees.rootsets import I64, U64, RootSets

_MANY = 1 << 19  # rows that wait before they are reduced; as many as there are keys, where those are more


class Held:
    """8 bytes for each column and the set of each key, as much for what waits, twice that while it is reduced."""

    def __init__(self, sets: RootSets) -> None:
        self._sets = sets
        self._parts: list[tuple[U64, ...]] = []
        self._holders: list[I64] = []
        self._count = self._reduced = 0

    def add(self, holders: I64, *columns: U64) -> None:
        """Rows in any order. The first column is the key; rows of one key agree on the second, or Malformed is raised.

        The others are taken from any of the rows.
        """
        self._holders.append(holders)
        self._parts.append(columns)
        self._count += len(holders)
        if self._count - self._reduced > max(_MANY, self._reduced):
            self._reduce()

    def whole(self) -> tuple[I64, tuple[U64, ...]]:
        """The union of holders for each key, and the columns, in order of key. Nothing at all has no columns."""
        self._reduce()
        return (self._holders[0], self._parts[0]) if self._parts else (np.empty(0, np.int64), ())

    def _reduce(self) -> None:
        if self._count == self._reduced:
            return
        # What is copied is let go at once, column by column: at ten million extents each column is 80 MB.
        parts, holders = self._parts, np.concatenate(self._holders)
        self._parts, self._holders = [], []
        columns = [np.concatenate([part[number] for part in parts]) for number in range(len(parts[0]))]
        parts.clear()
        rows, unions = self._sets.united(columns[0], holders, agreed=columns[1])
        del holders
        kept: list[U64] = []
        while columns:
            kept.append(columns.pop(0)[rows])
        self._parts, self._holders = [tuple(kept)], [unions]
        self._count = self._reduced = len(unions)
