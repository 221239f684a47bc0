"""Processes with very many open files: the search stays within its deadline and finds what matters."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.model.filesystem import OpenFiles
from collectors.model.reading import Exact, Why
from collectors.system.deadline import Host, this_host
from collectors.system.unlinked_files import deleted_on, search_open_files
from tests.lab.commands import run
from tests.lab.require import require_machine
from tests.system.walking import fill

pytestmark = pytest.mark.machine

MANY = 1_000_000
HOLDER = """
import os, sys
file = os.open(sys.argv[1], os.O_RDONLY)
for _ in range(int(sys.argv[2]) - 64):
    os.dup(file)
os.unlink(sys.argv[1])
print("ready", flush=True)
sys.stdin.read()
"""

# The descriptor is closed, and no two mappings lie side by side in the file, so that the kernel keeps each.
MAPPER = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
fd = os.open(sys.argv[1], os.O_RDONLY)
os.unlink(sys.argv[1])
for number in range(int(sys.argv[2])):
    if libc.mmap(None, 4096, 1, 1, fd, number % 2 * 8192) in (None, 2**64 - 1):
        sys.exit(f"{number} mappings")
os.close(fd)
print("ready", flush=True)
sys.stdin.read()
"""


def search(host: Host, deadline_s: float) -> OpenFiles:
    began = time.monotonic()
    reading = deleted_on(search_open_files(host, deadline_s=deadline_s), None)
    assert time.monotonic() - began < deadline_s + 1
    assert isinstance(reading, Exact), reading
    return reading.value


def named(found: OpenFiles, name: str) -> bool:
    return any(file.path.endswith(name) for file in found.files)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[int]:
    """A process with as many open files as this machine allows one, up to a million."""
    require_machine()
    most = int(Path("/proc/sys/fs/nr_open").read_text())
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    allowed = hard
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(MANY, most), most))
        allowed = min(MANY, most)
    except (ValueError, PermissionError):  # takes CAP_SYS_RESOURCE
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    path = fill(tmp_path / "held-a-million-times", 1 << 20)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), str(allowed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    yield allowed
    process.communicate()


def test_one_with_all_that_a_process_may_open_is_searched_in_time(holder: int, tmp_path: Path) -> None:
    path = fill(tmp_path / "in-another-process", 1 << 20)
    with path.open():
        path.unlink()
        found = search(this_host(), 20)
        assert named(found, "/in-another-process")
        assert named(found, "/held-a-million-times")
        assert len([file for file in found.files if file.path.endswith("held-a-million-times")]) == 1
        short = search(this_host(), 0.2)
    assert named(short, "/in-another-process") or Why.TIMED_OUT in {missing.why for missing in short.unread}
    assert holder > 1000


def test_a_file_that_is_mapped_as_often_as_a_process_may_is_found_once_and_in_time(tmp_path: Path) -> None:
    require_machine()
    most = int(Path("/proc/sys/vm/max_map_count").read_text())
    path = fill(tmp_path / "mapped", 1 << 20)
    words = [sys.executable, "-c", MAPPER, str(path), str(min(most, MANY) - 2000)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        found = search(this_host(), 20)
        assert len([file for file in found.files if file.path.endswith("/mapped")]) == 1
        short = search(this_host(), 0.2)
        assert named(short, "/mapped") or Why.TIMED_OUT in {missing.why for missing in short.unread}
        process.communicate()


@pytest.fixture(scope="module")
def crowded() -> Iterator[Path]:
    """A /proc of two processes: one with a million descriptors, none of them deleted, and, after it, this one."""
    require_machine()
    with tempfile.TemporaryDirectory(prefix="ullage-proc-") as name:
        base = Path(name)
        run("mount", "-t", "tmpfs", "tmpfs", base)
        try:
            (base / "3" / "fd").mkdir(parents=True)
            folder = os.open(base / "3" / "fd", os.O_DIRECTORY)
            for number in range(MANY):
                os.symlink("/nowhere", str(number), dir_fd=folder)
            os.close(folder)
            (base / "4").symlink_to("/proc/self")
            (base / "5").symlink_to(f"/proc/{os.getpid()}")
            yield base
        finally:
            run("umount", base)


@pytest.mark.parametrize("deadline_s", [0.5, 30.0])
def test_a_million_descriptors_of_one_process_do_not_hide_another(
    crowded: Path, tmp_path: Path, deadline_s: float
) -> None:
    path = fill(tmp_path / "hidden-behind", 1 << 20)
    with path.open():
        path.unlink()
        found = search(replace(this_host(), proc=crowded), deadline_s)
    assert named(found, "/hidden-behind")
    if Why.TIMED_OUT not in {missing.why for missing in found.unread}:
        assert deadline_s > 1


def test_in_a_container_only_what_was_written_there_takes_space_when_it_is_unlinked(tmp_path: Path) -> None:
    require_machine()
    for name in ("low", "up", "work", "merged"):
        (tmp_path / "driver" / "layer" / name).mkdir(parents=True)
    layer = tmp_path / "driver" / "layer"
    fill(layer / "low" / "from-the-image", 500_000)
    merged = layer / "merged"
    options = f"lowerdir={layer / 'low'},upperdir={layer / 'up'},workdir={layer / 'work'}"
    run("mount", "-t", "overlay", "overlay", "-o", options, merged)
    try:
        fill(merged / "written", 300_000)
        with (merged / "from-the-image").open(), (merged / "written").open():
            (merged / "from-the-image").unlink()
            (merged / "written").unlink()
            number = layer.stat().st_dev
            on_disk = deleted_on(
                search_open_files(this_host(), deadline_s=20), f"{os.major(number)}:{os.minor(number)}"
            )
    finally:
        run("umount", merged)
    assert isinstance(on_disk, Exact)
    assert named(on_disk.value, "/written"), "it lies on the disk below the overlay"
    assert not named(on_disk.value, "/from-the-image"), "the image still has it"
