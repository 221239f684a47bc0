"""sysfs of btrfs from folders of files, and the order of keys."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.filesystems.btrfs import figures, search
from collectors.filesystems.btrfs.ioctl import U64_MAX
from collectors.system.deadline import Malformed
from collectors.system.host import Host, this_host

UUID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    stats = tmp_path / "fs" / "btrfs" / UUID / "devinfo" / "1" / "error_stats"
    stats.parent.mkdir(parents=True)
    stats.write_text("write_errs 0\nread_errs 7\nflush_errs 0\ncorruption_errs 2\ngeneration_errs 0\nnew_errs 5\n")
    return dataclasses.replace(this_host(), sys=tmp_path)


def test_error_counters_have_their_names(host: Host) -> None:
    found = dict(figures.device_errors(host, UUID, 1))
    assert found == {"write_errs": 0, "read_errs": 7, "flush_errs": 0, "corruption_errs": 2, "generation_errs": 0}


def test_a_counter_that_is_missing_is_not_zero(host: Host) -> None:
    stats = figures.folder(host, UUID) / "devinfo" / "1" / "error_stats"
    stats.write_text("write_errs 0\n")
    with pytest.raises(Malformed, match="read_errs"):
        figures.device_errors(host, UUID, 1)
    stats.write_text("dev stats not valid\n")  # what the kernel says of a device that it could not read them from
    with pytest.raises(Malformed):
        figures.device_errors(host, UUID, 1)


def test_quotas_are_off_where_the_filesystem_has_no_qgroups_and_unknown_where_it_is_not_seen(host: Host) -> None:
    assert not figures.quotas_enabled(host, UUID)
    (figures.folder(host, UUID) / "qgroups").mkdir()
    assert figures.quotas_enabled(host, UUID)
    with pytest.raises(FileNotFoundError):
        figures.quotas_enabled(host, "another")


def test_device_names_are_below_dev(host: Host) -> None:
    for name in ("sda3", "cciss!c0d0p1"):
        (figures.folder(host, UUID) / "devices" / name).mkdir(parents=True)
    assert set(figures.device_names(host, UUID)) == {"sda3", "cciss/c0d0p1"}


@given(st.integers(0, U64_MAX), st.integers(0, 255), st.integers(0, U64_MAX))
def test_the_following_key_is_the_next_one(objectid: int, kind: int, offset: int) -> None:
    def number(key: tuple[int, int, int]) -> int:
        return key[0] << 72 | key[1] << 64 | key[2]

    after = search.following((objectid, kind, offset))
    if after is None:
        assert (objectid, kind, offset) == (U64_MAX, 255, U64_MAX)
    else:
        assert number(after) == number((objectid, kind, offset)) + 1
