"""Proof that nothing in a tree has changed: its inodes, as an ext4's tables hold them or the kernel lists an XFS's.

Whatever changes what a file or a directory takes sets its time of change to the present, and no call sets it to
anything else. So a tree whose inodes all bear the times that they bore when it was measured takes what it took then,
and reading inodes in one go costs a tenth of asking for each file, or less. Refuses trees that were changing when they
were measured, and whatever does not read as it was counted: those are walked again.

A mounted ext4 keeps its tables in the page cache of its device. An XFS does not: its kernel lists inodes as they are in
memory (Linux ≥ 5.5, CAP_SYS_ADMIN), but blocks of a short link's or directory's attributes: those are never proved.
"""

from __future__ import annotations

import _thread  # not threading, which takes longer to load than the second thread saves
import ctypes
import os
import struct
import sys
import zlib
from bisect import bisect_left

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeAlias

    # adjoining inodes together: (offset, bytes) on the device of an ext4, (first inode, how many) of an XFS; and a
    # checksum of what they read as
    Runs: TypeAlias = tuple[tuple[int, int], ...]
    Proof: TypeAlias = tuple[Runs, int]

_SHORT = 1 << 14
_WINDOW = 1 << 17  # read or put together at once; fits into the processor's cache
_PAGE = 4096
_LEAST_INODES = 64  # fewer are walked as quickly
_QUIET_S = 3  # changes have to lie this far back: the kernel's clock is coarse, and two may bear one time


class InodeReader:
    """Reads runs of inodes. Which words of 32 bits of each tell what:

    The time of access is not among them: reading changes nothing. Blocks are beside the time of change for the day on
    which somebody sets the clock back, and for what the kernel gives to a file, or takes from it, by itself.
    """

    words: int  # of an inode
    ctime: int
    ctime_extra: int  # its fractions, or where an inode has no room for them its first word
    blocks: int
    block_sectors = 1

    def _parts(self, runs: Runs) -> Iterator[memoryview[int]]:
        """The inodes of these runs in words, some at a time. Raises OSError."""
        raise NotImplementedError

    def measured(self, runs: Runs) -> tuple[int, int, int]:
        """Blocks of 512 bytes, the latest time of change in Unix seconds, and the checksum. Raises OSError."""
        total = newest = 0

        def count(part: memoryview[int]) -> memoryview[int]:
            nonlocal total, newest
            total += sum(part[self.blocks :: self.words].tolist()) * self.block_sectors
            newest = max(newest, *part[self.ctime :: self.words].tolist())
            return part

        checksum = self._checksum(map(count, self._gathered(runs)))
        return total, newest, checksum

    def checksum(self, runs: Runs) -> int:
        """The same of what was measured, however many inodes of others lie between these now. Raises OSError."""
        return self._checksum(self._gathered(runs))

    def _checksum(self, parts: Iterable[memoryview[int]]) -> int:
        sums = dict.fromkeys((self.ctime, self.ctime_extra, self.blocks), 0)
        for part in parts:
            for word in sums:
                sums[word] = zlib.crc32(part[word :: self.words].tobytes(), sums[word])
        ctime, extra, blocks = sums.values()  # one other word among them cannot go unseen
        return ctime << 64 | extra << 32 | blocks

    def _gathered(self, runs: Runs) -> Iterator[memoryview[int]]:
        """As `parts`, short ones put together: of scattered inodes, handling each costs more than reading."""
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


class TableReader(InodeReader):
    """Of the tables of an ext4, through a window of its own."""

    ctime, blocks = 3, 7

    def __init__(self, device: int, inode_bytes: int) -> None:
        self._device = device
        self.words = inode_bytes // 4
        self.ctime_extra = 33 if inode_bytes > 128 else 0
        self._bytes = memoryview(bytearray(_WINDOW))
        self._view = self._bytes.cast("I")

    def _parts(self, runs: Runs) -> Iterator[memoryview[int]]:
        begin = have = 0  # what is in the window: nothing from an earlier look
        for offset, count in runs:
            end = offset + count
            while offset < end:
                if not begin <= offset < have:
                    begin = offset - offset % _PAGE
                    got = os.preadv(self._device, [self._bytes], begin)
                    have = begin + got - got % _PAGE
                    if have <= offset:
                        raise OSError("a table that ends early")
                upto = min(end, have)
                yield self._view[(offset - begin) // 4 : (upto - begin) // 4]
                offset = upto


# XFS_IOC_BULKSTAT. struct xfs_bulk_ireq: first inode, flags, how many may come, how many came.
_BULKSTAT = 2 << 30 | 64 << 16 | ord("X") << 8 | 127
_HEAD, _HEAD_BYTES = struct.Struct("<QIII"), 64
_RECORD_BYTES, _LINKS, _MODE, _AT_ONCE = 192, 28, 33, 512  # struct xfs_bulkstat, in words
_libc = ctypes.CDLL(None, use_errno=True)


class BulkReader(InodeReader):
    """Of an XFS by what its kernel lists: inodes in use from one on, in order."""

    words, blocks, ctime, ctime_extra = _RECORD_BYTES // 4, 4, 12, 22

    def __init__(self, root: int, block_bytes: int) -> None:
        self._root = root
        self.block_sectors = block_bytes // 512
        self._reply = ctypes.create_string_buffer(_HEAD_BYTES + _AT_ONCE * _RECORD_BYTES)
        records = memoryview(self._reply).cast("B")[_HEAD_BYTES:]
        self._view = records.cast("I")
        self._inodes, self._blocks = (records.cast("Q")[place :: _RECORD_BYTES // 8] for place in (0, 2))

    def _parts(self, runs: Runs) -> Iterator[memoryview[int]]:
        found: list[int] = []  # the inodes of the last answer
        place = wanted = 0  # where the next one is sought there, and how many were of use
        for first, count in runs:
            end = first + count
            while first < end:
                place = bisect_left(found, first, place)
                if place == len(found):
                    # As many as this run has, or more where most of the last answer was of use.
                    found = self._listed(first, min(_AT_ONCE, max(end - first, 2 * wanted)))
                    place = wanted = 0
                these = found[place : place + end - first]
                if not these or (these[0], these[-1]) != (first, first + len(these) - 1):
                    raise FileNotFoundError("an inode that is no longer in use")
                yield self._view[place * self.words : (place + len(these)) * self.words]
                wanted += len(these)
                first += len(these)

    def plain_files(self, least_bytes: int, *, nameless: bool) -> Iterator[list[int]]:
        """Inodes of plain files that take so much (that no directory names), some at a time. Raises OSError."""
        found: list[int] = [0]
        least = -(-least_bytes // 512 // self.block_sectors)
        while found := self._listed(found[-1] + 1, _AT_ONCE):
            rows = zip(found, self._blocks, *(self._view[word :: self.words] for word in (_MODE, _LINKS)), strict=False)
            plain = [(inode, links) for inode, taken, mode, links in rows if taken >= least and mode & 0xF000 == 0x8000]
            yield [inode for inode, links in plain if not (nameless and links)]

    def _listed(self, first: int, count: int) -> list[int]:
        _HEAD.pack_into(self._reply, 0, first, 0, count, 0)
        if _libc.ioctl(self._root, ctypes.c_ulong(_BULKSTAT), self._reply) < 0:  # lets the other thread go on
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        *_, came = _HEAD.unpack_from(self._reply)
        return self._inodes[:came].tolist()


class InodeProofs:
    """Made and checked with what the inodes of a filesystem read as; `alone`: more is worth a second thread."""

    alone: int

    def _reader(self) -> InodeReader:
        raise NotImplementedError

    def _runs(self, inodes: list[int]) -> Iterator[tuple[int, int]]:
        raise NotImplementedError

    def prove(self, inodes: array[int], blocks: int, measured_from: float) -> Proof | None:
        """What holds as long as none of `inodes` changes; None where that cannot be promised.

        They were counted as `blocks` blocks of 512 bytes, not before `measured_from` (Unix seconds). Raises OSError.
        """
        if len(inodes) < _LEAST_INODES:
            return None
        runs = tuple(self._runs(sorted(inodes)))
        total, newest, checksum = self._reader().measured(runs)
        # They have to agree with what was counted, or these are not the inodes that we take them for.
        if total != blocks or newest >= int(measured_from) - _QUIET_S:
            return None
        return runs, checksum

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

        if sum(weights) < self.alone or len(os.sched_getaffinity(0)) < 2:
            check()
        else:
            _beside(check)
        return found


class TableProofs(InodeProofs):
    """Of an ext4, by a descriptor of its device; `offset_of` an inode, and so many in the table of a group."""

    alone = 4 << 20  # bytes of tables

    def __init__(self, device: int, inode_bytes: int, per_group: int, offset_of: Callable[[int], int]) -> None:
        self._device, self._inode_bytes = device, inode_bytes
        self._per_group, self._offset_of = per_group, offset_of

    def _reader(self) -> TableReader:
        return TableReader(self._device, self._inode_bytes)

    def _runs(self, inodes: list[int]) -> Iterator[tuple[int, int]]:
        for first, count in _adjoining(inodes, self._per_group):
            yield self._offset_of(first), count * self._inode_bytes


class BulkProofs(InodeProofs):
    """Of an XFS, by a descriptor of its root directory."""

    alone = 8192  # inodes

    def __init__(self, root: int, block_bytes: int) -> None:
        self._root, self._block_bytes = root, block_bytes

    def _reader(self) -> BulkReader:
        return BulkReader(self._root, self._block_bytes)

    def _runs(self, inodes: list[int]) -> Iterator[tuple[int, int]]:
        return _adjoining(inodes, 1 << 64)


def open_bulk(root: int) -> BulkProofs | None:
    """Of the XFS whose directory `root` is open; None where its kernel does not list it to this process."""
    proofs, status = BulkProofs(root, os.fstatvfs(root).f_frsize), os.fstat(root)
    try:
        _, changed, _ = proofs._reader().measured(((status.st_ino, 1),))
    except OSError:
        return None
    return proofs if sys.byteorder == "little" and changed == status.st_ctime_ns // 10**9 else None


def _adjoining(inodes: list[int], group: int) -> Iterator[tuple[int, int]]:
    """First of each run of consecutive numbers, and how many; none goes beyond a `group` of so many."""
    begin = after = -1  # what would come next
    for inode in inodes:
        if inode == after and after % group != 1:
            after += 1
            continue
        if begin >= 0:
            yield begin, after - begin
        begin, after = inode, inode + 1
    yield begin, after - begin


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
