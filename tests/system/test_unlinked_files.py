"""Unlinked files that are still open: found, attributed to the right filesystem, and never invented."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.model.filesystem import Mount, OpenDeleted, OpenFiles
from collectors.model.reading import Exact, Why
from collectors.system.child.open_files import InodeStatus, UnlinkedFiles
from collectors.system.deadline import Malformed, this_host
from collectors.system.mount_table import Overlays
from collectors.system.unlinked_files import decode, deleted_on
from tests.system.walking import a_mount, fill, mapped, search_open_files

CONTAINER = "0123456789abcdef" * 4
CGROUP = b"0::/docker/" + CONTAINER.encode() + b"\n"
RECORD = (7, b"/app/x", 1, "0:45", 99, 16, 8000, 600, 4026, b"nginx\n", CGROUP, b"")


def search(device: str | None = None, deadline_s: float = 20) -> OpenFiles:
    reading = deleted_on(search_open_files(this_host(), deadline_s=deadline_s), device)
    assert isinstance(reading, Exact), reading
    return reading.value


def mine(found: OpenFiles, name: str) -> list[OpenDeleted]:
    return [file for file in found.files if file.path.endswith(f"/{name}")]


def device_of(path: Path) -> str:
    number = path.stat().st_dev
    return f"{os.major(number)}:{os.minor(number)}"


@pytest.fixture
def gone(tmp_path: Path) -> Iterator[tuple[Path, int, os.stat_result]]:
    path = fill(tmp_path / "gone.log", 300_000)
    file = os.open(path, os.O_RDONLY)
    path.unlink()
    yield path, file, os.fstat(file)
    os.close(file)


def test_a_file_that_is_unlinked_and_open_is_found_with_its_holder(gone: tuple[Path, int, os.stat_result]) -> None:
    path, file, status = gone
    again = os.dup(file)
    (found,) = mine(search(), "gone.log")
    os.close(again)
    assert found.path == str(path)
    assert (found.inode, found.apparent_bytes) == (status.st_ino, 300_000)
    assert found.allocated_bytes == status.st_blocks * 512
    assert found.pid == os.getpid()
    assert found.command == Path("/proc/self/comm").read_text().strip()
    assert found.started_ticks == int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])


def test_only_the_filesystem_that_is_asked_for_is_answered(gone: tuple[Path, int, os.stat_result]) -> None:
    assert mine(search(device_of(gone[0].parent)), "gone.log")
    assert search("999:999").files == ()


def test_a_file_with_a_name_left_takes_no_space_of_its_own(tmp_path: Path) -> None:
    path = fill(tmp_path / "linked.log", 1000)
    other = fill(tmp_path / "really (deleted)", 1000)
    (tmp_path / "second").hardlink_to(path)
    with path.open(), other.open():
        path.unlink()
        found = search()
    assert not mine(found, "linked.log")
    assert not mine(found, "really")
    assert not mine(found, "really (deleted)")


def test_a_file_that_is_only_mapped_is_found(tmp_path: Path) -> None:
    path = fill(tmp_path / "mapped.so", 50_000)
    with mapped(path):
        path.unlink()
        (found,) = mine(search(), "mapped.so")
    assert found.apparent_bytes == 50_000


def test_an_inode_that_many_processes_hold_is_reported_once(gone: tuple[Path, int, os.stat_result]) -> None:
    script = "import sys; sys.stdin.read()"
    others = [
        subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, pass_fds=(gone[1],)) for _ in range(3)
    ]
    try:
        assert len(mine(search(), "gone.log")) == 1
    finally:
        for other in others:
            other.communicate()


def test_memory_that_looks_like_a_file_is_not_on_a_disk() -> None:
    memory = os.memfd_create("gone.memory")
    os.write(memory, b"x" * 100_000)
    found = search()
    os.close(memory)
    assert not [file for file in found.files if "gone.memory" in file.path]


def test_a_search_without_time_says_so() -> None:
    assert Why.TIMED_OUT in {missing.why for missing in search(deadline_s=0.001).unread}


def test_processes_that_cannot_be_seen_are_named(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    host = replace(this_host(), proc=tmp_path)
    reading = deleted_on(search_open_files(host, deadline_s=10), None)
    assert isinstance(reading, Exact)
    assert reading.value.files == ()
    assert {missing.why for missing in reading.value.unread} == {Why.NOT_REACHABLE}


def test_a_record_names_process_and_container() -> None:
    held = decode(RECORD, {})
    assert (held.file.command, held.file.container, held.file.pid) == ("nginx", CONTAINER, 7)
    assert held.mount is None
    assert decode((*RECORD[:-2], b"0::/system.slice/cron.service\n", b""), {}).file.container == ""
    inside_kubernetes = f"0::/kubepods/pod1/cri-containerd-{CONTAINER}.scope\n".encode()
    assert decode((*RECORD[:-2], inside_kubernetes, b""), {}).file.container == CONTAINER


def test_a_record_names_the_start_of_its_process_whatever_that_is_called() -> None:
    rest = b" S " + b" ".join(b"%d" % number for number in range(4, 53)) + b"\n"
    for name in (b"logger", b"a b", b") S 1 (", b"a\nb)"):
        assert decode((*RECORD[:-1], b"7 (" + name + b")" + rest), {}).file.started_ticks == 22
    for torn in (b"", b"7 (logger) S 4 5\n", b"7 (logger"):
        assert decode((*RECORD[:-1], torn), {}).file.started_ticks is None


def test_a_record_that_is_none_is_malformed() -> None:
    with pytest.raises(Malformed):
        decode(("x", *RECORD[1:]), {})


HOST = (
    a_mount(1, 0, "/", device="8:1"),
    a_mount(2, 1, "/var/lib/docker", device="8:2"),
    a_mount(9, 2, "/var/lib/docker/overlay2/c/merged", device="0:45", fstype="overlay"),
)


def an_overlay(*options: str, mountpoint: str = "/") -> Mount:
    return a_mount(600, 500, mountpoint, device="0:45", fstype="overlay", options=options)


def test_an_overlays_file_lies_where_its_upper_directory_is() -> None:
    overlay = an_overlay("rw", "lowerdir=/l/A", "upperdir=/var/lib/docker/overlay2/c/diff", "workdir=/w")
    assert Overlays(HOST).device_of(overlay) == "8:2"
    relative = an_overlay("lowerdir=l/A:l/B", "upperdir=c/diff")
    assert Overlays(HOST).device_of(relative) == "8:2"
    assert Overlays(HOST).device_of(an_overlay("ro", "lowerdir=/l/A")) == "0:45"
    assert Overlays(HOST).device_of(a_mount(3, 1, "/data", device="8:7")) == "8:7"


def test_layers_are_asked_for_the_file_by_its_path_inside() -> None:
    overlays = Overlays(HOST)
    relative = an_overlay("lowerdir=l/A:l/B", "upperdir=c/diff")
    assert overlays.lower_paths(relative, "/app/x") == [
        "/var/lib/docker/overlay2/l/A/app/x",
        "/var/lib/docker/overlay2/l/B/app/x",
    ]
    each = an_overlay("lowerdir+=/l/A", "lowerdir+=/l/B:C", mountpoint="/merged")
    assert overlays.lower_paths(each, "/merged/app/x")[0] == "/l/A/app/x"
    assert overlays.lower_paths(a_mount(3, 1, "/data"), "/data/x") == []


def test_of_too_many_files_the_sum_is_kept_and_the_largest_by_name() -> None:
    found = UnlinkedFiles()
    for inode in range(30_000):
        found.add(7, b"/small", InodeStatus(0o100600, 0, "8:1", inode, 8, 4096, 1))
    found.add(7, b"/large", InodeStatus(0o100600, 0, "8:1", 1_000_000, 1 << 20, 1 << 29, 1))
    found.add(8, b"/large", InodeStatus(0o100600, 0, "8:1", 1_000_000, 1 << 20, 1 << 29, 1))
    records = found.take()
    assert len(records) < 30_000
    assert sum(record[2] for record in records) == 30_001
    assert sum(record[5] for record in records) == 30_000 * 8 + (1 << 20)
    assert b"/large" in {record[1] for record in records}
    assert found.take() == []
