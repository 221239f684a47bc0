"""Tree blocks from the devices: each read once, checked against its pointer, taken from another copy where that fails.

A committed block is never changed in place: its address and generation name its content for good. What is read later
than the next two commits may have been overwritten, and then carries a later generation; a block that is caught half
overwritten has a wrong checksum. So whatever passes is the committed block, however long the walk takes.
"""

from __future__ import annotations

import mmap
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from collectors.filesystems.btrfs import ioctl
from collectors.filesystems.btrfs.ioctl import HEADER_BYTES, ITEM_BYTES, POINTER_BYTES
from collectors.filesystems.btrfs.trees import chunk_map
from collectors.filesystems.btrfs.trees.chunk_map import BtrfsSuperblock, ChunkMap, Stale
from collectors.filesystems.btrfs.trees.device import Devices

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]
T = TypeVar("T")

_BATCH_BYTES = 8 << 20
_DECODERS = 2  # batches in work at once: most of it is numpy, which lets others run
_RUN_BYTES = 1 << 20  # of one read
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

    def many(self, pointers: Iterable[Pointer], level: int) -> dict[Pointer, bytes]:
        """Some blocks of one level, few enough to be kept."""
        ordered = sorted(pointers)
        if not ordered:
            return {}
        columns = [np.array(column, np.uint64) for column in zip(*ordered, strict=True)]
        buffer = memoryview(mmap.mmap(-1, len(ordered) * self._size))
        blocks = self._filled(buffer, Pointers(columns[0], columns[1], columns[3], level))
        return {pointer: block.tobytes() for pointer, block in zip(ordered, blocks, strict=True)}

    def batches(self, wanted: Pointers, decoded: Callable[[slice, U8], T]) -> Iterator[tuple[slice, T]]:
        """(which of `wanted`, what `decoded` makes of those blocks), in order.

        The next batches are read, checked and decoded in threads while the caller works on this one. The array (blocks
        × bytes) that `decoded` is given is only valid during the call.
        """
        count = len(wanted.addresses)
        step = _BATCH_BYTES // self._size
        parts = [slice(at, min(at + step, count)) for at in range(0, count, step)]
        buffers: SimpleQueue[memoryview] = SimpleQueue()
        for _ in parts[:_DECODERS]:
            buffers.put(memoryview(mmap.mmap(-1, min(step, count) * self._size)))

        def work(part: slice) -> T:
            buffer = buffers.get()
            try:
                return decoded(part, self._filled(buffer, wanted.of(part)))
            finally:
                buffers.put(buffer)

        with ThreadPoolExecutor(_DECODERS, "btrfs decode") as decoders:
            coming: deque[tuple[slice, Future[T]]] = deque()
            try:
                for part in parts:
                    coming.append((part, decoders.submit(work, part)))
                    if len(coming) > _DECODERS:
                        done, found = coming.popleft()
                        yield done, found.result()
                for done, found in coming:
                    yield done, found.result()
            finally:
                for _, found in coming:
                    found.cancel()

    def _filled(self, buffer: memoryview, wanted: Pointers) -> U8:
        size, count = self._size, len(wanted.addresses)
        devids, places = self.chunks.locate(wanted.addresses, 0)
        together = (np.diff(devids) == 0) & (np.diff(wanted.addresses) == size) & (np.diff(places) == size)
        starts = np.flatnonzero(np.concatenate(([True], ~together)))
        runs: list[tuple[int, int, int, int]] = []
        most = max(1, _RUN_BYTES // size)
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), count], strict=True):
            for at in range(start, end, most):
                runs.append((int(devids[at]), int(places[at]), at * size, min(at + most, end) * size))
        self._read(buffer, runs)
        self.read_count += count
        blocks = np.frombuffer(buffer, np.uint8, count * size).reshape(count, size)
        for row in np.flatnonzero(~sound(blocks, wanted, self.top)).tolist():
            self._mend(buffer[row * size : (row + 1) * size], wanted.of(slice(row, row + 1)))
        return blocks

    def _read(self, buffer: memoryview, runs: list[tuple[int, int, int, int]]) -> None:
        def work(mine: list[tuple[int, int, int, int]]) -> None:
            for devid, place, start, end in mine:
                with suppress(OSError):  # a bad sector, a missing device: found out below, block by block
                    self._devices.read(devid, place, [buffer[start:end]])

        if len(runs) == 1:
            work(runs)
            return
        for _ in self._readers.map(work, [runs[n::READERS] for n in range(min(READERS, len(runs)))]):
            pass

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
            if sound(np.frombuffer(row, np.uint8).reshape(1, self._size), wanted, self.top)[0]:
                return
        if failure is not None:
            raise failure
        raise Stale(f"block {address} of level {wanted.level} is no longer what generation {self.top.generation} left")


def sound(blocks: U8, wanted: Pointers, top: BtrfsSuperblock) -> NDArray[np.bool_]:
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
    return np.asarray(good & chunk_map.right(blocks, top.checksum) & orderly(blocks, count, wanted.level))


def _unaligned(blocks: U8, at: int, kind: str) -> NDArray[np.uint64]:
    width = int(kind[-1])
    return np.ascontiguousarray(blocks[:, at : at + width]).view(kind).ravel()


Counts = NDArray[np.unsignedinteger]
Verdicts = NDArray[np.bool_]

_TYPE_AT, _OFFSET_AT, _PLACE_AT, _SIZE_AT = 8, 9, 17, 21


def orderly(blocks: U8, counts: Counts, level: int) -> Verdicts:
    """For each row, of which `counts` says how many items or pointers it has; more than there is room for are wrong."""
    step = POINTER_BYTES if level else ITEM_BYTES
    room = blocks.shape[1] - HEADER_BYTES
    good = counts <= room // step
    most = int(counts[good].max(initial=0))
    if not most:
        return np.asarray(good)
    missing = np.arange(1, most) >= counts[:, None]  # of all but the first
    ids = _column(blocks, most, step, 0, "<u8")
    kinds = _column(blocks, most, step, _TYPE_AT, "u1")
    offsets = _column(blocks, most, step, _OFFSET_AT, "<u8")
    rises = kinds[:, 1:] == kinds[:, :-1]
    rises &= offsets[:, 1:] > offsets[:, :-1]
    rises |= kinds[:, 1:] > kinds[:, :-1]
    rises &= ids[:, 1:] == ids[:, :-1]
    rises |= ids[:, 1:] > ids[:, :-1]
    good &= (rises | missing).all(axis=1)
    return np.asarray(good if level else good & _packed(blocks, counts, most, room, missing))


def _packed(blocks: U8, counts: Counts, most: int, room: int, missing: Verdicts) -> Verdicts:
    """The data of a leaf's first item ends with the leaf, and each further item's where the one before begins."""
    places = _column(blocks, most, ITEM_BYTES, _PLACE_AT, "<u4")
    ends = places + _column(blocks, most, ITEM_BYTES, _SIZE_AT, "<u4")
    # Places that never rise leave no room for a sum that wraps.
    packed = (ends[:, 1:] == places[:, :-1]) & (places[:, 1:] <= places[:, :-1])
    good = (packed | missing).all(axis=1) & (ends[:, 0] == room) & (places[:, 0] <= room)
    last = np.clip(counts, 1, most).astype(np.int64) - 1
    good &= places[np.arange(len(blocks)), last] >= counts * np.uint64(ITEM_BYTES)
    return np.asarray(good | (counts == 0))


def _column(blocks: U8, most: int, step: int, at: int, kind: str) -> NDArray[np.unsignedinteger]:
    """One field of the first so many items of each block, with a copy that is aligned."""
    strides = (blocks.strides[0], step)
    return np.ndarray((len(blocks), most), kind, blocks.data, HEADER_BYTES + at, strides).copy()
