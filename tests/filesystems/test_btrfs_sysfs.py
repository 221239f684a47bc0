"""sysfs of btrfs from folders of files, and the order of keys."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.filesystems.btrfs import figures, search
from collectors.filesystems.btrfs.decode import DevInfo
from collectors.filesystems.btrfs.ioctl import U64_MAX
from collectors.system.deadline import Host, Malformed, this_host

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


@pytest.mark.parametrize(
    ("devid", "path", "files", "missing", "takes_chunks"),
    [
        (1, "/dev/sda", {"missing": "0\n", "writeable": "1\n"}, False, True),
        (1, "/dev/sda", {"missing": "0\n", "writeable": "0\n"}, False, False),  # a seed
        (1, "/dev/sda", {"missing": "1\n", "writeable": "0\n"}, True, False),
        (2, "", {}, True, False),
        (2, "/dev/sdb", {}, False, True),  # a kernel that does not tell
        (0, "/dev/sdc", {"missing": "0\n", "writeable": "1\n"}, False, False),  # the target of a replacement
    ],
)
def test_a_device_is_missing_or_takes_chunks_as_the_kernel_says(
    host: Host, devid: int, path: str, files: dict[str, str], missing: bool, takes_chunks: bool
) -> None:
    told = figures.folder(host, UUID) / "devinfo" / str(devid)
    told.mkdir(exist_ok=True)
    for name, text in files.items():
        (told / name).write_text(text)
    device = DevInfo(devid, "uuid", path, 9, 9)
    assert figures.device_state(host, device, UUID) == (missing, takes_chunks)


def test_what_runs_and_the_limit_of_a_chunk_are_told_or_unknown(host: Host) -> None:
    assert figures.chunk_limit(host, UUID, "data") is None
    assert not figures.of_a_clone(host, UUID)
    with pytest.raises(FileNotFoundError):
        figures.running(host, UUID)
    folder = figures.folder(host, UUID)
    (folder / "allocation" / "data").mkdir(parents=True)
    (folder / "allocation" / "data" / "chunk_size").write_text("268435456\n")
    (folder / "exclusive_operation").write_text("balance paused\n")
    (folder / "temp_fsid").write_text("1\n")
    assert figures.chunk_limit(host, UUID, "data") == 1 << 28
    assert figures.running(host, UUID) == "balance paused"
    assert figures.of_a_clone(host, UUID)


@given(st.integers(0, U64_MAX), st.integers(0, 255), st.integers(0, U64_MAX))
def test_the_following_key_is_the_next_one(objectid: int, kind: int, offset: int) -> None:
    def number(key: tuple[int, int, int]) -> int:
        return key[0] << 72 | key[1] << 64 | key[2]

    after = search.following((objectid, kind, offset))
    if after is None:
        assert (objectid, kind, offset) == (U64_MAX, 255, U64_MAX)
    else:
        assert number(after) == number((objectid, kind, offset)) + 1
