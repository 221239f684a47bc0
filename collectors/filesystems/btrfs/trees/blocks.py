"""Tree blocks from the devices: each read once, checked against its pointer, taken from another copy where that fails.

A committed block is never changed in place: its address and generation name its content for good. What is read later
than the next two commits may have been overwritten, and then carries a later generation; a block that is caught half
overwritten has a wrong checksum. So whatever passes is the committed block, however long the walk takes.
"""

from __future__ import annotations

import mmap
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import cycle, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from collectors.filesystems.btrfs import ioctl
from collectors.filesystems.btrfs.ioctl import HEADER_BYTES, ITEM_BYTES, POINTER_BYTES
from collectors.filesystems.btrfs.trees import chunk_map
from collectors.filesystems.btrfs.trees.chunk_map import BtrfsSuperblock, ChunkMap, Stale
from collectors.filesystems.btrfs.trees.device import Devices
from collectors.model import dataclass

I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]
Verdicts = NDArray[np.bool_]
Reading = Sequence[Future[None]]

_BATCH_BYTES = 4 << 20
_AHEAD = 3  # batches: one in work, the others being read
_RUN_BLOCKS = 256  # that one read reaches over, and so its most pieces: the kernel takes 1,024
_GAP_BYTES = 1 << 16  # what is not wanted is read with what lies around it
READERS = 8  # requests in flight


class Pointer(NamedTuple):
    """Where a block is and what it must be. `owner` 0: any subvolume, because snapshots share blocks."""

    address: int
    generation: int
    level: int
    owner: int


class Pointers(NamedTuple):
    """Many blocks of one level, in ascending order of address."""

    addresses: U64
    generations: U64
    owners: U64
    level: int

    def of(self, part: slice) -> Pointers:
        """Some of them."""
        return Pointers(self.addresses[part], self.generations[part], self.owners[part], self.level)


class Blocks:
    """Reads blocks of one committed generation. Raises Stale where every copy of a block fails its checks."""

    def __init__(self, devices: Devices, top: BtrfsSuperblock, chunks: ChunkMap, readers: ThreadPoolExecutor) -> None:
        self.top = top
        self.chunks = chunks
        self.read_count = 0
        self._devices = devices
        self._readers = readers
        self._size = top.node_bytes
        self._skipped = memoryview(mmap.mmap(-1, _GAP_BYTES))  # nobody looks at what is read there

    def many(self, pointers: Iterable[Pointer], level: int) -> dict[Pointer, bytes]:
        """Some blocks of one level, few enough to be kept."""
        ordered = sorted(pointers)
        if not ordered:
            return {}
        columns = [np.array(column, np.uint64) for column in zip(*ordered, strict=True)]
        buffer = memoryview(mmap.mmap(-1, len(ordered) * self._size))
        wanted = Pointers(columns[0], columns[1], columns[3], level)
        blocks, _ = self._checked(buffer, wanted, self._reading(buffer, wanted))
        return {pointer: block.tobytes() for pointer, block in zip(ordered, blocks, strict=True)}

    def batches(self, wanted: Pointers) -> Iterator[tuple[slice, U8, Slots]]:
        """(which of `wanted`, these blocks as an array blocks × bytes, what they hold), in order.

        The next ones are read in threads while the caller works on these. The array is only valid until then.
        """
        count = len(wanted.addresses)
        step = _BATCH_BYTES // self._size
        parts = [slice(at, at + step) for at in range(0, count, step)]
        buffers = [memoryview(mmap.mmap(-1, min(step, count) * self._size)) for _ in parts[:_AHEAD]]
        coming: deque[tuple[slice, memoryview, Reading]] = deque()
        for part, buffer in zip(parts, cycle(buffers), strict=False):
            coming.append((part, buffer, self._reading(buffer, wanted.of(part))))
            if len(coming) == _AHEAD:
                yield self._taken(wanted, *coming.popleft())
        while coming:
            yield self._taken(wanted, *coming.popleft())

    def _taken(self, wanted: Pointers, part: slice, buffer: memoryview, reading: Reading) -> tuple[slice, U8, Slots]:
        return part, *self._checked(buffer, wanted.of(part), reading)

    def _reading(self, buffer: memoryview, wanted: Pointers) -> Reading:
        """Begin to read these blocks one after the other into the buffer."""
        size, count = self._size, len(wanted.addresses)
        self.read_count += count
        devids, places = self.chunks.locate(wanted.addresses, 0)
        gaps = np.diff(places.astype(np.int64)) - size
        apart = (np.diff(devids) != 0) | (gaps < 0) | (gaps > _GAP_BYTES)
        apart |= np.diff(places // np.uint64(_RUN_BLOCKS * size)) != 0
        cuts = [0, *(np.flatnonzero(apart) + 1).tolist(), count]

        def read(start: int, end: int) -> None:
            into, at = list[memoryview](), start
            for last in (np.flatnonzero(gaps[start : end - 1]) + start).tolist():
                into += [buffer[at * size : (last + 1) * size], self._skipped[: int(gaps[last])]]
                at = last + 1
            into.append(buffer[at * size : end * size])
            with suppress(OSError):  # a bad sector, a missing device: found out when blocks are checked
                self._devices.read(int(devids[start]), int(places[start]), into)

        return [self._readers.submit(read, start, end) for start, end in pairwise(cuts)]

    def _checked(self, buffer: memoryview, wanted: Pointers, reading: Reading) -> tuple[U8, Slots]:
        """The blocks that are being read into the buffer; each that is not as its pointer says, from another copy."""
        size, count = self._size, len(wanted.addresses)
        for part in reading:
            part.result()
        blocks = np.frombuffer(buffer, np.uint8, count * size).reshape(count, size)
        slots = Slots.of(blocks, wanted.level)
        wrong = np.flatnonzero(~sound(blocks, slots, wanted, self.top)).tolist()
        for row in wrong:
            self._mend(buffer[row * size : (row + 1) * size], wanted.of(slice(row, row + 1)))
        return blocks, Slots.of(blocks, wanted.level) if wrong else slots

    def _mend(self, row: memoryview, wanted: Pointers) -> None:
        """Read one block again, from each copy until one is right. Raises OSError where none can be read."""
        address = int(wanted.addresses[0])
        failure: OSError | None = None
        for copy in range(self.chunks.copies(address)):
            devids, places = self.chunks.locate(wanted.addresses, copy)
            self.read_count += 1
            try:
                self._devices.read(int(devids[0]), int(places[0]), [row])
            except OSError as error:
                failure = error
                continue
            block = np.frombuffer(row, np.uint8).reshape(1, self._size)
            if sound(block, Slots.of(block, wanted.level), wanted, self.top)[0]:
                return
        if failure is not None:
            raise failure
        raise Stale(f"block {address} of level {wanted.level} is no longer what generation {self.top.generation} left")


def sound(blocks: U8, slots: Slots, wanted: Pointers, top: BtrfsSuperblock) -> NDArray[np.bool_]:
    """For each block, whether address, filesystem, generation, level, owner, checksum and inner order are right."""
    quads = blocks.view("<u8")
    own = np.zeros(len(blocks), np.bool_)
    for fsid in (top.metadata_fsid, *top.seed_fsids):
        first, second = np.frombuffer(fsid, "<u8")
        own |= (quads[:, 4] == first) & (quads[:, 5] == second)
    owner = _unaligned(blocks, 88, "<u8")
    level = blocks[:, 100]
    count = _unaligned(blocks, 96, "<u4")
    shared = (owner == ioctl.TOP_LEVEL) | ((owner >= ioctl.FIRST_SUBVOLUME) & (owner <= ioctl.LAST_SUBVOLUME))
    shared |= (owner == ioctl.DATA_RELOC_TREE) | (owner == ioctl.TREE_RELOC)
    good = own & (quads[:, 6] == wanted.addresses) & (quads[:, 10] == wanted.generations)
    good &= np.where(wanted.owners == 0, shared, owner == wanted.owners)
    good &= (level == wanted.level) & ((count > 0) | (wanted.level == 0))
    return np.asarray(good & slots.orderly() & chunk_map.right(blocks, top.checksum))


def _unaligned(blocks: U8, at: int, kind: str) -> NDArray[np.uint64]:
    width = int(kind[-1])
    return np.ascontiguousarray(blocks[:, at : at + width]).view(kind).ravel()


_POINTER = np.dtype(
    {
        "names": ["ids", "kinds", "offsets"],
        "formats": ["<u8", "u1", "<u8"],
        "offsets": [0, 8, 9],
        "itemsize": POINTER_BYTES,
    }
)
_ITEM = np.dtype([("ids", "<u8"), ("kinds", "u1"), ("offsets", "<u8"), ("places", "<u4"), ("sizes", "<u4")])


@dataclass(frozen=True, slots=True)
class Slots:
    """The items of some leaves, one leaf after the other; or the pointers of nodes, which have keys alone."""

    counts: I64  # in each block; more than there is room for are none
    fits: Verdicts
    room: int  # bytes of a block behind its header
    ids: U64
    kinds: U8
    offsets: U64
    places: U32  # of their data, behind the header
    sizes: U32

    @classmethod
    def of(cls, blocks: U8, level: int) -> Slots:
        """All that the headers count."""
        counts = _unaligned(blocks, 96, "<u4").astype(np.int64)
        kind = _POINTER if level else _ITEM
        room = blocks.shape[1] - HEADER_BYTES
        fits = counts <= room // kind.itemsize
        counts[~fits] = 0
        most = int(counts.max(initial=0))
        raw, strides = np.dtype((np.void, kind.itemsize)), (blocks.strides[0], kind.itemsize)
        table = np.ndarray((len(blocks), most), raw, blocks.data, HEADER_BYTES, strides)
        packed = table[np.arange(most, dtype=np.int32) < counts.astype(np.int32)[:, None]].view(kind)
        ids, kinds, offsets = (packed[name].copy() for name in ("ids", "kinds", "offsets"))
        places, sizes = (np.empty(0, np.uint32) if level else packed[name].copy() for name in ("places", "sizes"))
        return cls(counts, fits, room, ids, kinds, offsets, places, sizes)

    @property
    def rows(self) -> I64:
        """The block of each."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def orderly(self) -> Verdicts:
        """For each block, whether keys rise, and the data of items lies side by side from the end of the block on."""
        behind = np.cumsum(self.counts)
        follows = self._rise()
        if len(self.places):
            follows &= self._adjoin()
        firsts = behind[(behind > 0) & (behind < len(self.ids))]
        follows[firsts - 1] = True  # of the next block
        good = self.fits.copy()
        good[np.searchsorted(behind, np.flatnonzero(~follows) + 1, "right")] = False
        return good & self._fill(behind) if len(self.places) else good

    def _rise(self) -> Verdicts:
        """For each but the first, whether its key is behind that of the one before."""
        rises: Verdicts = self.kinds[1:] == self.kinds[:-1]
        rises &= self.offsets[1:] > self.offsets[:-1]
        rises |= self.kinds[1:] > self.kinds[:-1]
        rises &= self.ids[1:] == self.ids[:-1]
        rises |= self.ids[1:] > self.ids[:-1]
        return rises

    def _adjoin(self) -> Verdicts:
        """For each item but the first, whether its data ends where that of the one before begins."""
        # Places that never rise leave no room for a sum that wraps.
        adjoin: Verdicts = self.places[1:] + self.sizes[1:] == self.places[:-1]
        adjoin &= self.places[1:] <= self.places[:-1]
        return adjoin

    def _fill(self, behind: I64) -> Verdicts:
        """For each leaf, whether its first item's data ends with the leaf, and none begins among the items."""
        some = self.counts > 0
        first, last = (behind - self.counts)[some], behind[some] - 1
        good = np.ones(len(some), np.bool_)
        good[some] = (self.places[first] + self.sizes[first] == self.room) & (self.places[first] <= self.room)
        good[some] &= self.places[last] >= self.counts[some] * ITEM_BYTES
        return good
