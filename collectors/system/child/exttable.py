"""Where an ext4 keeps its inode tables. Layout: fs/ext4/ext4.h. Refuses kinds whose descriptors lie elsewhere."""

from __future__ import annotations

import os
import struct

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


def layout(device: int) -> InodeTableLayout | None:
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
