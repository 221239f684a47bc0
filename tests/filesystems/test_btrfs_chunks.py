"""Logical addresses to devices, and superblocks: every profile, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from crc32c import crc32c

from collectors.filesystems.btrfs import ioctl
from collectors.filesystems.btrfs.decode import ChunkItem
from collectors.filesystems.btrfs.trees import chunk_map
from collectors.filesystems.btrfs.trees.chunk_map import ChunkMap, Stale, Unsupported
from collectors.system.deadline import Malformed
from tests.filesystems import btrfs_replay as replay

NODE, STRIPE, MIB = 16384, 65536, 1 << 20


def chunk(profile: int, stripes: int, sub: int = 1, size: int = 4 * MIB) -> ChunkItem:
    places = tuple((number + 1, 100 * MIB * (number + 1)) for number in range(stripes))
    return ChunkItem(size, STRIPE, ioctl.METADATA | profile, sub, places, 0)


def places(found: ChunkMap, copy: int, start: int, size: int) -> list[tuple[int, int]]:
    addresses = np.arange(start, start + size, NODE, dtype=np.uint64)
    devids, offsets = found.locate(addresses, copy)
    return list(zip(devids.tolist(), offsets.tolist(), strict=True))


@pytest.mark.parametrize(
    ("profile", "stripes", "sub", "copies"),
    [
        (0, 1, 1, 1),
        (ioctl.DUP, 2, 1, 2),
        (ioctl.RAID1, 2, 1, 2),
        (ioctl.RAID1C3, 3, 1, 3),
        (ioctl.RAID1C4, 4, 1, 4),
        (ioctl.RAID0, 3, 1, 1),
        (ioctl.RAID10, 4, 2, 2),
        (ioctl.RAID10, 6, 2, 2),
    ],
)
def test_no_two_blocks_share_a_place_and_copies_lie_apart(profile: int, stripes: int, sub: int, copies: int) -> None:
    size = 4 * MIB if stripes != 3 and stripes != 6 else 6 * MIB
    found = ChunkMap([(8 * MIB, chunk(profile, stripes, sub, size))], NODE)
    assert found.copies(8 * MIB) == copies
    seen: set[tuple[int, int]] = set()
    for copy in range(copies):
        mine = places(found, copy, 8 * MIB, size)
        assert not seen & set(mine)
        seen |= set(mine)
    assert len(seen) == copies * size // NODE
    for number in range(copies):
        for other in range(number):
            pairs = zip(places(found, number, 8 * MIB, size), places(found, other, 8 * MIB, size), strict=True)
            assert all(one[0] != two[0] for one, two in pairs)


def test_raid0_goes_round_the_devices_stripe_by_stripe() -> None:
    found = ChunkMap([(0, chunk(ioctl.RAID0, 2))], NODE)
    assert places(found, 0, 0, 4 * STRIPE)[:: STRIPE // NODE] == [
        (1, 100 * MIB),
        (2, 200 * MIB),
        (1, 100 * MIB + STRIPE),
        (2, 200 * MIB + STRIPE),
    ]


def test_an_address_in_no_chunk_is_stale() -> None:
    found = ChunkMap([(8 * MIB, chunk(0, 1)), (20 * MIB, chunk(0, 1))], NODE)
    for address in (0, 12 * MIB, 24 * MIB, 12 * MIB - 4096, 2**64 - NODE, 2**64 - 1):
        with pytest.raises(Stale):
            found.locate(np.array([address], np.uint64), 0)
    with pytest.raises(Stale):
        ChunkMap([], NODE).locate(np.array([0], np.uint64), 0)


def test_parity_moves_on_by_one_device_with_every_row_of_stripes() -> None:
    found = ChunkMap([(0, chunk(ioctl.RAID5, 3))], NODE)
    assert places(found, 0, 0, 6 * STRIPE)[:: STRIPE // NODE] == [
        (1, 100 * MIB),
        (2, 200 * MIB),
        (2, 200 * MIB + STRIPE),
        (3, 300 * MIB + STRIPE),
        (3, 300 * MIB + 2 * STRIPE),
        (1, 100 * MIB + 2 * STRIPE),
    ]
    assert found.copies(0) == 1


def test_metadata_on_an_unknown_profile_is_unsupported() -> None:
    found = ChunkMap([(0, chunk(1 << 11, 3))], NODE)
    with pytest.raises(Unsupported, match="metadata on"):
        found.locate(np.array([0], np.uint64), 0)


def test_a_block_that_crosses_a_stripe_is_unsupported() -> None:
    found = ChunkMap([(0, chunk(ioctl.RAID0, 2))], NODE)
    with pytest.raises(Unsupported, match="crosses"):
        found.locate(np.array([STRIPE - 4096], np.uint64), 0)


def resealed(raw: bytearray) -> bytes:
    raw[:4] = crc32c(bytes(raw[32:])).to_bytes(4, "little")
    return bytes(raw)


def test_a_superblock_tells_where_the_trees_begin() -> None:
    found = chunk_map.parse(replay.blocks("layers")[1, chunk_map.AT])
    assert (found.node_bytes, found.sector_bytes, found.devid, found.checksum) == (16384, 4096, 1, 0)
    assert found.generation == replay.document("layers")["generation"]
    assert found.fsid.hex() == replay.document("layers")["uuid"].replace("-", "")
    assert found.system_chunks


@pytest.mark.parametrize("bit", [12, 13, 17, 40, 63])
def test_an_incompatible_feature_that_changes_or_may_change_the_trees_is_unsupported(bit: int) -> None:
    raw = bytearray(replay.blocks("layers")[1, chunk_map.AT])
    flags = int.from_bytes(raw[188:196], "little") | 1 << bit
    raw[188:196] = flags.to_bytes(8, "little")
    with pytest.raises(Unsupported, match="feature"):
        chunk_map.parse(resealed(raw))


def test_a_damaged_superblock_is_refused() -> None:
    whole = replay.blocks("layers")[1, chunk_map.AT]
    for at in (64, 80, 144, 188, 811, 4000):
        raw = bytearray(whole)
        raw[at] ^= 4
        with pytest.raises(Malformed):
            chunk_map.parse(bytes(raw))
    for at, value in ((144, 3), (148, 5000), (160, 9999), (160, 5)):
        raw = bytearray(whole)
        raw[at : at + 4] = value.to_bytes(4, "little")
        with pytest.raises(Malformed):
            chunk_map.parse(resealed(raw))
    with pytest.raises(Malformed):
        chunk_map.parse(whole[:2048])


def test_blocks_of_one_page_and_of_sixteen_are_checked_alike() -> None:
    for size in (4096, 65536):
        blocks = np.zeros((1, size), np.uint8)
        blocks[0, :4] = np.frombuffer(crc32c(bytes(size - 32)).to_bytes(4, "little"), np.uint8)
        assert chunk_map.right(blocks, 0).all()
