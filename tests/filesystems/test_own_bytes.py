"""What filesystems take for themselves: decoded from bytes that were made for it, and from geometries of real ones."""

from __future__ import annotations

import struct

import pytest

from collectors.filesystems import ext4, kind_of, xfs
from collectors.model.reading import AtLeast, Exact, Unavailable, Why
from collectors.system.deadline import Malformed, this_host
from tests.ledger.build import HERE
from tests.system.walking import a_mount

BLOCK = 4096
TABLE = 1070  # block of the inode table


def ext_head(*, compat: int = 0x4 | 0x10, incompat: int = 0x80, ro_compat: int = 0, cluster: int = 2) -> bytes:
    """The start of an ext4 with blocks of 4 KiB."""
    head = bytearray(ext4.HEAD_BYTES)
    for offset, value in {
        0x14: 0,
        0x18: 2,
        0x1C: cluster,
        0x28: 8192,
        0x4C: 1,
        0x54: 11,
        0x5C: compat,
        0x60: incompat,
        0x64: ro_compat,
        0xE0: 8,
        0x280: 12,
    }.items():
        struct.pack_into("<I", head, 1024 + offset, value)
    for offset, value in {0x38: 0xEF53, 0x58: 256, 0xFE: 64}.items():
        struct.pack_into("<H", head, 1024 + offset, value)
    struct.pack_into("<I", head, BLOCK + 0x08, TABLE)
    struct.pack_into("<I", head, BLOCK + 0x28, 1 if incompat & 0x80 else 0)
    return bytes(head)


def ext_inode(blocks: int = 0, size: int = 0, flags: int = 0) -> bytes:
    inode = bytearray(128)
    struct.pack_into("<I", inode, 4, size & 0xFFFFFFFF)
    struct.pack_into("<I", inode, 28, blocks)
    struct.pack_into("<I", inode, 32, flags)
    struct.pack_into("<I", inode, 108, size >> 32)
    return bytes(inode)


def ext_inodes(sb: ext4.ExtSuperblock, **given: bytes) -> list[bytes]:
    inodes = [ext_inode() for _ in sb.nameless]
    if "quota" in given:
        inodes[sb.nameless.index(3)] = given["quota"]
    if "orphans" in given:
        inodes[sb.nameless.index(12)] = given["orphans"]
    return [*inodes, given.get("resize", ext_inode()), given.get("journal", ext_inode())]


def test_the_inode_table_is_found_beyond_the_first_four_billion_blocks() -> None:
    sb = ext4.superblock(ext_head())
    assert sb.table_offset == (1 << 32 | TABLE) * BLOCK
    assert ext4.inode_ranges(sb)[-1] == (sb.table_offset + 7 * 256, 128)
    assert ext4.superblock(ext_head(incompat=0)).table_offset == TABLE * BLOCK


def test_only_blocks_that_statfs_calls_used_are_ext4s_own() -> None:
    sb = ext4.superblock(ext_head())
    log = 64 << 20
    inodes = ext_inodes(sb, resize=ext_inode(9000), journal=ext_inode(log // 512 + 8, log))
    assert ext4.own_bytes(sb, inodes) == BLOCK + BLOCK
    assert ext4.own_bytes(sb, ext_inodes(sb)) == 0
    assert ext4.own_bytes(sb, ext_inodes(sb, quota=ext_inode(56))) == 56 * 512


def test_features_of_ext4_that_take_blocks_are_counted() -> None:
    orphans = ext4.superblock(ext_head(compat=0x1004))
    assert ext4.own_bytes(orphans, ext_inodes(orphans, orphans=ext_inode(2048))) == 1 << 20
    protected = ext4.superblock(ext_head(compat=0, incompat=0x180))
    assert ext4.own_bytes(protected, ext_inodes(protected)) == BLOCK
    clusters = ext4.superblock(ext_head(compat=0x10, ro_compat=0x200, cluster=6))
    assert ext4.own_bytes(clusters, ext_inodes(clusters, resize=ext_inode(8))) == 65536


def test_blocks_may_be_counted_in_blocks() -> None:
    sb = ext4.superblock(ext_head(compat=0))
    assert ext4.own_bytes(sb, ext_inodes(sb, quota=ext_inode(3, flags=0x40000))) == 3 * BLOCK


@pytest.mark.parametrize("head", [b"", bytes(ext4.HEAD_BYTES), b"\xff" * 2048])
def test_what_is_no_ext4_is_malformed(head: bytes) -> None:
    with pytest.raises(Malformed):
        ext4.superblock(head)


def test_an_inode_table_that_ends_early_is_malformed() -> None:
    sb = ext4.superblock(ext_head())
    with pytest.raises(Malformed):
        ext4.own_bytes(sb, ext_inodes(sb)[:-1])
    with pytest.raises(Malformed):
        ext4.own_bytes(sb, [*ext_inodes(sb)[:-1], b"short"])


def test_ext_has_its_reserved_inodes_but_for_the_root_directory_and_those_of_later_features() -> None:
    assert ext4.own_inodes(ext4.superblock(ext_head())) == 9
    assert ext4.own_inodes(ext4.superblock(ext_head(compat=0x4 | 0x10 | 0x1000))) == 10  # a file of orphans: inode 12


def xfs_superblock(quotas: tuple[int, int, int], incompat: int = 0) -> bytes:
    block = bytearray(512)
    block[:4] = b"XFSB"
    for offset, inode in zip((160, 168, 232), quotas, strict=True):
        struct.pack_into(">Q", block, offset, inode)
    struct.pack_into(">I", block, 216, incompat)
    return bytes(block)


NONE = (1 << 64) - 1


@pytest.mark.parametrize(
    ("quotas", "options", "expected"),
    [
        ((NONE, NONE, NONE), ("rw", "noquota"), 2),
        ((0, 0, 0), ("rw",), 2),
        ((131, 0, 132), ("rw", "noquota"), 4),  # on once, off now
        ((0, 0, 0), ("rw", "prjquota"), 3),  # on, and the block on the disk is older
        ((131, NONE, 0), ("usrquota", "pqnoenforce"), 4),
    ],
)
def test_xfs_has_the_inodes_of_its_realtime_section_and_of_quotas(
    quotas: tuple[int, int, int], options: tuple[str, ...], expected: int
) -> None:
    assert xfs.own_inodes(xfs_superblock(quotas), options, HERE) == Exact(expected, HERE)


def test_an_xfs_whose_superblock_was_not_read_has_at_least_those_inodes() -> None:
    found = xfs.own_inodes(b"", ("rw", "prjquota"), HERE)
    assert isinstance(found, AtLeast)
    assert found.low == 3
    assert isinstance(xfs.own_inodes(xfs_superblock((0, 0, 0), incompat=1 << 8), (), HERE), Unavailable)


FINOBT, RMAPBT, REFLINK = 1 << 17, 1 << 19, 1 << 20


def xfs_frame(
    *, blocks: int, groups: int, log: int, flags: int, sector: int = 512, block: int = 4096, inodes: int = 64
) -> tuple[object, ...]:
    group = -(-blocks // groups)
    geometry = bytearray(112)
    # The log lies in the middle group, as mkfs puts it.
    start = (groups // 2) << (group - 1).bit_length() | 5
    struct.pack_into("<8I4Q", geometry, 0, block, 1, group, groups, log, sector, 512, 25, blocks, 0, 0, start)
    struct.pack_into("<I", geometry, 92, 1 << 15 | flags)
    pool = min(blocks // 20, 8192)
    return "geometry", bytes(geometry), struct.pack("<4Q", 0, 0, 60, inodes), struct.pack("<2Q", pool, pool), -1


# Used bytes of empty filesystems as mkfs.xfs 6.1 made them and Linux 6.18 mounted them.
@pytest.mark.parametrize(
    ("gib", "log", "flags", "sector", "used_blocks"),
    [
        (4, 16384, FINOBT | REFLINK, 512, 15462),
        (64, 16384, FINOBT | REFLINK, 512, 125124),
        (1024, 131072, FINOBT | REFLINK, 512, 1878922),
        (64, 16384, FINOBT, 512, 24951),
        (64, 16384, 0, 512, 8248),
        (64, 16384, FINOBT | REFLINK | RMAPBT, 512, 329205),
        (64, 16384, FINOBT | REFLINK, 4096, 125136),
    ],
)
def test_an_empty_xfs_takes_what_its_geometry_foretells(
    gib: int, log: int, flags: int, sector: int, used_blocks: int
) -> None:
    frame = xfs_frame(blocks=gib << 18, groups=4, log=log, flags=flags, sector=sector)
    bounds = xfs.own_bytes(frame, 0)
    assert bounds.low == bounds.best == used_blocks * 4096


def test_how_full_the_inode_tree_is_stays_between_bounds() -> None:
    frame = xfs_frame(blocks=64 << 18, groups=4, log=16384, flags=FINOBT | REFLINK, inodes=4_000_000)
    bounds = xfs.own_bytes(frame, 0)
    assert bounds.low < bounds.best < bounds.high
    assert bounds.best - bounds.low < 4 << 20
    assert bounds.low > 4_000_000 * 512


@pytest.mark.parametrize(
    "frame",
    [("geometry",), ("geometry", b"", b"", b"", 0), ("geometry", bytes(112), bytes(32), b"", 0), ("statvfs", 1)],
)
def test_what_is_no_geometry_is_malformed(frame: tuple[object, ...]) -> None:
    with pytest.raises(Malformed):
        xfs.own_bytes(frame, 0)


def test_other_filesystems_are_not_guessed_at() -> None:
    for fstype in ("btrfs", "tmpfs", "zfs"):
        own = kind_of(fstype).own(a_mount(1, 0, "/", fstype=fstype), this_host(), timeout_s=1)
        for figure in (own.bytes, own.inodes):
            assert isinstance(figure, Unavailable)
            assert figure.why is Why.NOT_APPLICABLE


def test_a_device_that_is_not_there_is_a_reason() -> None:
    own = kind_of("ext4").own(a_mount(1, 0, "/", device="999:999"), this_host(), timeout_s=5)
    for figure in (own.bytes, own.inodes):
        assert isinstance(figure, Unavailable)
        assert figure.why is Why.NOT_REACHABLE
