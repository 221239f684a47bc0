"""Leaves of subvolumes as arrays, whole batches at once: file extents, inodes, and which directory an inode stands in.

Where the items come from (leaves of a device, answers of the kernel) is known to the caller: `Heads` says where each
item's data starts in one flat array of bytes. Which block it comes from is its `row`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from collectors.filesystems.btrfs import ioctl
from collectors.filesystems.btrfs.ioctl import HEADER_BYTES
from collectors.filesystems.btrfs.trees.blocks import Slots
from collectors.model import dataclass
from collectors.system.deadline import Malformed

I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]

_EXTENT = np.dtype(
    [
        ("generation", "<u8"),
        ("ram", "<u8"),
        ("compression", "u1"),
        ("encryption", "u1"),
        ("encoding", "<u2"),
        ("type", "u1"),
        ("address", "<u8"),
        ("disk", "<u8"),
        ("offset", "<u8"),
        ("length", "<u8"),
    ]
)
_INLINE, _PREALLOCATED = 0, 2
_ZSTD = 3  # the last kind of compression
# The head of every extent item. An inline one goes on with its data.
_HEAD = np.dtype(
    {
        "names": ["ram", "compression", "type"],
        "formats": ["<u8", "u1", "u1"],
        "offsets": [8, 16, 20],
        "itemsize": 21,
    }
)
_RAW_EXTENT = np.dtype((np.void, _EXTENT.itemsize))
_MOST = 62  # bits of an address or a size
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_INODE = np.dtype(
    {
        "names": ["generation", "size", "taken", "mode"],
        "formats": ["<u8", "<u8", "<u8", "<u4"],
        "offsets": [0, 16, 24, 52],
        "itemsize": 56,
    }
)
_PARENT = np.dtype([("parent", "<u8")])
_FORMAT, _FILE, _LINK = 0o170000, 0o100000, 0o120000
_FORMATS = np.isin(np.arange(16) << 12, [0o010000, 0o020000, 0o040000, 0o060000, _FILE, _LINK, 0o140000])


@dataclass(frozen=True, slots=True)
class Heads:
    """Items of one type: key, and where the data lies."""

    rows: I64
    objectids: U64
    offsets: U64
    starts: I64
    sizes: NDArray[np.integer]

    def of(self, chosen: NDArray[np.bool_]) -> Heads:
        """Some of them."""
        rows, starts, sizes = self.rows[chosen], self.starts[chosen], self.sizes[chosen]
        return Heads(rows, self.objectids[chosen], self.offsets[chosen], starts, sizes)


_NOTHING, _NOWHERE = np.empty(0, np.uint64), np.empty(0, np.int64)
NO_HEADS = Heads(_NOWHERE, _NOTHING, _NOTHING, _NOWHERE, _NOWHERE)


@dataclass(frozen=True, slots=True)
class Extents:
    """References to extents on disk: holes and inline data left out. Addresses and sizes are logical bytes."""

    rows: I64
    inodes: U64
    addresses: U64
    disk: U64
    ram: U64  # what a compressed extent holds; 0 for one that is not compressed
    starts: U64  # the part that this reference uses, from the start of the (decompressed) extent
    lengths: U64

    def of(self, chosen: NDArray[np.bool_]) -> Extents:
        """Some of them."""
        return Extents(
            self.rows[chosen],
            self.inodes[chosen],
            self.addresses[chosen],
            self.disk[chosen],
            self.ram[chosen],
            self.starts[chosen],
            self.lengths[chosen],
        )


@dataclass(frozen=True, slots=True)
class InodeRecords:
    rows: I64
    inodes: U64
    apparent: U64  # st_size of regular files and symlinks, 0 for the rest
    taken: U64  # bytes of regular files as the kernel counts them for st_blocks, 0 for the rest
    made_in: U64  # generation

    def sums(self, count: int) -> tuple[I64, U64, U64]:
        """For each of so many blocks: inodes, and the sums of the lower and upper halves of their apparent sizes."""
        halves = (self.apparent & _LOW, self.apparent >> _HALF)
        low, high = (np.bincount(self.rows, half.astype(np.float64), count).astype(np.uint64) for half in halves)
        return np.bincount(self.rows, minlength=count), low, high

    def of(self, chosen: NDArray[np.bool_]) -> InodeRecords:
        """Some of them."""
        columns = (self.inodes, self.apparent, self.taken, self.made_in)
        return InodeRecords(self.rows[chosen], *(column[chosen] for column in columns))


@dataclass(frozen=True, slots=True)
class Links:
    """Inode → directory. `ranks` orders the names of one inode: the lowest counts."""

    rows: I64
    inodes: U64
    parents: U64
    ranks: U8


@dataclass(frozen=True, slots=True)
class Items:
    """What is wanted of some leaves. `rows` ascend in inodes and extents."""

    inodes: InodeRecords
    links: Links
    extents: Extents


def extents(flat: U8, heads: Heads) -> Extents:
    """EXTENT_DATA of real extents, preallocated ones included. Refuses what the kernel's tree checker refuses."""
    _at_least(heads, _HEAD.itemsize)
    whole = heads.sizes == _EXTENT.itemsize
    if not whole.all():
        _inline(gathered(flat, heads.starts[~whole], _HEAD), heads.sizes[~whole], heads.offsets[~whole])
        heads = heads.of(whole)
    found = gathered(flat, heads.starts, _EXTENT)
    inline, addresses = found["type"] == _INLINE, found["address"].astype(np.uint64)
    real = ~inline & (addresses != 0)
    if not real.all():
        _inline(found[inline], heads.sizes[inline], heads.offsets[inline])
        found, addresses, heads = found.view(_RAW_EXTENT)[real].view(_EXTENT), addresses[real], heads.of(real)
    disk, starts, lengths = (found[name].astype(np.uint64) for name in ("disk", "offset", "length"))
    compressed = found["compression"] != 0
    _plausible(found, compressed, (addresses, disk, starts, lengths))
    ram = found["ram"] * compressed if compressed.any() else np.zeros(len(found), np.uint64)
    return Extents(heads.rows, heads.objectids, addresses, disk, ram, starts, lengths)


def _inline(found: NDArray[np.void], sizes: NDArray[np.integer], offsets: U64) -> None:
    """What lies in the item itself is a file's beginning, and fills it unless it is compressed."""
    fits = (found["ram"] == (sizes - _HEAD.itemsize).astype(np.uint64)) | (found["compression"] != 0)
    if ((found["type"] != _INLINE) | ~fits | (offsets != 0)).any():
        raise Malformed("an extent item that is neither inline nor whole")


def _plausible(found: NDArray[np.void], compressed: NDArray[np.bool_], sizes: tuple[U64, U64, U64, U64]) -> None:
    """`sizes`: address, disk, offset and length of each."""
    _, disk, starts, lengths = sizes
    odd = (found["type"] > _PREALLOCATED).any() or (found["compression"] > _ZSTD).any() or not disk.all()
    odd = odd or found["encryption"].any() or found["encoding"].any() or not found["ram"][compressed].all()
    if odd or any(int(np.bitwise_or.reduce(column, initial=0)) >> _MOST for column in sizes):
        raise Malformed("an extent item that no kernel writes")
    if ((starts + lengths > disk) & ~compressed).any():
        raise Malformed("a file uses more of an extent than there is")


def inodes(flat: U8, heads: Heads) -> InodeRecords:
    """INODE_ITEM."""
    _at_least(heads, _INODE.itemsize)
    found = gathered(flat, heads.starts, _INODE)
    form = found["mode"] & _FORMAT
    if not _FORMATS[form >> 12].all():
        raise Malformed("an inode of no kind")
    files = form == _FILE
    size, taken, made_in = (found[name].astype(np.uint64) for name in ("size", "taken", "generation"))
    size *= files | (form == _LINK)
    taken *= files
    return InodeRecords(heads.rows, heads.objectids, size, taken, made_in)


def links(flat: U8, near: Heads, far: Heads) -> Links:
    """INODE_REF, whose key names the directory, and INODE_EXTREF, whose data does."""
    _at_least(far, _PARENT.itemsize)
    parents = gathered(flat, far.starts, _PARENT)["parent"].astype(np.uint64)
    return Links(
        rows=np.concatenate((near.rows, far.rows)),
        inodes=np.concatenate((near.objectids, far.objectids)),
        parents=np.concatenate((near.offsets, parents)),
        ranks=np.repeat(np.array([0, 1], np.uint8), [len(near.rows), len(far.rows)]),
    )


def gathered(flat: U8, places: I64, kind: np.dtype[np.void]) -> NDArray[np.void]:
    """Structs at these places, aligned or not: one copy for all their fields."""
    width = kind.itemsize
    if not len(places):
        return np.empty(0, kind)
    if int(places.min()) < 0 or int(places.max()) + width > len(flat):
        raise Malformed("an item reaches beyond what was read")
    windows = np.ndarray((len(flat) - width + 1,), np.dtype((np.void, width)), flat.data, 0, (1,))
    return windows[places].view(kind)


def _at_least(heads: Heads, size: int) -> None:
    if (heads.sizes < size).any():
        raise Malformed(f"an item is shorter than its {size} bytes")


# What stands in trees with files, up to Linux 6.18: inodes, names, attributes, verity, orphans, extents.
_FILE_TYPES = np.zeros(256, np.bool_)
_FILE_TYPES[[1, 12, 13, 24, 36, 37, 48, 60, 72, 84, 96, 108]] = True
# In the root tree besides: roots, their references, what a balance notes.
_ROOT_TYPES = (ioctl.ROOT_ITEM, ioctl.ROOT_BACKREF, ioctl.ROOT_REF, 248, 249)
_FREE_SPACE = (2**64 - 11, 0)  # object and type of the old cache's heads, in the root tree
_OWNER = np.dtype([("owner", "<u8")])


class Leaves:
    def __init__(self, blocks: U8, slots: Slots) -> None:
        self._flat = blocks.reshape(-1)
        self._size = blocks.shape[1]
        self._slots = slots
        self._rows = slots.rows
        strange = ~_FILE_TYPES[slots.kinds]
        if strange.any():
            self._check(np.flatnonzero(strange))

    def _check(self, at: I64) -> None:
        kinds, objectids = self._slots.kinds[at], self._slots.ids[at]
        roots = np.isin(kinds, _ROOT_TYPES)
        roots |= (objectids == _FREE_SPACE[0]) & (kinds == _FREE_SPACE[1])
        owners = gathered(self._flat, self._rows[at] * self._size + 88, _OWNER)["owner"]
        unknown = ~roots | (owners != ioctl.ROOT_TREE)
        if unknown.any():
            raise Malformed(f"an item of unknown type {int(kinds[unknown][0])}")

    def items(self, named: NDArray[np.bool_]) -> Items:
        """With the names in those blocks that are `named`."""
        return Items(
            inodes(self._flat, self._heads(ioctl.INODE_ITEM)),
            links(self._flat, self._heads(ioctl.INODE_REF, named), self._heads(ioctl.INODE_EXTREF, named)),
            extents(self._flat, self._heads(ioctl.EXTENT_DATA)),
        )

    def spans(self) -> tuple[U64, U64]:
        """The object ids of each block's first and last item; of an empty block, any."""
        behind = np.cumsum(self._slots.counts)
        ids = np.append(self._slots.ids, np.uint64(0))
        return ids[behind - self._slots.counts], ids[np.maximum(behind - 1, 0)]

    def _heads(self, kind: int, wanted: NDArray[np.bool_] | None = None) -> Heads:
        if wanted is not None and not wanted.any():
            return NO_HEADS
        at = np.flatnonzero(self._slots.kinds == kind)
        if wanted is not None:
            at = at[wanted[self._rows[at]]]
        rows = self._rows[at]
        return Heads(
            rows=rows,
            objectids=self._slots.ids[at],
            offsets=self._slots.offsets[at],
            starts=rows * self._size + HEADER_BYTES + self._slots.places[at],
            sizes=self._slots.sizes[at],
        )
