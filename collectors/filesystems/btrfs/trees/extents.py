"""The growing table of extents: address → size on disk, size decompressed, set of holders.

Beside it what is counted by set, and which bytes of extents are referenced at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from collectors.filesystems.btrfs.trees.sets import I64, U64, Column, Flags, RootSets, Rows, narrow, ranks, sorted_rows


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


_PIECE = 1 << 17  # extents that are looked at together: what is worked out stays in the processor's caches


class ExtentTable:
    """About 15 bytes for each distinct extent, as much for references that wait, and 23 for both while reduced."""

    def __init__(self, sets: RootSets) -> None:
        self._sets = sets
        self._held = ExtentHolders(sets)

    def add(self, addresses: U64, disk: U64, ram: U64, sets: I64) -> None:
        """References to extents. `ram` is 0 for extents that are not compressed."""
        self._held.add(sets, addresses, disk, ram)

    def settled(self, sets: Column, addresses: Column, disk: Column, ram: Column) -> None:
        """Extents in order of address, with all who hold them: no reference to one of these is added."""
        self._held.settled(sets, addresses, disk, ram)

    def bytes_by_set(self, copies: Copies) -> tuple[list[int], list[int]]:
        """Bytes of extents held by each set, by its number: one copy, and all `copies`."""
        self._held.whole()  # may find new sets
        once, all_ = (np.zeros(len(self._sets.masks), np.uint64) for _ in range(2))
        for sets, addresses, disk, _ in self._pieces():
            once += _summed(sets, disk, len(once))
            all_ += _summed(sets, disk * copies.of(addresses), len(all_))
        return once.tolist(), all_.tolist()

    def apart(self) -> bool:
        """Whether no two extents lie on each other, as on a device none do."""
        behind = 0
        for _, addresses, disk, _ in self._pieces():
            ends = addresses + disk
            if addresses[0] < behind or (ends[:-1] > addresses[1:]).any():
                return False
            behind = int(ends[-1])
        return True

    def plain_bytes(self) -> int:
        """Bytes on disk of extents that are not compressed."""
        return sum(int(disk[ram == 0].sum()) for _, _, disk, ram in self._pieces())

    def compressed_bytes(self) -> tuple[int, int]:
        """Of the compressed extents: bytes on disk, and bytes that they hold."""
        pairs = [(int(disk[ram != 0].sum()), int(ram.sum())) for _, _, disk, ram in self._pieces()]
        return sum(disk for disk, _ in pairs), sum(ram for _, ram in pairs)

    def columns(self) -> tuple[Column, Column, Column, Column]:
        """In order of address: set, address, size on disk, size decompressed; as narrow as they can be."""
        sets, columns = self._held.whole()
        nothing = np.empty(0, np.uint8)
        addresses, disk, ram = columns or (nothing, nothing, nothing)
        return sets, addresses, disk, ram

    def were_settled(self) -> Flags:
        """For each extent in order of address, whether it was entered as settled."""
        count = len(self.columns()[0])
        return self._held.was_settled if len(self._held.was_settled) else np.zeros(count, np.bool_)

    def _pieces(self) -> Iterator[tuple[I64, U64, U64, U64]]:
        for sets, addresses, disk, ram in in_pieces(self.columns()):
            yield (
                sets.astype(np.int64),
                addresses.astype(np.uint64),
                disk.astype(np.uint64),
                ram.astype(np.uint64),
            )


def in_pieces(columns: Sequence[Column]) -> Iterator[list[Column]]:
    """Some rows at a time; none is empty. To fill new memory for all rows at once would cost more than the work."""
    for at in range(0, len(columns[0]), _PIECE):
        yield [column[at : at + _PIECE] for column in columns]


_MANY = 1 << 21  # rows that wait before they are reduced; as many as there are keys, where those are more


class ExtentHolders:
    """Columns and the set of each key, as narrow as they can be; as much for what waits, and more while reduced."""

    def __init__(self, sets: RootSets) -> None:
        self._sets = sets
        self._parts: list[Rows] = []
        self._settled: Sequence[Column] = ()
        self.was_settled = np.empty(0, np.bool_)  # for each key, once all are there
        self._count = self._reduced = 0

    def add(self, holders: I64, *columns: U64) -> None:
        """Rows in any order. The first column is the key; rows of one key agree on the second, or Malformed is raised.

        The others are taken from any of the rows.
        """
        self._parts.append([narrow(column) for column in (*columns, holders)])
        self._count += len(holders)
        if self._count - self._reduced > max(_MANY, self._reduced):
            self._reduce()

    def settled(self, holders: Column, *columns: Column) -> None:
        """Keys in order, with the union of their holders: none of them is added."""
        self._settled = (*columns, holders)

    def whole(self) -> tuple[Column, tuple[Column, ...]]:
        """The union of holders for each key, and the columns, in order of key. Nothing at all has no columns."""
        self._reduce()
        if self._settled:
            rows, self._settled = self._settled, ()
            others = [narrow(column) for column in self._parts[0]] if self._parts else [column[:0] for column in rows]
            merged, self.was_settled = _merged(rows, others)
            self._parts, self._count, self._reduced = [merged], len(merged[0]), len(merged[0])
        if not self._parts:
            return np.empty(0, np.uint8), ()
        *columns, holders = map(narrow, self._parts[0])
        return holders, tuple(columns)

    def _reduce(self) -> None:
        if self._count == self._reduced:
            return
        columns, unions = self._sets.united(self._parts)
        self._parts = [(*columns, unions)]
        self._count = self._reduced = len(unions)


def _merged(some: Sequence[Column], others: Sequence[Column]) -> tuple[Sequence[Column], Flags]:
    """Rows of both, in order of the first column, and which are the first ones; the others are few."""
    at = ranks(some[0], others[0]) + np.arange(len(others[0]))
    mine = np.ones(len(some[0]) + len(at), np.bool_)
    mine[at] = False
    merged = []
    for column, other in zip(some, others, strict=True):
        both = np.empty(len(mine), np.result_type(column, other))
        both[mine], both[at] = column, other
        merged.append(both)
    return merged, mine


_LOW = np.uint64(0xFFFFFFFF)


def _summed(sets: I64, values: U64, count: int) -> U64:
    """The sum of the values of each set. Halves are summed apart: of a million of them, each sum is exact."""
    sums = np.bincount(sets, (values & _LOW).astype(np.float64), count).astype(np.uint64)
    if int(values.max(initial=0)) >> 32:
        high = np.bincount(sets, (values >> np.uint64(32)).astype(np.float64), count)
        sums += high.astype(np.uint64) << np.uint64(32)
    return np.asarray(sums, np.uint64)


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

    def add_leaves(self, sets: I64, counts: NDArray[np.unsignedinteger], low: U64, high: U64) -> None:
        """One row for each leaf: its inodes, and the sums of the lower and upper halves of their apparent sizes."""
        _count(self.inodes, sets, counts)
        most = int(sets.max(initial=-1)) + 1
        lows, highs = np.zeros(most, np.uint64), np.zeros(most, np.uint64)
        np.add.at(lows, sets, low)
        np.add.at(highs, sets, high)
        for number in np.flatnonzero(lows | highs).tolist():
            self.apparent[number] += int(lows[number]) + (int(highs[number]) << 32)

    def add_blocks(self, sets: I64, copies: U64) -> None:
        """One row for each tree block."""
        _count(self.blocks, sets)
        _count(self.copies, sets, copies)

    def move_blocks(self, counted: I64, sets: I64, copies: U64) -> None:
        """Tree blocks that were counted by other sets."""
        self.add_blocks(sets, copies)
        _count(self.blocks, counted, np.full(len(counted), -1, np.int64))
        _count(self.copies, counted, -copies.astype(np.int64))


def _count(counter: Counter[int], sets: I64, times: NDArray[np.integer] | None = None) -> None:
    found = np.bincount(sets, None if times is None else times.astype(np.float64))
    for number in np.flatnonzero(found).tolist():
        counter[number] += int(found[number])


_MANY_INTERVALS = 1 << 20  # that wait before they are united
_NOTHING = np.empty(0, np.uint64)


class Intervals:
    """A growing union of intervals [start, end)."""

    def __init__(self) -> None:
        self._parts: list[Rows] = []  # where intervals begin, and how long they are
        self._count = self._known = self._apart = 0

    def add(self, starts: U64, lengths: U64) -> None:
        """More intervals, in any order; none is empty."""
        self._parts.append((starts, lengths))
        self._count += len(starts)
        if self._count - self._apart > max(_MANY_INTERVALS, self._apart):
            self._unite()

    def known(self, count: int) -> None:
        """So many bytes more, which lie in no interval that is added."""
        self._known += count

    def total(self) -> int:
        """Bytes in the union, and those that were known."""
        return self._known + int(self._unite()[1].sum())

    def within(self, starts: U64, ends: U64) -> U64:
        """Bytes of the union in each of these ranges."""
        begins, lengths = self._unite()
        if not len(begins):
            return np.zeros(len(starts), np.uint64)
        return _below(begins, begins + lengths, ends) - _below(begins, begins + lengths, starts)

    def _unite(self) -> tuple[U64, U64]:
        """In order, and apart."""
        if self._count != self._apart:
            starts, lengths = sorted_rows(self._parts)
            ends = np.maximum.accumulate(starts + lengths)
            first = np.ones(len(starts), np.bool_)
            np.greater(starts[1:], ends[:-1], out=first[1:])
            begins, last = starts[first], np.append(np.flatnonzero(first)[1:] - 1, len(starts) - 1)
            self._parts = [(begins, ends[last] - begins)]
            self._count = self._apart = len(begins)
        apart = self._parts[0] if self._parts else (_NOTHING, _NOTHING)
        return apart[0].view(np.uint64), apart[1].view(np.uint64)


def _below(starts: U64, ends: U64, places: U64) -> U64:
    """Bytes of these intervals, which ascend and are apart, below each place."""
    sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(ends - starts)))
    at = np.searchsorted(starts, places, "right")
    last = np.maximum(at, 1) - 1
    return np.where(at > 0, sums[last] + np.minimum(places, ends[last]) - starts[last], np.uint64(0))
