"""Sets of holders as small numbers, and what became of them since the last look.

Each distinct set is kept once, as a bit mask, and called by its index: millions of blocks and extents share a few
thousand sets. Unions are worked out once for each distinct pair.

What is in a leaf did not change since the last look, so for most extents the union need not be worked out again. Each
holder became some holders: itself, a snapshot of it too, or nobody. Where a leaf's set became just what that makes of
it, its share in the union of its extents did so too, for the union of images is the image of the union. The other
leaves, with those that are gone or new, say which extents changed their holders or the parts that are referenced. Which
holders a holder is said to have become decides how many these are, never what comes out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from collectors.system.deadline import Malformed

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]
Column = NDArray[np.unsignedinteger]
Rows = Sequence[NDArray[np.integer]]  # column by column
Flags = NDArray[np.bool_]

GONE = -1  # of a leaf that no tree leads to any more, instead of the number of its set

_LENGTH_BITS = 16
_TOGETHER = 256  # sets or holders: each makes a row of a matrix
_MOST_WORDS = 1 << 22  # of unions, at a time
_WORD_BITS = 64
_PIECE = 1 << 18  # rows that are unpacked at a time
_HALF_WORD = np.uint64(32)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


class RootSets:
    """Masks are Python's integers; where many are united they become words of 64 bits."""

    def __init__(self) -> None:
        self.masks: list[int] = []
        self._numbers: dict[int, int] = {}
        self._width = 1  # words

    def number(self, mask: int) -> int:
        """The number of this set."""
        found = self._numbers.get(mask)
        if found is None:
            found = self._numbers[mask] = len(self.masks)
            self.masks.append(mask)
            self._width = max(self._width, -(-mask.bit_length() // 64))
        return found

    def containing(self, bits: int) -> NDArray[np.bool_]:
        """For each set so far, whether it has any of these bits."""
        return np.array([bool(mask & bits) for mask in self.masks], np.bool_)

    def united(self, parts: list[Rows]) -> tuple[list[Column], Column]:
        """Rows of several parts: a key, a column that all rows of one key agree on, others; last, a set.

        Each key once, in order, and the union of its sets, all as narrow as they can be. The other columns are those
        of any of its rows. Takes the parts away. Raises Malformed where rows of one key do not agree.
        """
        found = [self._united(*piece) for piece in sorted_pieces(parts)]
        *columns, unions = (np.concatenate(column) for column in zip(*found, strict=True))
        return columns, unions

    def _united(self, *rows: U64) -> list[Column]:
        """The same for rows in order, of which none is in two pieces."""
        *columns, sets = rows
        chosen = sets.astype(np.int64)
        first = _changes(columns[0])
        if (~first & _changes(columns[1])).any():
            raise Malformed("two pointers to one place disagree on what is there")
        starts = np.flatnonzero(first)
        sizes = np.diff(np.append(starts, len(chosen)))
        unions = chosen[starts]
        wide = np.flatnonzero(sizes > 1)
        step = _MOST_WORDS // self._width
        for at in range(0, len(wide), step):
            part = wide[at : at + step]
            inside = _spread(starts[part], sizes[part])
            unions[part] = self._unions(chosen[inside], np.cumsum(sizes[part]) - sizes[part])
        return [narrow(column) for column in (*(column[starts] for column in columns), unions)]

    def _unions(self, sets: I64, starts: I64) -> I64:
        """The union of each run of sets."""
        there = np.flatnonzero(np.bincount(sets))
        place = np.zeros(int(there[-1]) + 1, np.int64)
        place[there] = np.arange(len(there))
        sets = place[sets]
        packed = b"".join(self.masks[number].to_bytes(self._width * 8, "little") for number in there.tolist())
        masks = np.frombuffer(packed, "<u8").reshape(len(there), self._width).T
        words = np.stack([np.bitwise_or.reduceat(word[sets], starts) for word in masks])
        first, back = _distinct(words)
        numbers = [self.number(int.from_bytes(mask.tobytes(), "little")) for mask in words[:, first].T]
        return np.array(numbers, np.int64)[back]


def _distinct(words: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Of columns: where each distinct one is first, and which of those each is."""
    factor = _FACTOR
    while True:
        mixed = words[0]
        for word in words[1:]:
            # Without the shift, the highest bit of each word would count the same, whatever the factor.
            mixed = (mixed ^ mixed >> _HALF_WORD) * factor + word
        runs = np.flatnonzero(_changes(mixed))  # neighbours are mostly alike
        _, first, back = np.unique(mixed[runs], return_index=True, return_inverse=True)
        first, back = runs[first], np.repeat(back, np.diff(runs, append=len(mixed)))
        if all((word[first][back] == word).all() for word in words):
            return first, back
        factor += np.uint64(2)


def _changes(ordered: NDArray[np.integer]) -> NDArray[np.bool_]:
    """For each value, whether it differs from the one before; the first does."""
    changes = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=changes[1:])
    return changes


def narrow(values: NDArray[np.integer]) -> Column:
    """The same numbers in as few bytes as the largest needs."""
    most = int(values.max(initial=0))
    kind = next(kind for kind in (np.uint8, np.uint16, np.uint32, np.uint64) if most <= np.iinfo(kind).max)
    return values.astype(kind, copy=False)


def ranks(ordered: Column, values: Column) -> NDArray[np.intp]:
    """Where each value is in an ordered column, or would be: of one type, or all of the column would be converted."""
    most = np.uint64(np.iinfo(ordered.dtype).max)
    return np.searchsorted(ordered, np.minimum(values, most).astype(ordered.dtype))


def sorted_rows(parts: list[Rows]) -> list[U64]:
    """The rows of all parts in order of their first column, those that are alike once; column by column.

    The list of parts is emptied: what is no longer needed is let go.
    """
    return [np.concatenate(column) for column in zip(*sorted_pieces(parts), strict=True)]


def sorted_pieces(parts: list[Rows]) -> Iterator[list[U64]]:
    """The same, some rows at a time; those that have the first column in common are never apart.

    They are packed into one number each where they fit, which is quickest by far to sort. Where they do not, only
    neighbours that are alike become one.
    """
    spans = [_span(column) for column in zip(*parts, strict=True)]
    if sum(width for _, width in spans) > _WORD_BITS:
        yield _by_first(parts)
        return
    packed = _packed(parts, spans)
    packed.sort()
    beside = np.uint64((1 << sum(width for _, width in spans[1:])) - 1)
    ends = np.searchsorted(packed, packed[_PIECE - 1 : -1 : _PIECE] | beside, "right").tolist()
    for start, end in pairwise((0, *ends, len(packed))):
        piece = packed[start:end]
        yield _unpacked(piece[_changes(piece)], spans)


def _packed(parts: list[Rows], spans: Sequence[tuple[int, int]]) -> U64:
    """Each row as one number. Takes the parts away one by one."""
    packed = np.zeros(sum(len(part[0]) for part in parts), np.uint64)
    end = len(packed)
    while parts:
        part = parts.pop()
        rows = packed[end - len(part[0]) : end]
        for column, (lowest, width) in zip(part, spans, strict=True):
            if width:
                rows <<= np.uint64(width)
                rows |= column.astype(np.uint64, copy=False) >> np.uint64(lowest)
        end -= len(rows)
    return packed


def _unpacked(rows: U64, spans: Sequence[tuple[int, int]]) -> list[U64]:
    columns: list[U64] = []
    for lowest, width in reversed(spans):
        columns.append((rows & np.uint64((1 << width) - 1)) << np.uint64(lowest))
        rows = rows >> np.uint64(width)
    return columns[::-1]


def _span(column: Rows) -> tuple[int, int]:
    """The lowest bit that is set in any of these numbers, and how many there are from it to the highest."""
    used = 0
    for part in column:
        used |= int(np.bitwise_or.reduce(part, initial=0))
    lowest = max(0, (used & -used).bit_length() - 1)
    return lowest, (used >> lowest).bit_length()


def _by_first(parts: list[Rows]) -> list[U64]:
    columns = [np.concatenate(column).astype(np.uint64, copy=False) for column in zip(*parts, strict=True)]
    parts.clear()
    order = np.argsort(columns[0])
    columns = [column[order] for column in columns]
    new = np.logical_or.reduce([_changes(column) for column in columns])
    return [column[new] for column in columns]


def _spread(starts: I64, sizes: I64) -> I64:
    """The indices of several ranges, one after the other."""
    ends = np.cumsum(sizes)
    indices: I64 = np.arange(int(ends[-1])) + np.repeat(starts - (ends - sizes), sizes)
    return indices


class Earlier(NamedTuple):
    """Sets of the last look: the bits of each, packed in a row; what the bits meant; the set of each leaf."""

    masks: NDArray[np.uint8]
    bits: Sequence[str]
    of_leaves: Column

    def members(self, chosen: slice | I64) -> NDArray[np.uint8]:
        """Of these sets, for each holder 1 or 0."""
        return np.unpackbits(self.masks[chosen], axis=1, count=len(self.bits), bitorder="little")

    def weighed(self, chosen: I64, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """For each row of weights, one for each chosen set, and each holder: the sum of those that it is in."""
        found = np.zeros((len(weights), len(self.bits)))
        for at in range(0, len(chosen), _TOGETHER):
            found += weights[:, at : at + _TOGETHER] @ self.members(chosen[at : at + _TOGETHER])
        return found


def became_of(old: Earlier, sets: RootSets, now: I64, bits: Sequence[str]) -> I64:
    """For each set of the last look, the number of the one that its holders became. `now`: by leaf, its set or GONE."""
    at, before = {bit: at for at, bit in enumerate(bits)}, {bit: at for at, bit in enumerate(old.bits)}
    pairs = [(at[bit], holder) for bit, holder in before.items() if bit in at]
    pairs += _copies(old, sets, now, [at[bit] for bit in bits if bit not in before])
    images, holders = np.array(pairs, np.int64).reshape(-1, 2).T
    found = list[int]()
    for start in range(0, len(old.masks), _TOGETHER):
        members = old.members(slice(start, start + _TOGETHER))
        became = np.zeros((len(members), len(bits)), np.uint8)
        became[:, images] = members[:, holders]
        packed = np.packbits(became, axis=1, bitorder="little")
        found += [sets.number(int.from_bytes(mask.tobytes(), "little")) for mask in packed]
    return np.array(found, np.int64)


def _copies(old: Earlier, sets: RootSets, now: I64, new: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(new holder, the one that it is a snapshot of), as far as it looks like one.

    It has as much as possible of its source, and of what is not in it as little as possible.
    """
    stayed = np.flatnonzero(now != GONE)
    pairs, counts = np.unique(old.of_leaves[stayed].astype(np.int64) << 32 | now[stayed], return_counts=True)
    before, after, all_ = (
        pairs >> 32,
        (pairs & 0xFFFFFFFF).tolist(),
        old.weighed(pairs >> 32, counts[None].astype(np.float64)),
    )
    for start in range(0, len(new), _TOGETHER):
        group = new[start : start + _TOGETHER]
        span = sum(1 << bit for bit in group)
        held = [(at, mask) for at, number in enumerate(after) if (mask := sets.masks[number] & span)]
        weights = np.array([[mask >> bit & 1 for _, mask in held] for bit in group], np.float64)
        where = np.array([at for at, _ in held], np.int64)
        alike = 2 * old.weighed(before[where], weights * counts[where]) - all_
        yield from ((bit, int(row.argmax())) for bit, row in zip(group, alike, strict=True) if row.max(initial=0) > 0)


class Pieces(NamedTuple):
    """References: the address of the extent, and the set of holders."""

    keys: U64  # one number for what is referenced: where it begins and its length; extents lie apart, so parts do
    addresses: U64  # in sectors
    sets: I64


def pieces(columns: Sequence[Column], sets: I64, nobody: int) -> Pieces | None:
    """None where the numbers are too large for one. References that nobody holds are left out."""
    held = sets != nobody
    addresses, starts, lengths = (column[held].astype(np.uint64) for column in columns)
    if int(lengths.max(initial=0)) >> _LENGTH_BITS or int((addresses + starts).max(initial=0)) >> 64 - _LENGTH_BITS:
        return None
    return Pieces((addresses + starts) << np.uint64(_LENGTH_BITS) | lengths, addresses, sets[held])


def differing(one: Pieces, other: Pieces, sets: RootSets) -> U64:
    """Addresses of the extents of which any piece is held by others in the two."""
    ((keys, addresses), unions), ((keys_, addresses_), unions_) = (sets.united([part]) for part in (one, other))
    here, there = _unlike(keys, unions, keys_, unions_), _unlike(keys_, unions_, keys, unions)
    return np.concatenate((addresses[here], addresses_[there]))


def _unlike(keys: Column, unions: Column, others: Column, other_unions: Column) -> Flags:
    if not len(others):
        return np.ones(len(keys), np.bool_)
    at = np.minimum(np.searchsorted(others, keys), len(others) - 1)
    return np.asarray((others[at] != keys) | (other_unions[at] != unions))
