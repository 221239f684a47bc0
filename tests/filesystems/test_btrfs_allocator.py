"""The chunk allocator, played forward: against what Linux 6.18 made of the same devices, and laws for any."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.filesystems.btrfs import ioctl
from collectors.filesystems.btrfs.allocator import (
    PROFILES,
    DeviceRoom,
    after_chunk,
    holes,
    limits,
    new_profile,
    one_hole,
    placeable_bytes,
)
from collectors.filesystems.btrfs.decode import ChunkItem

MIB, GIB, STRIPE = 1 << 20, 1 << 30, 64 * 1024


# (profile, MiB of each device, 64-KiB stripes in each hole of it, stripes that data chunks grew by until ENOSPC)
@pytest.mark.parametrize(
    ("profile", "sizes", "rooms", "grew"),
    [
        ("RAID1", (256, 512, 384), ((4080,), (6103,), (4055,)), 6128),
        ("RAID1", (200, 256, 384, 512, 300), ((3184,), (4080,), (5119,), (5846,), (2454,)), 10294),
        ("RAID0", (256, 512), ((320, 1994), (6410,)), 8724),
        ("RAID10", (256, 256, 256, 384), ((320, 2096), (2416,), (2416,), (4464,)), 4832),
        ("RAID5", (256, 300, 512), ((320, 2736), (2778,), (6170,)), 5834),
        ("RAID6", (256, 256, 256, 400), ((320, 2736), (2306,), (2306,), (4610,)), 4612),
        ("RAID1C3", (256, 256, 256, 400), ((320, 3120), (2416,), (2416,), (4720,)), 3808),
        ("DUP", (512,), ((320, 4528),), 2424),
        ("single", (256, 512), ((192, 3018), (7434,)), 10644),
    ],
)
def test_as_much_is_placed_as_the_kernel_placed(
    profile: str, sizes: tuple[int, ...], rooms: tuple[tuple[int, ...], ...], grew: int
) -> None:
    devices = [
        DeviceRoom(size * MIB, tuple(count * STRIPE for count in room)) for size, room in zip(sizes, rooms, strict=True)
    ]
    most = limits("data", sum(sizes) * MIB)
    assert placeable_bytes(profile, devices, most) == grew * STRIPE


rooms = st.lists(st.lists(st.integers(0, 3 * GIB), max_size=3).map(tuple), min_size=1, max_size=6)


@given(st.sampled_from(sorted(PROFILES)), rooms)
def test_no_more_is_placed_than_there_is_and_none_on_too_few_devices(name: str, lengths: list[tuple[int, ...]]) -> None:
    profile = PROFILES[name]
    devices = [DeviceRoom(4 * GIB, length) for length in lengths]
    placed = placeable_bytes(name, devices, limits("data", 4 * GIB * len(devices)))
    assert placed % STRIPE == 0
    assert placed * profile.copies <= sum(sum(length) for length in lengths)
    if sum(any(hole >= STRIPE * profile.stripes for hole in length) for length in lengths) < profile.least:
        assert placed == 0


def test_a_large_filesystem_takes_no_longer() -> None:
    devices = [DeviceRoom(100 << 40, (100 << 40,)) for _ in range(8)]
    most = limits("data", 800 << 40)
    assert placeable_bytes("RAID1", devices, most) == pytest.approx(400 << 40, rel=0.001)
    assert placeable_bytes("RAID6", devices, most) == pytest.approx(600 << 40, rel=0.001)


def test_after_one_chunk_the_devices_have_that_much_less() -> None:
    devices = [DeviceRoom(256 * MIB, (200 * MIB,)), DeviceRoom(512 * MIB, (60 * MIB, 400 * MIB))]
    most = limits("metadata", 768 * MIB)
    left = after_chunk("RAID1", devices, most)
    stripe = 80 * MIB  # a tenth of the devices, rounded up to 16 MiB
    assert [device.holes for device in left] == [(200 * MIB - stripe,), (60 * MIB, 400 * MIB - stripe)]
    assert after_chunk("RAID1", devices[:1], most) == tuple(devices[:1])


@pytest.mark.parametrize(
    ("present", "devices", "target", "profile"),
    [
        (("RAID1",), 2, "", "RAID1"),
        (("RAID1",), 1, "", "single"),  # degraded
        (("single", "RAID1"), 2, "", "RAID1"),  # a conversion half done goes on as the better of the two
        (("RAID1", "single"), 2, "single", "single"),  # while it runs, or is paused
        (("DUP", "RAID1C3"), 2, "", "DUP"),
        (("profile 0x800",), 2, "", None),
    ],
)
def test_the_profile_of_the_next_chunk(present: tuple[str, ...], devices: int, target: str, profile: str) -> None:
    assert new_profile(present, devices, target) == profile


def test_chunks_are_limited_by_kind_by_size_and_by_the_administrator() -> None:
    assert limits("metadata", 40 * GIB).chunk_bytes == GIB // 4
    assert limits("metadata", 60 * GIB).chunk_bytes == GIB
    assert limits("data", 40 * GIB).chunk_bytes == 4 * GIB
    assert limits("data", 400 * GIB).chunk_bytes == 10 * GIB
    assert limits("data", 400 * GIB, told=GIB // 2).stripe_bytes == GIB // 2


def test_holes_lie_between_the_stripes_and_the_first_mib_is_nobodys() -> None:
    chunks = [
        ChunkItem(8 * MIB, STRIPE, ioctl.DATA, 1, ((1, 4 * MIB),), 80),
        ChunkItem(8 * MIB, STRIPE, ioctl.METADATA | ioctl.DUP, 1, ((1, 20 * MIB), (1, 28 * MIB)), 112),
        ChunkItem(8 * MIB, STRIPE, ioctl.DATA, 1, ((2, 0),), 80),
    ]
    assert holes(1, 64 * MIB, chunks) == (3 * MIB, 8 * MIB, 28 * MIB)
    assert one_hole(64 * MIB, 24 * MIB) == (39 * MIB,)
    assert one_hole(64 * MIB, 64 * MIB) == ()
