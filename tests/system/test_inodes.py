"""Runs of an XFS's inodes are read from what its kernel lists, whatever else is in use between them, or not at all."""

from __future__ import annotations

import ctypes
import os
import random
import struct
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.system.child import inodes
from collectors.system.child.inodes import BulkProofs, BulkReader, open_bulk

RECORD_BYTES = 192
BEGAN = 1_700_000_100
Runs = tuple[tuple[int, int], ...]


@dataclass
class Kernel:
    """Lists the inodes in `used`: number → (blocks, seconds and nanoseconds of change)."""

    used: dict[int, tuple[int, int, int]]
    modes: dict[int, int] = field(default_factory=dict)  # of other than plain files
    links: dict[int, int] = field(default_factory=dict)  # where there are more or fewer than one
    listed: list[int] = field(default_factory=list)  # how many at each call

    def ioctl(self, descriptor: int, number: Any, reply: Any) -> int:
        assert (descriptor, number.value) == (7, 0x8040587F)
        first, flags, room, _ = struct.unpack_from("<QIII", reply)
        assert flags == 0
        assert ctypes.sizeof(reply) >= 64 + room * RECORD_BYTES
        found = [inode for inode in sorted(self.used) if inode >= first][:room]
        for place, inode in enumerate(found):
            blocks, seconds, extra = self.used[inode]
            at = 64 + place * RECORD_BYTES
            struct.pack_into("<QQQ24xq", reply, at, inode, 1, blocks, seconds)
            struct.pack_into("<I", reply, at + 88, extra)
            struct.pack_into("<I", reply, at + 112, self.links.get(inode, 1))
            struct.pack_into("<H", reply, at + 132, self.modes.get(inode, 0o100644))
        struct.pack_into("<QIII", reply, 0, found[-1] + 1 if found else first, 0, room, len(found))
        self.listed.append(len(found))
        return 0


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    found = Kernel({})
    monkeypatch.setattr(inodes, "_libc", found)
    return found


def proofs() -> BulkProofs:
    return BulkProofs(7, 4096)


def read(runs: Runs) -> list[int]:
    reader = BulkReader(7, 4096)
    return [number for part in reader._parts(runs) for number in part[0 :: reader.words].tolist()]


def proved(kernel: Kernel, numbers: list[int]) -> inodes.Proof:
    blocks = sum(kernel.used[number][0] for number in numbers) * 8
    found = proofs().prove(array("Q", numbers), blocks, BEGAN)
    assert found is not None
    return found


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_every_run_is_read_whole_with_few_others_or_the_one_that_is_gone_is_noticed(data: st.DataObject) -> None:
    chunks = data.draw(st.sets(st.integers(0, 60), min_size=1))
    ours = data.draw(st.sets(st.sampled_from([64 * chunk + place for chunk in chunks for place in range(64)])))
    others = data.draw(st.sets(st.integers(0, 4000), max_size=300))
    found = Kernel(dict.fromkeys(ours | others, (1, 2, 3)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inodes, "_libc", found)
        runs = tuple(proofs()._runs(sorted(ours))) if ours else ()
        assert read(runs) == sorted(ours)
        assert sum(found.listed) <= 3 * len(ours) + 64
        if ours:
            del found.used[data.draw(st.sampled_from(sorted(ours)))]
            with pytest.raises(FileNotFoundError):
                read(runs)


def test_inodes_that_follow_one_another_come_many_at_a_time(kernel: Kernel) -> None:
    runs = tuple((100 + 128 * number, 64) for number in range(100))
    kernel.used = {first + place: (1, 2, 3) for first, count in runs for place in range(count)}
    read(runs)
    assert kernel.listed[:4] == [64, 128, 256, 512]
    assert len(kernel.listed) == 15


def test_where_every_second_inode_is_another_s_about_twice_as_many_are_read(kernel: Kernel) -> None:
    kernel.used = dict.fromkeys(range(20_000), (1, 2, 3))
    read(tuple((100 + 128 * number, 64) for number in range(100)))
    assert sum(kernel.listed) <= 2.1 * 6400


def test_others_may_come_and_go_between_two_looks(kernel: Kernel) -> None:
    chance = random.Random(3)
    chunks = [range(first, first + 64) for first in range(0, 12_800, 64)]
    ours = [number for chunk in sorted(chance.sample(chunks, 100), key=min) for number in chunk]
    figures = {number: (number % 7, 1_700_000_000 + number % 9, number) for number in ours}
    kernel.used = dict(figures)
    before = proved(kernel, ours)
    for density in (1, 0.01, 0.1, 0.9):
        others = (number for number in range(12_800) if number not in figures and chance.random() < density)
        kernel.used = dict.fromkeys(others, (1, 2, 3)) | figures
        assert proofs().holding([before]) == [True], density


@pytest.mark.parametrize("changed", [(9, 1_700_000_000, 3), (8, 1_700_000_001, 3), (8, 1_700_000_000, 4), None])
def test_what_differs_in_one_inode_is_noticed(kernel: Kernel, changed: tuple[int, int, int] | None) -> None:
    numbers = [*range(100, 500), 777]
    kernel.used = dict.fromkeys(range(2000), (8, 1_700_000_000, 3))
    before = proved(kernel, numbers)
    kernel.used[50] = kernel.used[600] = (1, 1, 1)  # somebody else's
    assert proofs().holding([before]) == [True]
    for number in (100, 300, 499, 777):
        was = kernel.used.pop(number)
        if changed is not None:
            kernel.used[number] = changed
        assert proofs().holding([before]) == [False]
        kernel.used[number] = was
    assert proofs().holding([before]) == [True]


def test_what_was_counted_otherwise_or_changed_a_moment_ago_is_not_proved(kernel: Kernel) -> None:
    numbers = array("Q", range(100))
    kernel.used = dict.fromkeys(range(100), (2, BEGAN - 100, 0))
    assert proofs().prove(numbers, 100 * 16, BEGAN) is not None
    assert proofs().prove(numbers, 100 * 16 + 8, BEGAN) is None
    kernel.used[5] = (2, BEGAN - 3, 0)
    assert proofs().prove(numbers, 100 * 16, BEGAN) is None
    assert proofs().prove(array("Q", range(63)), 63 * 16, BEGAN) is None, "so few are walked as quickly"


def test_of_many_runs_two_threads_find_the_one_that_changed(kernel: Kernel) -> None:
    kernel.used = dict.fromkeys(range(20_000), (1, 2, 3))
    several = [proved(kernel, list(range(first, first + 900))) for first in range(0, 20_000, 1000)]
    kernel.used[7100] = (1, 2, 4)
    assert [index for index, holds in enumerate(proofs().holding(several)) if not holds] == [7]


def test_plain_files_are_found_by_what_they_take(kernel: Kernel) -> None:
    kernel.used = dict.fromkeys(range(64, 2000), (1, 2, 3))
    kernel.used |= {70: (16, 2, 3), 900: (15, 2, 3), 1999: (1 << 32, 2, 3), 500: (20, 2, 3)}
    kernel.modes = {500: 0o040755}
    found = BulkReader(7, 4096).plain_files(64 << 10, nameless=False)
    assert [inode for some in found for inode in some] == [70, 1999]
    assert len(kernel.listed) == 5


def test_files_without_a_name_are_those_that_no_link_leads_to(kernel: Kernel) -> None:
    kernel.used = dict.fromkeys(range(64, 2000), (1, 2, 3))
    kernel.links, kernel.modes = {70: 0, 500: 0, 900: 2, 1999: 0}, {500: 0o040755}
    found = BulkReader(7, 4096).plain_files(0, nameless=True)
    assert [inode for some in found for inode in some] == [70, 1999]


def test_a_filesystem_whose_kernel_lists_no_inodes_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inodes, "_libc", ctypes.CDLL(None, use_errno=True))
    root = os.open("/proc", os.O_DIRECTORY)
    try:
        assert open_bulk(root) is None
    finally:
        os.close(root)
