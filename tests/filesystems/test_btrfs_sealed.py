"""Blocks that were spoilt before their checksum was made: what the fuzzer found to be answered wrongly, refused now.

Which block, the offset in it, what is written there, and how the walk puts it.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from collectors.filesystems.btrfs.trees.blocks import Slots
from tests.filesystems import btrfs_replay as replay
from tests.fuzz.targets import btrfs as fuzzed


@pytest.mark.parametrize(
    ("shape", "block", "at", "new", "words"),
    [
        ("layers", 28, 13930, "00000000", "an inode of no kind"),
        ("mixed", 13, 235, "ffffffffffffffff", "an extent item that is neither inline nor whole"),
        ("layers", 11, 9974, "35169b013c044076", "an extent item that no kernel writes"),
        ("raid10", 31, 15050, "0030000004000000", "a file uses more of an extent than there is"),
        ("raid10", 31, 9736, "00915e0a00000000", "two extents lie on each other"),
        ("mixed", 12, 209, "7f", "an item of unknown type N"),
        ("layers", 17, 384, "9c", "an item of unknown type N"),
        ("raid10", 16, 12474, "33", "subvolumes and their parents disagree on where they lie"),
        ("layers", 12, 142, "b1", "block N does not begin where its parent says"),
        ("layers", 21, 110, "0002000000000000", "a block does not begin where its parent says"),
        ("raid10", 1, 15488, "0000000000000000", "chunk N and its block group hold different things"),
        ("layers", 1, 16182, "ffffffffffffffff", "the chunk at N lies on no device"),
    ],
)
def test_a_spoilt_field_is_refused(shape: str, block: int, at: int, new: str, words: str) -> None:
    case = {"shape": shape, "sealed": True, "damage": [[block, at, new, "a field"]]}
    end = fuzzed.judge(json.dumps(case).encode())
    assert end.partition(": ")[2] == words


def test_an_entry_that_leads_to_somebody_elses_inode_leads_nowhere() -> None:
    case = {"shape": "layers", "sealed": True, "damage": [[29, 161, "00", "a field"]]}
    assert fuzzed.judge(json.dumps(case).encode()) == "flagged: a directory was not found"


def blocks_of(shape: str) -> list[tuple[bytes, int, int]]:
    """(block, items in it, level) of every tree block."""
    content = replay.blocks(shape)
    found = []
    for place, size, fields in fuzzed.places(shape):
        if fields[0].name.startswith("header"):
            block = fuzzed.joined(content, place, size)
            found.append((block, int.from_bytes(block[96:100], "little"), block[100]))
    return found


def holds(block: bytes, count: int, level: int) -> bool:
    rows = np.frombuffer(block[:96] + count.to_bytes(4, "little") + block[100:], np.uint8).reshape(1, -1)
    return bool(Slots.of(rows, level).orderly()[0])


@pytest.mark.parametrize("shape", replay.SHAPES)
def test_every_real_block_holds_together(shape: str) -> None:
    assert all(holds(*block) for block in blocks_of(shape))


@pytest.mark.parametrize("shape", replay.SHAPES)
def test_neighbours_that_changed_places_do_not(shape: str) -> None:
    for block, count, level in blocks_of(shape):
        step = 33 if level else 25
        if count > 1:
            one, other = block[101 : 101 + step], block[101 + step : 101 + 2 * step]
            assert not holds(block[:101] + other + one + block[101 + 2 * step :], count, level)


def test_a_place_or_size_that_is_off_by_one_does_not() -> None:
    for block, count, level in blocks_of("mixed"):
        for number in range(count if not level else 0):
            for at in (101 + 25 * number + 17, 101 + 25 * number + 21):
                value = int.from_bytes(block[at : at + 4], "little")
                assert not holds(block[:at] + (value + 1).to_bytes(4, "little") + block[at + 4 :], count, level)


def test_more_items_than_there_is_room_for_do_not() -> None:
    block, count, level = blocks_of("mixed")[0]
    assert holds(block, count, level)
    assert not holds(block, 2**31, level)
    assert not holds(block, len(block) // 25, level)


def test_sizes_that_wrap_do_not_hold() -> None:
    """Two items: the second one's data would end, modulo 2^32, where the first one's begins."""
    block = bytearray(4096)
    block[101:126] = (1).to_bytes(8, "little") + bytes(9) + (3990).to_bytes(4, "little") + (5).to_bytes(4, "little")
    second = (2).to_bytes(8, "little") + bytes(9) + (2**32 - 10).to_bytes(4, "little") + (4000).to_bytes(4, "little")
    block[126:151] = second
    assert holds(bytes(block), 1, 0)
    assert not holds(bytes(block), 2, 0)
