"""Proof that nothing in a tree has changed: the inodes of a mounted ext4 as they stand in its tables on the device.

Whatever changes a file or a directory changes its inode: size, blocks, links, generation or, at the least, the time of
change. So a tree whose inodes all read as they did when it was measured takes what it took then, and reading tables in
one go costs a tenth of asking for each file. A mounted ext4 keeps its tables in the page cache of its device, so they
are read as they are now. Refuses whatever it does not fully understand, and trees that were changing when they were
measured: those are walked again.
"""

from __future__ import annotations

import errno
import os
import zlib
from array import array

from collectors.sources.filesystem.child import exttable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeAlias

    # where inodes stand on the device, adjoining ones together: (offset, bytes)
    Runs: TypeAlias = tuple[tuple[int, int], ...]
    # and a checksum of what they read as
    Proof: TypeAlias = tuple[Runs, int]

_PAGE = 4096
_WINDOW = 1 << 16  # read at once; fits into the processor's cache
# Words of 32 bits in an inode, and pairs of them. The time of access is not among them: reading changes nothing.
_CTIME, _BLOCKS, _GENERATION, _SIZE_HIGH, _CTIME_EXTRA = 3, 7, 25, 27, 33
_PAIRS = (0, 3)  # mode and size; owner's group, links and blocks
_SHORT = 1 << 14
_LEAST_INODES = 64  # fewer are walked as quickly
_QUIET_S = 3  # changes have to lie this far back: the kernel's clock is coarse, and two may bear one time


class InodeTables:
    """Reads through the descriptor `device`; `layout` says where the tables are."""

    def __init__(self, device: int, layout: exttable.Layout) -> None:
        self._device = device
        self._layout = layout
        self._words = layout.inode_bytes // 4
        self._columns: tuple[int, ...] = (_CTIME, _GENERATION, _SIZE_HIGH)
        if layout.inode_bytes > 128:
            self._columns += (_CTIME_EXTRA,)
        self._bytes = memoryview(bytearray(_WINDOW))
        self._view = self._bytes.cast("I")
        self._begin = self._end = 0  # of what is in the window

    def prove(self, inodes: array[int], blocks: int, measured_from: float) -> Proof | None:
        """What holds as long as none of `inodes` changes; None where that cannot be promised.

        They were counted as `blocks` blocks of 512 bytes, not before `measured_from` (Unix seconds). Raises OSError.
        """
        if len(inodes) < _LEAST_INODES:
            return None
        runs = tuple(self._runs(sorted(inodes)))
        total = newest = 0
        for part in self._parts(runs):
            total += sum(part[_BLOCKS :: self._words].tolist())
            newest = max(newest, *part[_CTIME :: self._words].tolist(), 0)
        # They have to agree with what was counted, or these are not the tables that we take them for.
        if total != blocks or newest >= int(measured_from) - _QUIET_S:
            return None
        return runs, self._checksum(runs)

    def holds(self, proof: Proof) -> bool:
        """Whether everything still reads as it did. Raises OSError."""
        runs, expected = proof
        return self._checksum(runs) == expected

    def _checksum(self, runs: Runs) -> int:
        self._begin = self._end = 0  # nothing from an earlier look
        low = high = 0
        half = self._words // 2
        for part in self._gathered(runs):
            # Two sums over words of their own: what changes an inode changes its time and, most often, its size too.
            pairs = part.cast("B").cast("Q")
            low = zlib.crc32(b"".join([pairs[pair::half].tobytes() for pair in _PAIRS]), low)
            high = zlib.crc32(b"".join([part[word :: self._words].tobytes() for word in self._columns]), high)
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

    def _runs(self, inodes: Iterable[int]) -> Iterator[tuple[int, int]]:
        begin = end = -1
        size = self._layout.inode_bytes
        for inode in inodes:
            offset = self._layout.offset_of(inode)
            if offset != end:
                if begin >= 0:
                    yield begin, end - begin
                begin = offset
            end = offset + size
        yield begin, end - begin

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


def open_tables(path: bytes, number: tuple[int, int]) -> InodeTables | None:
    """The tables of the ext4 on device `number` (major, minor) with the node `path`; None if they cannot be used."""
    try:
        device = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    layout = exttable.layout(device) if os.fstat(device).st_rdev == os.makedev(*number) else None
    if layout is None:
        os.close(device)
        return None
    return InodeTables(device, layout)
