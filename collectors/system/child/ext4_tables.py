"""The inode tables of an ext4 on its device, and what they tell of files: the kernel is asked for names only.

A piece of a table read in one go tells of 512 inodes what else takes 512 questions. A mounted ext4 keeps its tables in
the page cache of its device, so they are read as they are now, but for one thing: data that has no place on the disk
yet counts in what a question answers and not in the table. Once the kernel has said that there is none, the tables are
right about all files that were not changed since; before that, about those not changed in the last hour. Others are
asked, and so is whatever is large, has hundreds of links, or is kept in an unusual way; and of each piece one inode, or
these are not the tables that we take them for. Layout: fs/ext4/ext4.h. Refuses whatever it does not fully understand,
kinds whose descriptors lie elsewhere too.
"""

from __future__ import annotations

import os
import struct
import sys
from array import array
from time import CLOCK_BOOTTIME, clock_gettime, time

from collectors.system.child.inodes import TableProofs
from collectors.system.child.tally import first_met

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from collectors.system.child.tally import UnitTally

    # Unix seconds, and those at which the machine was started, by the clock of then
    Settled: TypeAlias = tuple[int, int]
    # first inode, how many, and of each: links (0: it has to be asked), blocks of 512 bytes, bytes
    Piece: TypeAlias = tuple[int, int, bytes, array[int], array[int]]
    # offset of a byte in the inode, and what is made of each of its values: mostly 1 where something holds
    ByteTest: TypeAlias = tuple[int, bytes]

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


class InodeTables:
    """They are read through the descriptor `device`; `layout` says where they are."""

    __slots__ = ("device", "layout")

    def __init__(self, device: int, layout: InodeTableLayout) -> None:
        self.device = device
        self.layout = layout

    def proofs(self) -> TableProofs:
        """What they prove."""
        layout = self.layout
        return TableProofs(self.device, layout.inode_bytes, layout.inodes_per_group, layout.offset_of)


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


_PIECE_BYTES = 128 << 10  # as much as the kernel reads ahead for one inode
_KEPT_MAX = 4096  # pieces that are remembered: 20 MB
_WORTH = 16  # so many questions take as long as reading a piece
_QUIET_S, _UNPLACED_S = 3, 3600
_NOTHING: Piece = (0, 0, b"", array("I"), array("I"))

# Offsets in an inode.
_MODE, _SIZE, _CTIME, _LINKS, _BLOCKS, _FLAGS = 0x00, 0x04, 0x0C, 0x1A, 0x1C, 0x20
_SIZE_HIGH, _BLOCKS_HIGH, _CTIME_EXTRA = 0x6C, 0x74, 0x84
_FILES = (0x10, 0x20, 0x60, 0x80, 0xA0, 0xC0)  # the high bits of a mode: of whatever is no directory
# Encrypted; blocks are counted otherwise; the inode holds an attribute of another; it holds its own contents.
_UNUSUAL = 0x800 | 0x40000 | 0x200000 | 0x10000000
_BEYOND_2038 = 0b11

_NO, _YES, _AS_IT_IS = bytes(256), b"\1" * 256, bytes(range(256))
_NO_FILE = _MODE + 1, bytes(value & 0xF0 not in _FILES for value in range(256))


def open_figures(tables: InodeTables, settled: int, large: int) -> InodeFigures | None:
    """Of files with fewer than `large` blocks of 512 bytes that were changed before `settled` (Unix seconds).

    None where an inode is too short for all that is asked of it, or this machine reads numbers the other way round.
    """
    if tables.layout.inode_bytes <= 128 or sys.byteorder != "little":
        return None
    return InodeFigures(tables, settled, large)


def settled_before(device: tuple[int, int], earlier: Settled) -> tuple[int, Settled]:
    """The tables of a device (major, minor) tell all of what was changed before this; and what holds later on.

    `earlier`: what held of the same filesystem. It is believed as long as nobody has set the clock.
    """
    now = time()
    clock = int(now - clock_gettime(CLOCK_BOOTTIME))
    try:
        name = os.path.basename(os.readlink(f"/sys/dev/block/{device[0]}:{device[1]}"))
        with open(f"/sys/fs/ext4/{name}/delayed_allocation_blocks", "rb") as file:
            unplaced = int(file.read())
    except (OSError, ValueError):
        unplaced = 1
    if not unplaced:
        return int(now) - _QUIET_S, (int(now) - _QUIET_S, clock)
    known = earlier[0] if abs(earlier[1] - clock) <= 1 else 0
    return max(known, int(now) - _UNPLACED_S), earlier


class InodeFigures:
    """It tells of files with fewer than `large` blocks that were changed before `settled` (Unix seconds)."""

    def __init__(self, tables: InodeTables, settled: int, large: int) -> None:
        self._device, self._layout = tables.device, tables.layout
        self._held = min(_PIECE_BYTES // self._layout.inode_bytes, self._layout.inodes_per_group)
        self._pieces: dict[int, Piece] = {}  # by their first inode
        self._wanted: dict[int, int] = {}  # how often a piece was that is not read yet
        self._buffer = bytearray(_PIECE_BYTES)
        self._unlike = [
            _NO_FILE,
            *_differs(_LINKS + 1, 1, 0),
            *_differs(_SIZE_HIGH, 4, 0),
            *_differs(_BLOCKS_HIGH, 2, 0),
            *_has_any(_FLAGS, _UNUSUAL),
            *_has_any(_CTIME_EXTRA, _BEYOND_2038),
        ]
        self._too_much = _reaches(_BLOCKS, large), _reaches(_CTIME, settled)

    def count(self, entries: list[os.DirEntry[str]], tally: UnitTally) -> tuple[list[os.DirEntry[str]], int, int, int]:
        """The entries that have to be asked, and of the others the blocks of 512 bytes, the bytes and how many inodes.

        Those inodes, and links to them, are entered in `tally`.
        """
        rest: list[os.DirEntry[str]] = []
        links, met = tally.links, tally.inodes_met
        first, held, links_of, blocks_of, bytes_of = _NOTHING
        blocks = apparent = inodes = 0
        for entry in entries:
            inode = entry.inode()
            place = inode - first
            if not 0 <= place < held:
                first, held, links_of, blocks_of, bytes_of = self._piece(entry, inode)
                place = inode - first
            number = links_of[place] if held else 0
            if not number:
                rest.append(entry)
                continue
            taken, size = blocks_of[place], bytes_of[place]
            if number > 1 and not first_met(links, inode, (number, taken, size)):
                continue
            blocks += taken
            apparent += size
            inodes += 1
            if met is not None:
                met.append(inode)
        return rest, blocks, apparent, inodes

    def _piece(self, entry: os.DirEntry[str], inode: int) -> Piece:
        """The one that tells of an inode, once it was wanted often enough."""
        place = (inode - 1) % self._layout.inodes_per_group
        before = place % self._held
        first = inode - before
        piece = self._pieces.get(first)
        if piece is None:
            self._wanted[first] = wanted = self._wanted.get(first, 0) + 1
            if wanted < _WORTH:
                return _NOTHING
            if len(self._pieces) >= _KEPT_MAX:
                self._pieces.clear()
            held = min(self._held, self._layout.inodes_per_group - place + before)
            piece = self._pieces[first] = self._read(first, held, entry, before)
        return piece

    def _read(self, first: int, held: int, entry: os.DirEntry[str], place: int) -> Piece:
        try:
            got = os.preadv(self._device, [self._buffer], self._layout.offset_of(first))
            status = entry.stat(follow_symlinks=False)
        except (OSError, IndexError):
            return _NOTHING
        size = self._layout.inode_bytes
        links, changed = (
            struct.unpack_from(kind, self._buffer, place * size + offset)[0]
            for kind, offset in (("<H", _LINKS), ("<I", _CTIME))
        )
        same = (links, changed) == (status.st_nlink, status.st_ctime_ns // 10**9)
        return self._told(first, held) if same and got >= held * size else _NOTHING

    def _told(self, first: int, held: int) -> Piece:
        # A byte of every inode at a time, and what is found of each is a byte of one long number.
        asked, every = 0, int.from_bytes(_YES[:1] * held)
        for test in self._unlike:
            asked |= self._where(test, held)
        for tests in self._too_much:
            reached = every
            for above, same in tests:
                reached = self._where(above, held) | self._where(same, held) & reached
            asked |= reached
        links = self._where((_LINKS, _AS_IT_IS), held) & (every ^ asked) * 0xFF
        return first, held, links.to_bytes(held), self._words(_BLOCKS, held), self._words(_SIZE, held)

    def _where(self, test: ByteTest, held: int) -> int:
        offset, values = test
        size = self._layout.inode_bytes
        return int.from_bytes(self._buffer[offset : held * size : size].translate(values))

    def _words(self, offset: int, held: int) -> array[int]:
        words = memoryview(self._buffer).cast("I")
        size = self._layout.inode_bytes // 4
        return array("I", words[offset // 4 : held * size : size].tobytes())


def _differs(offset: int, count: int, number: int) -> list[ByteTest]:
    """Whether `count` bytes, least first, are another number."""
    found = number.to_bytes(count, "little")
    return [(offset + place, _YES[:byte] + b"\0" + _YES[byte + 1 :]) for place, byte in enumerate(found)]


def _has_any(offset: int, bits: int) -> list[ByteTest]:
    found = bits.to_bytes(4, "little")
    return [
        (offset + place, bytes(bool(value & mask) for value in range(256))) for place, mask in enumerate(found) if mask
    ]


def _reaches(offset: int, number: int) -> list[tuple[ByteTest, ByteTest]]:
    """Whether four bytes are at least a number: of each, least first, whether it is above and whether the same."""
    found = min(max(number, 0), (1 << 32) - 1).to_bytes(4, "little")
    return [
        ((offset + place, _NO[: byte + 1] + _YES[byte + 1 :]), (offset + place, _NO[:byte] + b"\1" + _NO[byte + 1 :]))
        for place, byte in enumerate(found)
    ]
