"""What leaves of subvolumes held when they were last read, kept between runs: the next look reads only newer ones.

A committed block is never changed in place: its address and generation name its content for good. So a leaf that the
trees still point to with the same address and generation holds what it held; only the trees above it may be others.

Kept by leaf: its references to extents, sums of its inodes, its large files; of leaves in subvolumes that are split by
directory also each inode and name. And every extent with its holders. About 6 bytes for each reference, 90 for each
leaf, 8 for each extent. A file that is damaged, too large or of another version counts as not there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from crc32c import crc32c
from numpy.typing import NDArray

from collectors.filesystems.btrfs.trees.leaves import Extents, Items
from collectors.filesystems.btrfs.trees.names import LEAST_BYTES
from collectors.filesystems.btrfs.trees.sets import I64, U64, Column, Flags, narrow
from collectors.filesystems.btrfs.trees.splitting import INODES
from collectors.model import dataclass
from collectors.system import folders
from collectors.system.deadline import Malformed

_VERSION = 2
_FEWEST_BITS, _MOST_BITS = 20, 27  # of an address, that tell whether its extent is to be united anew
_AT_ONCE = 1 << 16  # of addresses
MOST_BYTES = 512 << 20  # in memory while it is recorded, and as a file: some 50 million references
_FREE_SHARE = 16  # the file takes at most this part of the room that is left where it is kept
_ALIGNED = 64
_CHECKSUM_BYTES = 8

LEAF = np.dtype(
    [
        ("address", "<u8"),
        ("generation", "<u8"),
        ("mark", "<u8"),  # of its first key and the tree that it must belong to
        ("first", "<u8"),  # object ids of its first and last item
        ("last", "<u8"),
        ("low", "<u8"),  # sums of the lower and upper halves of its files' apparent sizes
        ("high", "<u8"),
        ("inodes", "<u4"),
        ("set", "<u4"),
        ("detail", "u1"),
    ]
)
_KINDS: dict[str, np.dtype[Any]] = {kind: np.dtype(kind) for kind in ("|u1", "<u2", "<u4", "<u8")} | {"leaf": LEAF}


@dataclass(frozen=True, slots=True)
class Ragged:
    """Rows of many leaves, one leaf after the other: how many rows each has, and their columns."""

    counts: Column
    columns: list[Column]

    def leaves(self) -> I64:
        """The leaf of each row."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def of(self, chosen: Flags) -> Ragged:
        """The rows of these leaves alone."""
        return joined([Ragged(self.counts, [*self.columns])], chosen)

    def cuts(self, chosen: Flags) -> list[tuple[int, int]]:
        """The rows of these leaves, as few ranges."""
        ends = np.concatenate(([0], np.cumsum(self.counts, dtype=np.int64)))
        edges = ends[np.flatnonzero(np.diff(chosen, prepend=False, append=False))].tolist()
        return list(zip(edges[::2], edges[1::2], strict=True))


def grouped(rows: I64, count: int, *columns: NDArray[np.integer]) -> Ragged:
    """Rows in ascending order of their leaf, of so many leaves. Columns are kept as narrow as their values allow."""
    return Ragged(np.bincount(rows, minlength=count).astype(np.uint32), [narrow(column) for column in columns])


def joined(parts: Sequence[Ragged], chosen: Flags) -> Ragged:
    """Of the first the chosen leaves alone, then those of the others.

    Each row is copied once. Columns are taken away from the parts one by one, so that no second copy of all exists.
    """
    first, *others = parts
    cuts, columns = first.cuts(chosen), list[Column]()
    while first.columns:
        column, *more = (part.columns.pop(0) for part in parts)
        columns.append(np.concatenate([column[:0], *(column[a:b] for a, b in cuts), *more]))
    return Ragged(np.concatenate([first.counts[chosen], *(part.counts for part in others)]), columns)


class Contents(NamedTuple):
    """By leaf, with the columns of each. Addresses, starts and lengths of references are in sectors."""

    leaves: NDArray[np.void]
    references: Ragged  # address, start, length
    holders: Ragged  # the inode of each reference, where each inode is kept
    large: Ragged  # inode, taken, apparent, made in
    inodes: Ragged  # inode, apparent; where each is kept
    links: Ragged  # inode, parent, rank; where names are kept

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in _columns(self))

    def of(self, chosen: Flags) -> Contents:
        """These leaves alone."""
        leaves, *ragged = self
        return Contents(leaves[chosen], *(one.of(chosen) for one in ragged))


def together(parts: Sequence[Contents], chosen: Flags) -> Contents:
    """Of the first the chosen leaves alone, then those of the others; takes the columns of all away."""
    (first, *others), *ragged = zip(*parts, strict=True)
    leaves = np.concatenate([first[chosen], *others])
    return Contents(leaves, *(joined(parts, chosen) for parts in ragged))


def recorded(leaves: NDArray[np.void], items: Items, sector: int) -> Contents:
    """What to keep of a batch."""
    count, inodes, extents, links = len(leaves), items.inodes, items.extents, items.links
    inside = leaves["detail"][extents.rows] >= INODES
    single = leaves["detail"][inodes.rows] >= INODES
    large = inodes.taken >= LEAST_BYTES
    order = np.argsort(links.rows, kind="stable")
    columns = (inodes.inodes, inodes.taken, inodes.apparent, inodes.made_in)
    return Contents(
        leaves,
        grouped(extents.rows, count, *referred(extents, sector)),
        grouped(extents.rows[inside], count, extents.inodes[inside]),
        grouped(inodes.rows[large], count, *(column[large] for column in columns)),
        grouped(inodes.rows[single], count, inodes.inodes[single], inodes.apparent[single]),
        grouped(links.rows[order], count, links.inodes[order], links.parents[order], links.ranks[order]),
    )


def referred(extents: Extents, sector: int) -> tuple[Column, Column, Column]:
    """Address, start and length in sectors: 0 and 0 for all of an extent, and for any part of a compressed one."""
    part = ((extents.ram == 0) & (extents.lengths != extents.disk)).astype(np.uint64)
    columns = (extents.addresses, extents.starts * part, extents.lengths * part)
    return tuple(in_sectors(column, sector) for column in columns)  # type: ignore[return-value]  # three of them


def in_sectors(values: Column, sector: int) -> Column:
    if int(np.bitwise_or.reduce(values, initial=0)) % sector:
        raise Malformed("an extent does not lie in whole sectors")
    return values // np.uint64(sector)


def in_bytes(sectors: Column, sector: int) -> U64:
    return sectors.astype(np.uint64) * np.uint64(sector)


class KeptExtents(NamedTuple):
    """Columns in order of address: sectors, but `sets`. `used`: what is referenced of one that is not compressed."""

    addresses: Column
    disk: Column
    ram: Column
    used: Column
    sets: Column


@dataclass(frozen=True, slots=True)
class LeafMemory:
    """One committed generation. `masks`: a row of bits for each set, packed; `bits`: what each of them means."""

    generation: int
    sector: int
    bits: tuple[str, ...]
    masks: NDArray[np.uint8]
    contents: Contents
    extents: KeptExtents


_RAGGED = {"references": 3, "holders": 1, "large": 4, "inodes": 2, "links": 3}  # and the columns of each


def store(path: Path, memory: LeafMemory) -> None:
    """Keep it instead of the last one. Where that cannot be, or it would take much of the room left, nothing is."""
    arrays = [np.ascontiguousarray(array) for array in _arrays(memory)]
    kinds = [("leaf" if array.dtype == LEAF else array.dtype.str, array.size) for array in arrays]
    head = {"version": _VERSION, "generation": memory.generation, "sector": memory.sector, "bits": memory.bits}
    line = json.dumps(head | {"arrays": kinds}).encode()
    parts: list[bytes | memoryview] = [line, b" " * (-(len(line) + _CHECKSUM_BYTES + 1) % _ALIGNED) + b"\n"]
    for array in arrays:
        parts += [array.data.cast("B") if array.size else b"", bytes(-array.nbytes % _ALIGNED)]
    checksum, size = 0, 0
    for part in parts:
        checksum, size = crc32c(part, checksum), size + len(part)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=folders.OWN_FOLDER_MODE)
        room = os.statvfs(path.parent)
        if size <= min(MOST_BYTES, room.f_bavail * room.f_frsize // _FREE_SHARE):
            folders.replace_whole(path, b"%08x" % checksum, *parts, mode=folders.OWN_MODE, durable=False)


def load(path: Path) -> LeafMemory | None:
    """What was kept last, if there is anything that can be read."""
    folders.settle(path)
    try:
        with folders.own_file(path, os.O_RDONLY) as fd, open(fd, "rb", closefd=False) as file:
            return _read(file, min(MOST_BYTES, os.fstat(fd).st_size))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError, StopIteration):
        return None


def _arrays(memory: LeafMemory) -> Iterator[NDArray[Any]]:
    yield memory.masks
    yield from memory.extents
    yield from _columns(memory.contents)


def _columns(contents: Contents) -> Iterator[NDArray[Any]]:
    yield contents.leaves
    for ragged in contents[1:]:
        yield ragged.counts
        yield from ragged.columns


def _read(file: BufferedReader, left: int) -> LeafMemory | None:
    """None where it is not what was written; `left` bytes are there. Each array is apart, to be let go by itself."""
    expected, line = file.read(_CHECKSUM_BYTES), file.readline(left)
    head = json.loads(line)
    if head["version"] != _VERSION:
        return None
    checksum, arrays = crc32c(line), []
    for kind, size in head["arrays"]:
        padded = -(-size * _KINDS[kind].itemsize // _ALIGNED) * _ALIGNED
        left -= padded
        if size < 0 or left < 0:
            raise ValueError(f"an array of {size} {kind}")
        whole = np.empty(padded, np.uint8)
        if file.readinto(whole.data) != padded:
            raise ValueError("the file is cut short")
        checksum = crc32c(whole.data, checksum)
        arrays.append(whole[: size * _KINDS[kind].itemsize].view(_KINDS[kind]))
    if checksum != int(expected, 16) or file.read(1):
        return None
    coming = iter(arrays)
    bits = tuple(map(str, head["bits"]))
    masks = next(coming).reshape(-1, max(1, -(-len(bits) // 8)))
    extents = KeptExtents(*(next(coming) for _ in KeptExtents._fields))
    leaves = next(coming)
    ragged = (Ragged(next(coming), [next(coming) for _ in range(width)]) for width in _RAGGED.values())
    found = LeafMemory(int(head["generation"]), int(head["sector"]), bits, masks, Contents(leaves, *ragged), extents)
    return found if _fits(found) else None


def _fits(memory: LeafMemory) -> bool:
    """Whether columns that belong together are of one length, and sets are there."""
    leaves, extents = memory.contents.leaves, memory.extents
    fits = leaves.dtype == LEAF and memory.masks.dtype == np.uint8 and memory.sector > 0
    fits = fits and len({len(column) for column in extents}) == 1
    for ragged in memory.contents[1:]:
        fits = fits and len(ragged.counts) == len(leaves)
        fits = fits and {len(column) for column in ragged.columns} == {int(ragged.counts.sum())}
    sets = len(memory.masks)
    return fits and all(not len(column) or int(column.max()) < sets for column in (leaves["set"], extents.sets))


class Addresses:
    """Some addresses, in sectors. It may say yes to others too, but the same to all references to one extent."""

    def __init__(self, parts: Sequence[Column]) -> None:
        bits = (8 * sum(map(len, parts))).bit_length()
        self._low = (1 << min(max(bits, _FEWEST_BITS), _MOST_BITS)) - 1
        self._flags = np.zeros(self._low + 1, np.bool_)
        for part in parts:
            self._flags[part.astype(np.int64) & self._low] = True

    def has(self, addresses: Column) -> Flags:
        found = np.empty(len(addresses), np.bool_)
        for at in range(0, len(addresses), _AT_ONCE):  # pieces that stay in the processor's caches
            part = slice(at, at + _AT_ONCE)
            found[part] = self._flags[addresses[part].astype(np.int64) & self._low]
        return found
