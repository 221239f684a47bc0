"""Sets of holders as small numbers, and the growing table of extents by them.

Sets of holders as small numbers: each distinct set is kept once, as a bit mask, and called by its index.

Millions of blocks and extents share a few thousand sets. Unions are worked out once for each distinct pair.

The growing table of extents: address → size on disk, size decompressed, set of holders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

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


class Copies:
    """How many copies there are of what lies at an address: 1 where no chunk is known."""

    def __init__(self, chunks: Iterable[tuple[int, int]]) -> None:
        """`chunks`: where each begins, and its copies."""
        ordered = sorted(chunks)
        self._starts = np.array([start for start, _ in ordered], np.uint64)
        self._copies = np.array([1, *(copies for _, copies in ordered)], np.uint64)

    def of(self, addresses: U64) -> U64:
        """One number for each address."""
        return np.asarray(self._copies[np.searchsorted(self._starts, addresses, "right")], np.uint64)


class ExtentTable:
    """32 bytes for each distinct extent, and up to three times that while references wait and are reduced."""

    def __init__(self, sets: RootSets) -> None:
        self._sets = sets
        self._held = ExtentHolders(sets)

    def add(self, addresses: U64, disk: U64, ram: U64, sets: I64) -> None:
        """References to extents. `ram` is 0 for extents that are not compressed."""
        self._held.add(sets, addresses, disk, ram)

    def bytes_by_set(self, copies: Copies) -> tuple[list[int], list[int]]:
        """Bytes of extents held by each set, by its number: one copy, and all `copies`."""
        sets, columns = self._held.whole()  # may find new sets
        once, all_ = (np.zeros(len(self._sets.masks), np.uint64) for _ in range(2))
        if columns:
            addresses, disk, _ = columns
            np.add.at(once, sets, disk)
            np.add.at(all_, sets, disk * copies.of(addresses))
        return once.tolist(), all_.tolist()

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


_MANY = 1 << 19  # rows that wait before they are reduced; as many as there are keys, where those are more


class ExtentHolders:
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


_LOW = np.uint64(0xFFFFFFFF)


class SetCounts:
    def __init__(self) -> None:
        self.inodes: Counter[int] = Counter()
        self.apparent: Counter[int] = Counter()
        self.blocks: Counter[int] = Counter()
        self.copies: Counter[int] = Counter()  # of those blocks

    def add_inodes(self, sets: I64, apparent: U64) -> None:
        """One row for each inode. Sparse files can be exabytes long: halves are summed apart, so nothing overflows."""
        _count(self.inodes, sets)
        low, high = (apparent & _LOW).astype(np.float64), (apparent >> np.uint64(32)).astype(np.float64)
        lows, highs = np.bincount(sets, low), np.bincount(sets, high)
        for number in np.flatnonzero((lows > 0) | (highs > 0)).tolist():
            self.apparent[number] += int(lows[number]) + (int(highs[number]) << 32)

    def add_blocks(self, sets: I64, copies: U64) -> None:
        """One row for each tree block."""
        _count(self.blocks, sets)
        _count(self.copies, sets, copies)


def _count(counter: Counter[int], sets: I64, times: U64 | None = None) -> None:
    found = np.bincount(sets, None if times is None else times.astype(np.float64))
    for number in np.flatnonzero(found).tolist():
        counter[number] += int(found[number])
