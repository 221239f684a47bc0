"""A growing table of who holds what: a key, further columns, a set of holders. One row for each key once reduced."""

from __future__ import annotations

import numpy as np

from collectors.sources.btrfs.trees.rootsets import I64, U64, RootSets

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
        columns = [np.concatenate(column) for column in zip(*self._parts, strict=True)]
        rows, unions = self._sets.united(columns[0], np.concatenate(self._holders), agreed=columns[1])
        self._parts, self._holders = [tuple(column[rows] for column in columns)], [unions]
        self._count = self._reduced = len(unions)
