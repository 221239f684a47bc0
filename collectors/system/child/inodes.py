"""Proof that nothing in a tree has changed: the inodes of a mounted ext4 as they stand in its tables on the device.

Whatever changes what a file or a directory takes sets its time of change to the present, and no call sets it to
anything else. So a tree whose inodes all bear the times that they bore when it was measured takes what it took then,
and reading tables in one go costs a hundredth of asking for each file. A mounted ext4 keeps its tables in the page
cache of its device, so they are read as they are now. Layout: fs/ext4/ext4.h. Refuses whatever it does not fully
understand, kinds whose descriptors lie elsewhere too, and trees that were changing when they were measured: those are
walked again.
"""

from __future__ import annotations

import _thread
import errno
import os
import struct
import zlib
from array import array

TYPE_CHECKING = False

_SUPERBLOCK, _SUPERBLOCK_BYTES = 1024, 1024
_MAGIC = 0xEF53
_BITS_64, _META_BG, _JOURNAL_DEVICE = 0x80, 0x10, 0x8  # incompat


class InodeTableLayout:
    """Offsets in bytes of each group's table."""

    __slots__ = ("inode_bytes", "inodes_per_group", "tables")

    def __init__(self, inode_bytes: int, inodes_per_group: int, tables: list[int]) -> None:
        self.inode_bytes = inode_bytes
        self.inodes_per_group = inodes_per_group
        self.tables = tables

    def offset_of(self, inode: int) -> int:
        """Where an inode stands on the device."""
        group, place = divmod(inode - 1, self.inodes_per_group)
        return self.tables[group] + place * self.inode_bytes


def ext_layout(device: int) -> InodeTableLayout | None:
    """Read it from the device; None for anything but a plain ext4 whose pages hold whole inodes."""
    try:
        block = os.pread(device, _SUPERBLOCK_BYTES, _SUPERBLOCK)
        if len(block) < _SUPERBLOCK_BYTES or struct.unpack_from("<H", block, 0x38)[0] != _MAGIC:
            return None
        incompat = _word(block, 0x60)
        block_bytes = 1024 << _word(block, 0x18)
        inode_bytes = struct.unpack_from("<H", block, 0x58)[0] if _word(block, 0x4C) else 128
        per_group = _word(block, 0x28)
        descriptor_bytes = struct.unpack_from("<H", block, 0xFE)[0] if incompat & _BITS_64 else 32
        blocks = _word(block, 0x04) | (_word(block, 0x150) << 32 if incompat & _BITS_64 else 0)
        groups = -(-(blocks - _word(block, 0x14)) // _word(block, 0x20))
        odd = incompat & (_META_BG | _JOURNAL_DEVICE) or 4096 % inode_bytes or per_group * inode_bytes % 4096
        if odd or block_bytes < 4096 or descriptor_bytes not in (32, 64):
            return None
        descriptors = os.pread(device, groups * descriptor_bytes, (_word(block, 0x14) + 1) * block_bytes)
    except (OSError, struct.error, ZeroDivisionError):
        return None
    if len(descriptors) != groups * descriptor_bytes:
        return None
    tables = []
    for at in range(0, len(descriptors), descriptor_bytes):
        table = _word(descriptors, at + 0x08)
        if descriptor_bytes == 64:
            table |= _word(descriptors, at + 0x28) << 32
        tables.append(table * block_bytes)
    return InodeTableLayout(inode_bytes, per_group, tables)


def _word(data: bytes, offset: int) -> int:
    return int(struct.unpack_from("<I", data, offset)[0])


# not threading, which takes longer to load than the second thread saves


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeAlias

    # where inodes stand on the device, adjoining ones together: (offset, bytes)
    Runs: TypeAlias = tuple[tuple[int, int], ...]
    # and a checksum of what they read as
    Proof: TypeAlias = tuple[Runs, int]

_PAGE = 4096
_WINDOW = 1 << 17  # read at once; fits into the processor's cache
# Words of 32 bits in an inode. The time of access is not among them: reading changes nothing. Blocks are beside the
# time of change for the day on which somebody sets the clock back.
_CTIME, _BLOCKS, _CTIME_EXTRA = 3, 7, 33
_SHORT = 1 << 14
_LEAST_INODES = 64  # fewer are walked as quickly
_QUIET_S = 3  # changes have to lie this far back: the kernel's clock is coarse, and two may bear one time
_ALONE = 4 << 20  # bytes of tables that are worth a second thread


class InodeTables:
    """Reads through the descriptor `device`; `layout` says where the tables are."""

    def __init__(self, device: int, layout: InodeTableLayout) -> None:
        self.device = device
        self.layout = layout

    def prove(self, inodes: array[int], blocks: int, measured_from: float) -> Proof | None:
        """What holds as long as none of `inodes` changes; None where that cannot be promised.

        They were counted as `blocks` blocks of 512 bytes, not before `measured_from` (Unix seconds). Raises OSError.
        """
        if len(inodes) < _LEAST_INODES:
            return None
        runs = tuple(self._runs(sorted(inodes)))
        reader = self._reader()
        total, newest = reader.blocks_and_newest(runs)
        # They have to agree with what was counted, or these are not the tables that we take them for.
        if total != blocks or newest >= int(measured_from) - _QUIET_S:
            return None
        return runs, reader.checksum(runs)

    def holding(self, proofs: Sequence[Proof]) -> list[bool]:
        """Of each, whether everything still reads as it did. What cannot be read does not hold."""
        found = [False] * len(proofs)
        weights = [sum(count for _, count in runs) for runs, _ in proofs]
        # The largest first; each goes to the thread that asks for it first.
        todo = iter(sorted(range(len(proofs)), key=weights.__getitem__, reverse=True))

        def check() -> None:
            reader = self._reader()
            for index in todo:
                runs, expected = proofs[index]
                try:
                    found[index] = reader.checksum(runs) == expected
                except OSError:
                    continue

        if sum(weights) < _ALONE or len(os.sched_getaffinity(0)) < 2:
            check()
        else:
            _beside(check)
        return found

    def _reader(self) -> _Reader:
        return _Reader(self.device, self.layout.inode_bytes)

    def _runs(self, inodes: Iterable[int]) -> Iterator[tuple[int, int]]:
        size, per_group = self.layout.inode_bytes, self.layout.inodes_per_group
        begin = after = -1  # the first inode of a run, and what would come next
        for inode in inodes:
            if inode == after and after % per_group != 1:  # else the table of another group begins
                after += 1
                continue
            if begin >= 0:
                yield self.layout.offset_of(begin), (after - begin) * size
            begin, after = inode, inode + 1
        yield self.layout.offset_of(begin), (after - begin) * size


class _Reader:
    """Reads runs of inodes, through a window of its own."""

    def __init__(self, device: int, inode_bytes: int) -> None:
        self._device = device
        self._words = inode_bytes // 4
        self._more = (_BLOCKS, _CTIME_EXTRA) if inode_bytes > 128 else (_BLOCKS,)
        self._bytes = memoryview(bytearray(_WINDOW))
        self._view = self._bytes.cast("I")
        self._begin = self._end = 0  # of what is in the window

    def blocks_and_newest(self, runs: Runs) -> tuple[int, int]:
        """Blocks of 512 bytes of all of them, and the latest time of change in Unix seconds. Raises OSError."""
        total = newest = 0
        for part in self._parts(runs):
            total += sum(part[_BLOCKS :: self._words].tolist())
            newest = max(newest, *part[_CTIME :: self._words].tolist(), 0)
        return total, newest

    def checksum(self, runs: Runs) -> int:
        """Of times of change in the upper half, of the rest in the lower. Raises OSError."""
        self._begin = self._end = 0  # nothing from an earlier look
        low = high = 0
        words = self._words
        for part in self._gathered(runs):
            high = zlib.crc32(part[_CTIME::words].tobytes(), high)  # one other word among them cannot go unseen
            for word in self._more:
                low = zlib.crc32(part[word::words].tobytes(), low)
        return high << 32 | low

    def _gathered(self, runs: Runs) -> Iterator[memoryview[int]]:
        """As `_parts`, short ones put together: of scattered inodes, handling each costs more than reading."""
        short: list[bytes] = []
        room = _WINDOW
        for part in self._parts(runs):
            if part.nbytes < _SHORT:
                short.append(part.tobytes())
                room -= part.nbytes
                if room > 0:
                    continue
            if short:
                yield memoryview(b"".join(short)).cast("I")
                short, room = [], _WINDOW
            if part.nbytes >= _SHORT:
                yield part
        if short:
            yield memoryview(b"".join(short)).cast("I")

    def _parts(self, runs: Runs) -> Iterator[memoryview[int]]:
        """The inodes of these runs, a window or less at a time."""
        for offset, count in runs:
            end = offset + count
            while offset < end:
                if not self._begin <= offset < self._end:
                    self._read(offset)
                upto = min(end, self._end)
                yield self._view[(offset - self._begin) // 4 : (upto - self._begin) // 4]
                offset = upto

    def _read(self, offset: int) -> None:
        self._begin = offset - offset % _PAGE
        got = os.preadv(self._device, [self._bytes], self._begin)
        self._end = self._begin + got - got % _PAGE
        if self._end <= offset:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


def _beside(work: Callable[[], None]) -> None:
    """Run `work` in two threads at once; what it does most, reading and sums, leaves the interpreter to the other."""
    ended = _thread.allocate_lock()
    ended.acquire()

    def helper() -> None:
        try:
            work()
        finally:
            ended.release()

    _thread.start_new_thread(helper, ())
    work()
    ended.acquire()


def open_tables(path: bytes, number: tuple[int, int]) -> InodeTables | None:
    """The tables of the ext4 on device `number` (major, minor) with the node `path`; None if they cannot be used."""
    try:
        device = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    layout = ext_layout(device) if os.fstat(device).st_rdev == os.makedev(*number) else None
    if layout is None:
        os.close(device)
        return None
    return InodeTables(device, layout)
