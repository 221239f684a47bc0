"""Trees to walk, and the ways to ask about them that several tests share."""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from collectors.filesystems import kind_of
from collectors.model import HOST_UNIT, UnitId
from collectors.model.filesystem import Mount, Occupancy, Usage
from collectors.model.reading import Exact, Reading
from collectors.model.store import Unit, UnitKind
from collectors.system import mountinfo
from collectors.system.deadline import Clock, Host
from collectors.system.killable import HELPER
from collectors.system.mount_table import Places
from collectors.system.unlinked_files import OpenFileSearch, ProcessSearch
from collectors.system.walk import walk as system_walk


def a_unit(path: Path, *, immutable: bool = False, kind: UnitKind = UnitKind.VOLUME) -> Unit:
    return Unit(UnitId(str(path)), kind, str(path), path.name, frozenset(), immutable, None)


def a_mount(
    mount_id: int,
    parent_id: int,
    mountpoint: str,
    *,
    device: str = "8:1",
    root: str = "/",
    fstype: str = "ext4",
    options: tuple[str, ...] = ("rw",),
) -> Mount:
    return Mount(mount_id, parent_id, device, root, mountpoint, ("rw",), fstype, "/dev/sda1", options)


def walk(
    mountpoint: Path, units: tuple[Unit, ...], *, deadline_s: float, cache: Path | None, top: int = 40
) -> Reading[Occupancy]:
    """The walk with what its kind of filesystem asks for."""
    places = Places(mountinfo.parse(Path("/proc/self/mountinfo").read_bytes()))
    # The mountpoint itself is not asked: it may be one that never answers.
    mount = places.mount_of(os.path.join(os.path.realpath(mountpoint.parent), mountpoint.name))
    traits = kind_of(mount.fstype if mount else "").traits
    return system_walk(mountpoint, units, deadline_s=deadline_s, cache=cache, traits=traits, top=top)


def walked(
    mountpoint: Path, units: Iterable[Unit] = (), *, deadline_s: float = 30, cache: Path | None = None, top: int = 40
) -> Occupancy:
    """The walk's answer; fails where there is none."""
    reading = walk(mountpoint, tuple(units), deadline_s=deadline_s, cache=cache, top=top)
    assert isinstance(reading, Exact), reading
    return reading.value


def exact_bytes(usage: Usage) -> tuple[int, int, int]:
    """Allocated, apparent, inodes; fails where one is not exact."""
    for size in (usage.allocated, usage.apparent, usage.inodes):
        assert isinstance(size, Exact), size
    assert isinstance(usage.allocated, Exact)
    assert isinstance(usage.apparent, Exact)
    assert isinstance(usage.inodes, Exact)
    return usage.allocated.value, usage.apparent.value, usage.inodes.value


def of(occupancy: Occupancy, path: Path | None = None) -> tuple[int, int, int]:
    """Figures of one unit, or of everything that is in none."""
    return exact_bytes(occupancy.usages[HOST_UNIT if path is None else UnitId(str(path))])


def du(*paths: Path) -> int:
    """Bytes that du counts: allocated, hard links once, one filesystem."""
    words = ["du", "-sxc", "--block-size=1", *(str(path) for path in paths)]
    out = subprocess.run(words, check=True, capture_output=True).stdout
    return int(out.splitlines()[-1].split()[0])


def children() -> set[int]:
    """Processes that this one and its helper have started and not yet reaped; the helper itself is none of them."""
    HELPER.start()
    return (_children_of(os.getpid()) | _children_of(HELPER.pid)) - {HELPER.pid}


def _children_of(pid: int) -> set[int]:
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has just ended
            found.update(int(child) for child in (task / "children").read_text().split())
    return found


def descriptors() -> set[str]:
    HELPER.start()
    return set(os.listdir("/proc/self/fd"))


def fill(path: Path, size: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def search_open_files(host: Host, *, watched: str = "", deadline_s: float) -> Reading[OpenFileSearch]:
    """Descriptors and mappings of all processes."""
    return ProcessSearch(host, watched, Clock(deadline_s), 0.0).with_mappings()


@contextmanager
def mapped(path: Path) -> Iterator[None]:
    """The file is mapped into this process, and no descriptor leads to it: Python's own mmap keeps one."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    with path.open("rb") as file:
        area = libc.mmap(None, 4096, mmap.PROT_READ, mmap.MAP_PRIVATE, file.fileno(), 0)
    assert area not in (None, 2**64 - 1), os.strerror(ctypes.get_errno())
    try:
        yield
    finally:
        libc.munmap(area, 4096)


def counted_looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is looked at in all processes from now on."""
    looks: list[str] = []
    real = ProcessSearch._pass

    def counted(search: ProcessSearch, look: str) -> Reading[OpenFileSearch]:
        looks.append(look)
        return real(search, look)

    monkeypatch.setattr(ProcessSearch, "_pass", counted)
    return looks
