"""Captured trees walked again: the kernel's own count to the byte, and no answer at all from damaged ones."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.filesystems.btrfs import ioctl
from collectors.filesystems.btrfs.decode import ChunkItem
from collectors.filesystems.btrfs.trees import chunk_map, table
from collectors.filesystems.btrfs.trees.blocks import Blocks, Pointers
from collectors.filesystems.btrfs.trees.chunk_map import BtrfsSuperblock, ChunkMap, Unsupported
from collectors.filesystems.btrfs.trees.table import Measured
from collectors.model.btrfs import Holding
from collectors.system.deadline import Malformed
from tests.filesystems import btrfs_replay as replay

SUPERBLOCK_AT = 64 * 1024
fuzzed = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def holdings(found: Measured) -> dict[str, Holding]:
    return {one.unit: one for one in table.holdings(found.table)}


def superblock(folder: Path, shape: str) -> BtrfsSuperblock:
    with replay.devices(folder, replay.blocks(shape)) as devices:
        return devices.superblock()


def counted(one: Holding) -> list[int]:
    assert one.referenced_metadata_bytes is not None
    assert one.exclusive_metadata_bytes is not None
    return [
        one.referenced_data_bytes + one.referenced_metadata_bytes,
        one.exclusive_data_bytes + one.exclusive_metadata_bytes,
    ]


@pytest.mark.parametrize("shape", replay.SHAPES)
def test_every_subvolume_holds_what_the_quota_rescan_counted(shape: str, tmp_path: Path) -> None:
    truth = replay.document(shape)
    found = replay.walk(tmp_path, replay.blocks(shape), rules=())
    held = holdings(found)
    assert {path: counted(held[path]) for path in truth["qgroups"]} == truth["qgroups"]
    assert found.generation == truth["generation"]


@pytest.mark.parametrize("shape", replay.SHAPES)
def test_the_books_of_the_walked_commit_close(shape: str, tmp_path: Path) -> None:
    found = replay.walk(tmp_path, replay.blocks(shape))
    assert found.fill is not None
    assert table.remainder(found.fill, found.table) == (0, 0)


@pytest.mark.parametrize("shape", replay.SHAPES)
def test_splitting_moves_bytes_and_makes_none(shape: str, tmp_path: Path) -> None:
    whole, split = (replay.walk(tmp_path, replay.blocks(shape), rules) for rules in ((), replay.RULES))
    assert sum(split.table.data) == sum(whole.table.data)
    for column in ("metadata", "metadata_disk"):
        assert sum(getattr(split.table, column)) == sum(getattr(whole.table, column))
    assert sum(split.table.apparent) == sum(whole.table.apparent)
    assert sum(split.table.inodes) == sum(whole.table.inodes)
    assert split.bookend_bytes == whole.bookend_bytes
    others = {unit: one for unit, one in holdings(whole).items() if unit}
    changed = {unit for unit, one in others.items() if holdings(split)[unit] != one}
    assert changed == set()


def test_the_capture_holds_what_it_was_made_to_hold(tmp_path: Path) -> None:
    layers = replay.walk(tmp_path, replay.blocks("layers"))
    assert layers.bookend_bytes > 0
    assert layers.unresolved == ()
    mixed = replay.walk(tmp_path, replay.blocks("mixed"))
    assert 0 < mixed.compressed_bytes < mixed.uncompressed_bytes
    assert mixed.unresolved == ("volumes/a", "volumes")
    assert holdings(mixed)["odd"].apparent_bytes > 1 << 50


def test_an_overwritten_block_is_never_taken_for_the_committed_one(tmp_path: Path) -> None:
    """A later generation at the same place, with everything else right: what the kernel leaves when it reuses one."""
    content = dict(replay.blocks("mixed"))
    target = max(place for place in content if place[1] != SUPERBLOCK_AT)
    raw = bytearray(content[target])
    raw[80:88] = (int.from_bytes(raw[80:88], "little") + 2).to_bytes(8, "little")
    content[target] = bytes(raw)
    with pytest.raises(Malformed):
        replay.walk(tmp_path, content)


@st.composite
def damage(draw: st.DrawFn) -> tuple[tuple[int, int], int, int]:
    """(which block, which byte, which bits)."""
    places = sorted(place for place in replay.blocks("mixed") if place[1] != SUPERBLOCK_AT)
    place = draw(st.sampled_from(places))
    return place, draw(st.integers(0, replay.PAGE - 1)), draw(st.integers(1, 255))


def damaged(place: tuple[int, int], byte: int, bits: int) -> replay.Blocks:
    content = dict(replay.blocks("mixed"))
    raw = bytearray(content[place])
    raw[byte] ^= bits
    content[place] = bytes(raw)
    return content


@fuzzed
@given(damage())
def test_a_flipped_bit_is_refused_or_changes_nothing(tmp_path: Path, where: tuple[tuple[int, int], int, int]) -> None:
    """The checksum field has room for longer checksums than this one; what stands there means nothing."""
    try:
        found = replay.walk(tmp_path, damaged(*where))
    except Malformed:
        return
    assert 4 <= where[1] < 32
    assert found == replay.walk(tmp_path, replay.blocks("mixed"))


@fuzzed
@given(damage())
def test_damage_behind_a_right_checksum_is_refused_or_answered_never_worse(
    tmp_path: Path, where: tuple[tuple[int, int], int, int]
) -> None:
    """As a faulty machine would write it. No other exception, no endless loop, no negative count of a set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunk_map, "right", lambda blocks, kind: np.ones(len(blocks), np.bool_))
        try:
            found = replay.walk(tmp_path, damaged(*where))
        except (Malformed, Unsupported):
            return
    assert min(found.table.data, default=0) >= 0
    assert dataclasses.is_dataclass(table.rows(found.table)[0])


@fuzzed
@given(st.integers(0, replay.PAGE * (len(replay.blocks("mixed")) - 1) - 1))
def test_a_device_that_ends_too_early_is_refused(tmp_path: Path, keep: int) -> None:
    content: replay.Blocks = {}
    left = keep
    for place, data in sorted(replay.blocks("mixed").items()):
        if place[1] != SUPERBLOCK_AT:
            data, left = data[: max(0, left)], left - len(data)
        content[place] = data
    with pytest.raises(Malformed):
        replay.walk(tmp_path, content)


def test_scattered_small_blocks_are_read_once(tmp_path: Path) -> None:
    """The kernel fills at most IOV_MAX pieces in one read: each block is one, and what lies between two."""
    count, node, start = 3000, 4096, 1 << 20
    top = dataclasses.replace(superblock(tmp_path, "mixed"), node_bytes=node)
    places = [start + 2 * at * node for at in range(count)]
    content = np.zeros((count, node), np.uint8)
    content[:, 32:48] = np.frombuffer(top.metadata_fsid, np.uint8)
    for at, number in ((48, places), (80, [top.generation] * count), (88, [256] * count)):
        content[:, at : at + 8] = np.array(number, "<u8")[:, None].view(np.uint8)
    content[:, :4] = chunk_map.crc32c_of_rows(content)[:, None].view(np.uint8)
    held = {(1, place): block.tobytes() for place, block in zip(places, content, strict=True)}
    chunk = ChunkItem(1 << 30, 1 << 16, ioctl.METADATA, 0, ((1, 0),), 0)
    addresses, generations, owners = np.array([places, [top.generation] * count, [0] * count], np.uint64)
    with replay.devices(tmp_path, held) as devices, ThreadPoolExecutor() as readers:
        blocks = Blocks(devices, top, ChunkMap([(0, chunk)], node), readers)
        found = [
            block.tobytes()
            for _, some, _ in blocks.batches(Pointers(addresses, generations, owners, 0))
            for block in some
        ]
    assert found == list(held.values())
    assert blocks.read_count == count
