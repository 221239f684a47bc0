"""Sets of holders as small numbers: each distinct set is kept once, as a bit mask, and called by its index.

Millions of blocks and extents share a few thousand sets. Unions are worked out once for each distinct pair.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collectors.system.deadline import Malformed

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]


class RootSets:
    """Python's integers are the masks: a union of 1,000 bits costs about what one of 10 does beside the look-up."""

    def __init__(self) -> None:
        self.masks: list[int] = []
        self._numbers: dict[int, int] = {}
        self._unions: dict[int, int] = {}

    def number(self, mask: int) -> int:
        """The number of this set."""
        found = self._numbers.get(mask)
        if found is None:
            found = self._numbers[mask] = len(self.masks)
            self.masks.append(mask)
        return found

    def containing(self, bits: int) -> NDArray[np.bool_]:
        """For each set so far, whether it has any of these bits."""
        return np.array([bool(mask & bits) for mask in self.masks], np.bool_)

    def united(self, keys: U64, sets: I64, agreed: U64) -> tuple[NDArray[np.intp], I64]:
        """For each distinct key, the index of one of its rows and the union of its sets; keys come out in order.

        Raises Malformed where rows of one key do not agree on their value in `agreed`.
        """
        order = _sorted(keys, sets)
        # One ordered column at a time: this is where the walk of a large filesystem needs most memory.
        first = _changes(keys[order])
        if (~first & _changes(agreed[order])).any():
            raise Malformed("two pointers to one place disagree on what is there")
        ordered_sets = sets[order]
        new = first | _changes(ordered_sets)
        rows, chosen, starts = order[new], ordered_sets[new], np.flatnonzero(first[new])
        del order, ordered_sets, new, first
        sizes = np.diff(np.append(starts, len(rows)))
        unions = chosen[starts]
        # Groups of more than one, halved until one set is left of each.
        wide = np.flatnonzero(sizes > 1)
        if len(wide):
            inside = _spread(starts[wide], sizes[wide])
            unions[wide] = self._folded(chosen[inside], sizes[wide])
        return rows[starts], unions

    def _folded(self, sets: I64, sizes: I64) -> I64:
        while True:
            starts = np.cumsum(sizes) - sizes
            place = np.arange(len(sets)) - np.repeat(starts, sizes)
            left = place % 2 == 0
            paired = left & (place + 1 < np.repeat(sizes, sizes))
            at = np.flatnonzero(paired)
            sets[at] = self._pairs(sets[at], sets[at + 1])
            sets, sizes = sets[left], (sizes + 1) // 2
            if len(sets) == len(sizes):
                return sets

    def _pairs(self, one: I64, other: I64) -> I64:
        pairs = np.minimum(one, other) << 32 | np.maximum(one, other)
        distinct, back = np.unique(pairs, return_inverse=True)
        unions: I64 = np.array([self._union(pair) for pair in distinct.tolist()], np.int64)[back]
        return unions

    def _union(self, pair: int) -> int:
        found = self._unions.get(pair)
        if found is None:
            union = self.masks[pair >> 32] | self.masks[pair & 0xFFFFFFFF]
            found = self._unions[pair] = self.number(union)
        return found


def _changes(ordered: NDArray[np.integer]) -> NDArray[np.bool_]:
    """For each value, whether it differs from the one before; the first does."""
    changes = np.ones(len(ordered), np.bool_)
    changes[1:] = ordered[1:] != ordered[:-1]
    return changes


def _sorted(keys: U64, sets: I64) -> NDArray[np.intp]:
    """Indices in order of key, then set. One sort of 64-bit numbers where both fit into one."""
    if len(keys) and int(sets.max()) < 1 << 20 and int(keys.max()) < 1 << 56 and not (keys & np.uint64(0xFFF)).any():
        both: U64 = keys << np.uint64(8) | sets.astype(np.uint64)
        return np.argsort(both)
    order: NDArray[np.intp] = np.lexsort((sets, keys))
    return order


def _spread(starts: I64, sizes: I64) -> I64:
    """The indices of several ranges, one after the other."""
    ends = np.cumsum(sizes)
    indices: I64 = np.arange(int(ends[-1])) + np.repeat(starts - (ends - sizes), sizes)
    return indices
