"""Checksums of tree blocks, all four kinds, against slow and independent ways to work them out."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.filesystems.btrfs.trees import chunk_map
from collectors.filesystems.btrfs.trees.chunk_map import Unsupported
from tests.filesystems import btrfs_replay as replay


def random_blocks(count: int, size: int, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (count, size), dtype=np.uint8)


def test_crc32c_of_the_check_string_is_the_published_one() -> None:
    assert crc32c(b"123456789") == 0xE3069283


def bit_by_bit(data: bytes) -> int:
    """CRC-32C as its definition says: the Castagnoli polynomial, bits reflected, begun with and inverted by ones."""
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = (state >> 1) ^ (0x82F63B78 if state & 1 else 0)
    return state ^ 0xFFFFFFFF


@pytest.mark.parametrize("size", [4096, 8192, 16384, 32768, 65536])
@pytest.mark.parametrize("count", [1, 3])
def test_many_blocks_have_the_checksum_of_each(size: int, count: int) -> None:
    blocks = random_blocks(count, size, count)
    found = chunk_map.crc32c_of_rows(blocks)
    assert int(found[-1]) == bit_by_bit(blocks[-1, 32:].tobytes())
    assert found.tolist() == [crc32c(row[32:].tobytes()) for row in blocks]


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.integers(32, 4095), st.integers(1, 255))
def test_any_changed_byte_is_noticed(seed: int, at: int, bits: int) -> None:
    blocks = random_blocks(2, 4096, seed)
    blocks[0, :4] = np.frombuffer(crc32c(blocks[0, 32:].tobytes()).to_bytes(4, "little"), np.uint8)
    blocks[1] = blocks[0]
    blocks[1, at] ^= bits
    assert chunk_map.right(blocks, 0).tolist() == [True, False]


def test_xxhash64_of_known_texts() -> None:
    """Length 32 × n, as published for XXH64 with seed 0; and what the kernel wrote (a captured filesystem)."""
    zeros = np.zeros((1, 32), np.uint8)
    assert int(chunk_map._xxh64(zeros)[0]) == 0xF6E9BE5D70632CF5
    superblock = replay.blocks("raid10")[1, 65536]
    assert chunk_map.right(np.frombuffer(superblock, np.uint8).reshape(1, 4096), 1).all()


@pytest.mark.parametrize(
    ("kind", "digest"),
    [(2, lambda data: hashlib.sha256(data)), (3, lambda data: hashlib.blake2b(data, digest_size=32))],
)
def test_long_hashes_fill_the_whole_field(kind: int, digest: object) -> None:
    assert callable(digest)
    blocks = random_blocks(2, 4096, 1)
    for row in blocks:
        row[:32] = np.frombuffer(digest(row[32:].tobytes()).digest(), np.uint8)
    blocks[1, 4000] ^= 1
    assert chunk_map.right(blocks, kind).tolist() == [True, False]


def test_a_checksum_of_the_future_is_not_taken_for_a_wrong_one() -> None:
    with pytest.raises(Unsupported, match="checksum type 9"):
        chunk_map.right(random_blocks(1, 4096, 0), 9)


def test_names_hash_as_the_kernel_hashes_them() -> None:
    """DIR_ITEM keys of a captured filesystem: (256, 84, 2378154706) is the entry "default" of every root tree."""
    assert chunk_map.name_hash(b"default") == 2378154706
