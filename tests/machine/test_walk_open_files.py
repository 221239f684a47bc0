"""Processes with very many open files: the search stays within its deadline and finds what matters."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.drivers.leftovers import open_nowhere
from collectors.engine.endpoint import Endpoint
from collectors.filesystems import btrfs, kind_of, xfs
from collectors.filesystems.btrfs import figures
from collectors.inventory import Request, assemble
from collectors.model.filesystem import OpenFiles
from collectors.model.reading import Between, Exact, Why
from collectors.model.snapshot import FilesystemStudy
from collectors.system import mountinfo, unlinked_files
from collectors.system.deadline import Host, this_host
from collectors.system.unlinked_files import deleted_on
from tests.drivers.docker_root_trees import GraphRoot
from tests.lab.commands import run
from tests.lab.require import require_machine
from tests.machine.test_walk_mounts import a_disk
from tests.system.walking import counted_looks, fill, mapped, search_open_files

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


@contextmanager
def nameless(root: Path) -> Iterator[list[int]]:
    """Files that are open and have no name; beside them a directory, one that keeps a name, and one that is cut."""
    held = [fill(root / f"gone-{number}", 5000).open("rb") for number in range(40)]
    kept = [fill(root / name, 5000).open("rb") for name in ("second", "cut")]
    (root / "second name").hardlink_to(root / "second")
    os.truncate(root / "cut", 10)
    (root / "folder").mkdir()
    folder = os.open(root / "folder", os.O_RDONLY)
    for path in (*root.glob("gone-*"), root / "second"):
        path.unlink()
    (root / "folder").rmdir()
    try:
        yield sorted(os.fstat(file.fileno()).st_ino for file in held)
    finally:
        os.close(folder)
        for file in (*held, *kept):
            file.close()


@pytest.mark.parametrize(
    ("fs", "options"), [("ext4", ("-O", "^orphan_file")), ("ext4", ("-O", "orphan_file")), ("xfs", ())]
)
def test_a_filesystem_names_the_files_that_have_no_name_any_more(fs: str, options: tuple[str, ...]) -> None:
    with a_disk(fs, mkfs_options=options) as root:
        (mount,) = (one for one in mountinfo.of_the_engine(this_host()) if one.mountpoint == str(root))

        def told() -> list[int] | None:
            found = kind_of(fs).own(mount, this_host(), timeout_s=5.0).unlinked
            return None if found is None else sorted(found)

        assert told() == []
        with nameless(root) as inodes:
            assert told() == inodes
            assert sorted(file.inode for file in search_on(mount.device).files) == inodes
        assert told() == []


@pytest.mark.parametrize("limit", ["_LISTING_S", "_FEW_INODES"])
def test_an_xfs_that_does_not_list_its_files_in_time_tells_the_rest(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xfs, limit, 0)
    with a_disk("xfs") as root, nameless(root):
        (mount,) = (one for one in mountinfo.of_the_engine(this_host()) if one.mountpoint == str(root))
        found = kind_of("xfs").own(mount, this_host(), timeout_s=5.0)
    assert found.unlinked is None
    assert isinstance(found.bytes, Between)
    assert isinstance(found.inodes, Exact)


def test_a_btrfs_names_those_of_every_subvolume() -> None:
    with a_disk("btrfs") as root, ExitStack() as stack:
        for name in ("one", "two"):
            run("btrfs", "subvolume", "create", root / name)
        inodes = [inode for name in ("one", "two") for inode in stack.enter_context(nameless(root / name))]
        run("btrfs", "subvolume", "snapshot", root / "one", root / "copy")
        facts = btrfs.filesystem(root, this_host(), timeout_s=5.0)
        assert isinstance(facts, Exact)
        assert figures.unlinked(root, facts.value, timeout_s=5.0) == tuple(inodes)
        assert len(set(inodes)) < len(inodes), "subvolumes number their files each for itself"
        (mount,) = (one for one in mountinfo.of_the_engine(this_host()) if one.mountpoint == str(root))
        assert sorted(file.inode for file in search_on(mount.device).files) == sorted(inodes)


def test_an_ext4_without_a_journal_does_not_tell_of_them() -> None:
    with a_disk("ext4", mkfs_options=("-O", "^has_journal")) as root:
        (mount,) = (one for one in mountinfo.of_the_engine(this_host()) if one.mountpoint == str(root))
        assert kind_of("ext4").own(mount, this_host(), timeout_s=5.0).unlinked is None


def search_on(device: str) -> OpenFiles:
    reading = deleted_on(search_open_files(this_host(), deadline_s=20), device)
    assert isinstance(reading, Exact)
    return reading.value


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return counted_looks(monkeypatch)


def look_at(root: Path) -> FilesystemStudy:
    host = this_host(docker_root=root / "docker")
    request = Request(Endpoint("", "none", False, None, "no engine"), host, 20.0, 3600.0)
    return assemble(request).studies[0]


@pytest.mark.parametrize("fs", ["ext4", "btrfs", "xfs"])
def test_mappings_are_read_only_where_they_can_tell_more(fs: str, looks: list[str]) -> None:
    with a_disk(fs) as root:
        GraphRoot(root / "docker").save_build_cache()
        left = fill(root / "docker" / "tmp" / "GetImageBlob1", 5000)
        os.utime(left, (1, 1))
        path = fill(root / "open", 5000)
        with mapped(path):
            with path.open():
                path.unlink()
                (unit,) = (one for one in look_at(root).units if one.name == "GetImageBlob1")
                assert unit.owners, "nobody has it open: it is left over"
                assert looks == ["descriptors"], "the one file without a name was found"
            study = look_at(root)
            assert looks[1:] == ["descriptors", "mappings"], "no descriptor leads to it any more"
            assert isinstance(study.open_deleted, Exact)
            assert [file.path for file in study.open_deleted.value.files] == [str(path)]
        with mapped(left):
            (unit,) = (one for one in look_at(root).units if one.name == "GetImageBlob1")
            assert not unit.owners, "a mapping keeps it"
        assert looks[3:] == ["descriptors", "mappings"]
        folder = root / "docker" / "tmp" / "docker-builder2"
        (folder / "deep").mkdir(parents=True)
        for path in (folder / "deep", folder):
            os.utime(path, (1, 1))
        with subprocess.Popen(["sleep", "60"], cwd=folder / "deep") as inside:
            owned = [one.name for one in look_at(root).units if one.owners]
            inside.kill()
        assert "docker-builder2" not in owned, "a process works in it"
        assert "GetImageBlob1" in owned


def test_what_is_open_or_mapped_anywhere_is_in_use_by_the_kernels_word(tmp_path: Path) -> None:
    for name in ("closed", "open", "mapped", "folder/file"):
        fill(tmp_path / name, 5000)
    (tmp_path / "link").symlink_to("nowhere")
    names = ("closed", "open", "mapped", "folder", "link", "none")
    paths = [str(tmp_path / name) for name in names]
    with (tmp_path / "open").open(), mapped(tmp_path / "mapped"):
        found = open_nowhere(paths, timeout_s=5.0)
    assert list(found.values()) == [True, False, False, None, True, None]
    assert open_nowhere(paths[:1], timeout_s=0.0) == {paths[0]: None}
    (tmp_path / "closed").write_bytes(b"the lease was given back")


HOLDERS = """
import os, sys, time
for number in range(int(sys.argv[2])):
    path = f"{sys.argv[1]}/{number}"
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    os.write(os.open(path, os.O_RDWR), b"x")
    os.unlink(path)
for _ in range(3):
    if not os.fork():
        sys.stdin.read()
        os._exit(0)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("count", [100, 12_000])
def test_two_who_share_the_search_count_what_both_meet_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    require_machine()
    resource.setrlimit(resource.RLIMIT_NOFILE, (20_000, max(20_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    words = [sys.executable, "-c", HOLDERS, str(tmp_path), str(count)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        pids = {process.pid, *map(int, children)}
        for processes in (1, 1 << 30):  # from how many on two share the work
            monkeypatch.setattr(unlinked_files, "_WORTH_TWO", processes)
            theirs = [file for file in search(this_host(), 20).files if file.pid in pids]
            assert sum(file.apparent_bytes for file in theirs) == count
        process.communicate()
