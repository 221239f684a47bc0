"""Bytes that are pinned by extents of which only a part is still referenced: the price of overwriting in the middle.

An extent lives until its last reference goes, whole. Uncompressed extents lie apart on one line of logical addresses,
so the referenced bytes of all of them are the union of intervals on that line.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]

_MANY = 1 << 20  # intervals, before they are united


class Intervals:
    """A growing union of intervals [start, end)."""

    def __init__(self) -> None:
        self._starts: list[U64] = []
        self._ends: list[U64] = []
        self._count = 0
        self._bound = _MANY

    def add(self, starts: U64, ends: U64) -> None:
        """More intervals, in any order."""
        starts, ends = _united(starts, ends)
        self._starts.append(starts)
        self._ends.append(ends)
        self._count += len(starts)
        if self._count > self._bound:
            self._unite()
            self._bound = max(_MANY, 2 * self._count)

    def total(self) -> int:
        """Bytes in the union."""
        self._unite()
        return sum(int((end - start).sum()) for start, end in zip(self._starts, self._ends, strict=True))

    def _unite(self) -> None:
        if len(self._starts) > 1:
            starts, ends = _united(np.concatenate(self._starts), np.concatenate(self._ends))
            self._starts, self._ends, self._count = [starts], [ends], len(starts)


def _united(starts: U64, ends: U64) -> tuple[U64, U64]:
    if not len(starts):
        return starts, ends
    order = np.argsort(starts)
    starts = starts[order]
    reach = np.maximum.accumulate(ends[order])
    first = np.ones(len(starts), np.bool_)
    first[1:] = starts[1:] > reach[:-1]
    last = np.append(np.flatnonzero(first)[1:] - 1, len(starts) - 1)
    return starts[first], reach[last]
