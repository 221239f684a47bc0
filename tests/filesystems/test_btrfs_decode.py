"""Replies and items of btrfs: captured ones decode to what the kernel meant, short ones are refused."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.filesystems.btrfs import decode, ioctl
from collectors.system.deadline import Malformed
from tests.filesystems import btrfs_replay as replay


def reply(shape: str, name: str) -> bytes:
    return bytes.fromhex(replay.document(shape)["replies"][name])


def test_fs_info_tells_the_uuid_the_sizes_and_the_generation() -> None:
    found = decode.fs_info(reply("layers", "fs_info"))
    document = replay.document("layers")
    assert found.uuid == document["uuid"]
    assert (found.node_bytes, found.sector_bytes, found.device_count, found.checksum) == (16384, 4096, 1, 0)
    assert found.generation == document["generation"]
    assert decode.fs_info(reply("raid10", "fs_info")).checksum == 1


def test_an_old_kernel_that_knows_no_flags_leaves_generation_and_checksum_unknown() -> None:
    raw = bytearray(reply("layers", "fs_info"))
    raw[48:56] = bytes(8)
    found = decode.fs_info(bytes(raw))
    assert (found.generation, found.checksum) == (None, None)


def test_spaces_carry_kind_profile_and_copies() -> None:
    spaces = decode.spaces(reply("layers", "space_info"), 1)
    assert [(space.kind, space.profile, space.copies) for space in spaces] == [
        ("data", "single", 1),
        ("system", "DUP", 2),
        ("metadata", "DUP", 2),
        ("global reserve", "single", 1),
    ]
    mixed = decode.spaces(reply("mixed", "space_info"), 1)
    assert [space.kind for space in mixed] == ["system", "mixed", "global reserve"]
    wide = decode.spaces(reply("raid10", "space_info"), 4)
    assert {space.profile for space in wide if space.kind != "global reserve"} == {"RAID10"}


def test_only_the_spaces_that_the_kernel_filled_are_decoded() -> None:
    """A kind that vanished between the two calls leaves a slot of zeros, which is no space."""
    raw = bytearray(reply("layers", "space_info"))
    struct.pack_into("<Q", raw, 8, 2)
    assert len(decode.spaces(bytes(raw), 1)) == 2
    struct.pack_into("<Q", raw, 8, 9999)
    with pytest.raises(Malformed):
        decode.spaces(bytes(raw), 1)


def test_a_device_has_a_path_and_counts_what_is_in_chunks() -> None:
    found = decode.dev_info(bytes.fromhex(replay.document("raid10")["replies"]["dev_info"]["3"]))
    assert found.devid == 3
    assert found.path.startswith("/dev/loop")
    assert 0 < found.allocated_bytes < found.total_bytes == 1 << 30


@pytest.mark.parametrize("name", ["fs_info", "space_info"])
@given(keep=st.integers(0, 1023))
def test_a_short_reply_is_refused(name: str, keep: int) -> None:
    raw = reply("layers", name)[:keep]
    whole = {"fs_info": 80, "space_info": 16 + 4 * 24}[name]
    decoder: Callable[[bytes], Any] = decode.fs_info if name == "fs_info" else lambda data: decode.spaces(data, 1)
    if len(raw) < whole:
        with pytest.raises(Malformed):
            decoder(raw)


@given(st.binary(max_size=600))
def test_items_of_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    decoders = (decode.root, decode.reference, decode.chunk, decode.block_group, decode.quota_status, decode.qgroup)
    for decoder in decoders:
        try:
            decoder(data)
        except Malformed:
            continue


def test_a_root_item_of_before_linux_3_6_has_no_uuids_and_no_birth() -> None:
    raw = bytearray(239)
    struct.pack_into("<QQQ", raw, 160, 7, 256, 4096)
    raw[238] = 2
    found = decode.root(bytes(raw))
    assert (found.generation, found.bytenr, found.level) == (7, 4096, 2)
    assert (found.uuid, found.parent_uuid, found.created_at, found.drop_key) == ("", "", None, None)


def test_a_root_item_tells_its_birth_and_how_far_the_cleaner_came() -> None:
    raw = bytearray(439)
    struct.pack_into("<QBQBB", raw, 220, 300, 108, 4096, 1, 2)
    struct.pack_into("<Q", raw, 339, 1_700_000_000)
    found = decode.root(bytes(raw))
    assert found.created_at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert (found.drop_key, found.drop_level, found.level) == ((300, 108, 4096), 1, 2)


@pytest.mark.parametrize(
    ("flags", "devices", "expected"),
    [
        (ioctl.DATA, 1, ("data", "single", (1, 1))),
        (ioctl.METADATA | ioctl.DUP, 1, ("metadata", "DUP", (2, 1))),
        (ioctl.SYSTEM | ioctl.RAID1C3, 4, ("system", "RAID1C3", (3, 1))),
        (ioctl.DATA | ioctl.METADATA | ioctl.RAID0, 2, ("mixed", "RAID0", (1, 1))),
        (ioctl.DATA | ioctl.RAID10, 4, ("data", "RAID10", (2, 1))),
        (ioctl.DATA | ioctl.RAID5, 4, ("data", "RAID5", (4, 3))),
        (ioctl.DATA | ioctl.RAID6, 4, ("data", "RAID6", (4, 2))),
        (ioctl.METADATA | ioctl.GLOBAL_RESERVE, 1, ("global reserve", "single", (1, 1))),
        (ioctl.DATA | 1 << 48, 1, ("data", "single", (1, 1))),
        (ioctl.DATA | 1 << 11, 1, ("data", "profile 0x800", (1, 1))),
    ],
)
def test_block_group_flags_have_names(flags: int, devices: int, expected: tuple[str, str, tuple[int, int]]) -> None:
    assert (ioctl.kind(flags), ioctl.profile(flags), ioctl.copies(flags, devices)) == expected
